//! Reading by lane: the next messages of each of several lanes.

use super::connect::Connection;
use super::error::Sql;
use super::load::count;
use super::row::{int, lane, moment, number, text, text_or_none};
use crate::cache::Cache;
use crate::history::Past;
use crate::served::wants::Spot;
use bytes::Bytes;
use roundsman_store::{Ask, Fetched, IdSalt, Lane, LaneId, MessageId, Record, Timestamp};
use rustc_hash::FxBuildHasher;
use std::sync::Arc;
use tokio_postgres::Row;

/// The names of lanes, which never change: numbers are never used again.
pub(super) type LaneNames = Cache<LaneId, Arc<Lane>, FxBuildHasher>;

const NAMES: &str = "SELECT lane.id, lane.key, lane.topic FROM unnest($1::bigint[]) AS wanted(id)
     JOIN lane ON lane.id = wanted.id";

/// One more than asked for is looked at: whether it is there is `more`. A large payload is left out
/// at first, and read only if it is wanted: how large it is is known without reading it.
const FETCH: &str = "SELECT ask.number, m.*
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY
         AS ask(lane, after, most, number)
     CROSS JOIN LATERAL (
         SELECT seq, accepted, expires, id, event, history, octet_length(payload) AS bytes,
                CASE WHEN octet_length(payload) <= 4096 THEN payload END
         FROM message WHERE lane = ask.lane AND seq > ask.after ORDER BY seq LIMIT ask.most + 1
     ) m";
const BODIES: &str = "SELECT m.seq, m.payload
     FROM unnest($1::bigint[], $2::bigint[]) AS wanted(lane, seq)
     JOIN message m ON m.lane = wanted.lane AND m.seq = wanted.seq";

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
    let rows = connection.query(FETCH, &[&lanes, &after, &most]).await?;
    let none = |ask: &Ask| Fetched { lane: ask.lane, records: Vec::new(), more: false };
    let mut fetched: Vec<_> = asks.iter().map(none).collect();
    let missing = put(&rows, asks, names, salt, &mut fetched);
    add_bodies(connection, &mut fetched, &missing).await?;
    names.turn();
    Ok(fetched)
}

/// Puts rows where they belong. Answers where the large payloads are that are wanted.
fn put(
    rows: &[Row],
    asks: &[Ask],
    names: &mut LaneNames,
    salt: IdSalt,
    fetched: &mut [Fetched],
) -> Vec<Spot> {
    let (mut missing, mut event) = (Vec::new(), Arc::from(""));
    let mut before = vec![0; asks.len()];
    for row in rows {
        let place = usize::try_from(row.get::<_, i64>(0)).unwrap_or(0);
        let Some(at) = place.checked_sub(1).filter(|at| *at < asks.len()) else { continue };
        let (ask, fetched, before) = (&asks[at], &mut fetched[at], &mut before[at]);
        let is_enough = fetched.records.len() >= ask.limit.max(1) || *before >= ask.max_bytes;
        if is_enough && !fetched.records.is_empty() {
            fetched.more = true;
            continue;
        }
        let Some(lane) = names.find(&ask.lane) else { continue };
        *before += usize::try_from(row.get::<_, i32>(7)).unwrap_or(0);
        if row.get::<_, Option<&[u8]>>(8).is_none() {
            missing.push(Spot { lane: ask.lane, seq: number(row, 1) });
        }
        fetched.records.push(record(row, lane, salt, &mut event));
    }
    missing
}

/// Reads the payloads that were too large to be read on the chance that they are wanted.
async fn add_bodies(
    connection: &mut Connection,
    fetched: &mut [Fetched],
    missing: &[Spot],
) -> Sql<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let lanes: Vec<_> = missing.iter().map(|spot| int(spot.lane.0)).collect();
    let seqs: Vec<_> = missing.iter().map(|spot| int(spot.seq)).collect();
    let rows = connection.query(BODIES, &[&lanes, &seqs]).await?;
    let bodies = rows.iter().map(|row| (number(row, 0), Bytes::copy_from_slice(row.get(1))));
    crate::served::fill(fetched, missing, bodies.collect());
    Ok(())
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
        payload: Bytes::copy_from_slice(row.get::<_, Option<&[u8]>>(8).unwrap_or_default()),
        accepted_at: Timestamp(row.get(2)),
        expires_at: moment(row, 3),
        history: history.map(Box::new),
    }
}
