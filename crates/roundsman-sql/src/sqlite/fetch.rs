//! Reading by lane: which lanes have something to do, and the next messages of each.

use super::error::Sql;
use super::reader::Reader;
use super::row::{int, lane, moment, number, text};
use crate::history::Past;
use bytes::Bytes;
use roundsman_store::{
    Ask, Fetched, IdSalt, Lane, LaneId, MessageId, Record, StoreError, Timestamp,
};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Row};
use std::sync::Arc;

pub(super) const WALK: &str = "SELECT id, key, topic FROM lane INDEXED BY lane_turn
     WHERE turn = 1 AND id > ?1 AND EXISTS (
         SELECT 1 FROM message INDEXED BY message_lane WHERE message.lane = lane.id AND due IS NULL
     ) ORDER BY id LIMIT ?2";

/// The next lanes behind one.
pub(super) fn walk(
    reader: &mut Reader,
    (after, limit): (Option<LaneId>, usize),
) -> Sql<Result<Vec<Arc<Lane>>, StoreError>> {
    let after = after.map_or(-1, |id| int(id.0));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = reader.connection.prepare_cached(WALK)?;
    let lanes = statement.query_map((after, limit), |row| lane(row, 0))?.collect::<Sql<_>>()?;
    Ok(Ok(lanes))
}

pub(super) const FETCH: &str = "SELECT seq, accepted, expires, id, event, history, payload
     FROM message INDEXED BY message_lane
     WHERE lane = ?1 AND due IS NULL AND seq > ?2 ORDER BY seq LIMIT ?3";

/// The oldest messages of each of several lanes.
pub(super) fn fetch(reader: &mut Reader, asks: Vec<Ask>) -> Sql<Result<Vec<Fetched>, StoreError>> {
    let mut lanes = Vec::with_capacity(asks.len());
    for ask in &asks {
        lanes.push(reader.lane(ask.lane)?);
    }
    let mut statement = reader.connection.prepare_cached(FETCH)?;
    let mut fetched = Vec::with_capacity(asks.len());
    let mut event = Arc::from("");
    for (ask, lane) in asks.into_iter().zip(lanes) {
        fetched.push(match lane {
            Some(lane) => fetch_lane(&mut statement, &ask, &lane, reader.place.salt, &mut event)?,
            None => Fetched { lane: ask.lane, records: Vec::new(), more: false },
        });
    }
    Ok(Ok(fetched))
}

fn fetch_lane(
    statement: &mut CachedStatement<'_>,
    ask: &Ask,
    lane: &Arc<Lane>,
    salt: IdSalt,
    event: &mut Arc<str>,
) -> Sql<Fetched> {
    let limit = ask.limit.max(1);
    // One more than asked for: whether it is there is `more`.
    let rows = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows = statement.query((int(lane.id.0), int(ask.after), rows))?;
    let mut fetched = Fetched { lane: ask.lane, records: Vec::new(), more: false };
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let is_enough = fetched.records.len() >= limit || bytes >= ask.max_bytes;
        if is_enough && !fetched.records.is_empty() {
            fetched.more = true;
            break;
        }
        let record = record(row, lane, salt, event)?;
        bytes += record.payload.len();
        fetched.records.push(record);
    }
    Ok(fetched)
}

fn record(row: &Row<'_>, lane: &Arc<Lane>, salt: IdSalt, event: &mut Arc<str>) -> Sql<Record> {
    let seq = number(row, 0)?;
    let id = match row.get_ref(3)? {
        ValueRef::Null => MessageId::Made { salt, lane: lane.id, seq },
        id => MessageId::parse(id.as_str()?, salt),
    };
    // Most messages of a read share their event.
    if row.get_ref(4)?.as_str()? != &**event {
        *event = text(row, 4)?;
    }
    let history = row.get_ref(5)?.as_blob_or_null()?.and_then(Past::decode_history);
    Ok(Record {
        lane: lane.clone(),
        seq,
        id,
        event: event.clone(),
        payload: Bytes::copy_from_slice(row.get_ref(6)?.as_blob()?),
        accepted_at: Timestamp(row.get(1)?),
        expires_at: moment(row, 2)?,
        history: history.map(Box::new),
    })
}
