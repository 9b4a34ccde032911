//! Reading by lane: the next messages of each of several lanes.

use super::connect::Connection;
use super::error::Sql;
use super::load::count;
use super::row::{int, lane, moment, number, text, text_or_none};
use crate::cache::Cache;
use crate::history::Past;
use bytes::Bytes;
use roundsman_store::{Ask, Fetched, IdSalt, Lane, LaneId, MessageId, Record, Timestamp};
use rustc_hash::FxBuildHasher;
use std::sync::Arc;
use tokio_postgres::Row;

/// The names of lanes, which never change: numbers are never used again.
pub(super) type LaneNames = Cache<LaneId, Arc<Lane>, FxBuildHasher>;

const NAMES: &str = "SELECT lane.id, lane.key, lane.topic FROM unnest($1::bigint[]) AS wanted(id)
     JOIN lane ON lane.id = wanted.id";

/// One more than asked for is looked at: whether it is there is `more`. The bytes of a payload are
/// counted before it is read, so that what is too much is left where it is.
const FETCH: &str =
    "SELECT ask.number, m.seq, m.accepted, m.expires, m.id, m.event, m.history, m.payload, m.more
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) WITH ORDINALITY
         AS ask(lane, after, most, bytes, number)
     CROSS JOIN LATERAL (
         SELECT *, row_number() OVER w AS place, lead(seq) OVER w IS NOT NULL AS more,
                sum(octet_length(payload)) OVER w - octet_length(payload) AS before
         FROM (
             SELECT * FROM message WHERE lane = ask.lane AND seq > ask.after
             ORDER BY seq LIMIT ask.most + 1
         ) found
         WINDOW w AS (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
     ) m
     WHERE m.place = 1 OR (m.place <= ask.most AND m.before < ask.bytes)";

/// The oldest messages of each of several lanes.
pub(super) async fn fetch(
    connection: &mut Connection,
    names: &mut LaneNames,
    asks: &[Ask],
    salt: IdSalt,
) -> Sql<Vec<Fetched>> {
    learn_names(connection, names, asks).await?;
    let lanes: Vec<_> = asks.iter().map(|ask| int(ask.lane.0)).collect();
    let after: Vec<_> = asks.iter().map(|ask| int(ask.after)).collect();
    // No limit that is meant comes near this one, to which one is added.
    let most: Vec<_> = asks.iter().map(|ask| count(ask.limit.clamp(1, 1 << 40))).collect();
    let bytes: Vec<_> = asks.iter().map(|ask| count(ask.max_bytes)).collect();
    let rows = connection.query(FETCH, &[&lanes, &after, &most, &bytes]).await?;
    let none = |ask: &Ask| Fetched { lane: ask.lane, records: Vec::new(), more: false };
    let mut fetched: Vec<_> = asks.iter().map(none).collect();
    let mut event = Arc::from("");
    for row in &rows {
        let number = usize::try_from(row.get::<_, i64>(0)).unwrap_or(0);
        let Some(fetched) = number.checked_sub(1).and_then(|at| fetched.get_mut(at)) else {
            continue;
        };
        let Some(lane) = names.find(&fetched.lane) else { continue };
        fetched.records.push(record(row, lane, salt, &mut event));
        fetched.more = row.get(8);
    }
    names.turn();
    Ok(fetched)
}

async fn learn_names(connection: &mut Connection, names: &mut LaneNames, asks: &[Ask]) -> Sql<()> {
    let mut unknown: Vec<_> = asks.iter().map(|ask| ask.lane).collect();
    unknown.retain(|id| names.find(id).is_none());
    if unknown.is_empty() {
        return Ok(());
    }
    let unknown: Vec<_> = unknown.into_iter().map(|id| int(id.0)).collect();
    for row in connection.query(NAMES, &[&unknown]).await? {
        if let Some(lane) = lane(&row, 0) {
            names.insert(lane.id, lane);
        }
    }
    Ok(())
}

fn record(row: &Row, lane: &Arc<Lane>, salt: IdSalt, event: &mut Arc<str>) -> Record {
    let seq = number(row, 1);
    let id = match text_or_none(row, 4) {
        None => MessageId::Made { salt, lane: lane.id, seq },
        Some(id) => MessageId::parse(&id, salt),
    };
    // Most messages of a read share their event.
    if row.get::<_, &str>(5) != &**event {
        *event = text(row, 5);
    }
    let history = row.get::<_, Option<&[u8]>>(6).and_then(Past::decode_history);
    Record {
        lane: lane.clone(),
        seq,
        id,
        event: event.clone(),
        payload: Bytes::copy_from_slice(row.get(7)),
        accepted_at: Timestamp(row.get(2)),
        expires_at: moment(row, 3),
        history: history.map(Box::new),
    }
}
