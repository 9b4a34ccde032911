//! Reading by lane: the next messages of each of several lanes.
//!
//! There is no lateral join everywhere, so a statement has a part for each of many lanes, in a few sizes. A
//! large payload is left out at first, and read only if it is wanted: how large it is lies beside it.

use super::connect::Connection;
use super::error::Sql;
use super::row::{bytes, bytes_or_none, int, lane, moment, number, signed, text, text_or_none};
use super::rows::{Rows, table};
use crate::cache::Cache;
use crate::history::Past;
use crate::served::wants::Spot;
use bytes::Bytes;
use mysql_async::{Row, Value};
use roundsman_store::{Ask, Fetched, IdSalt, Lane, LaneId, MessageId, Record, Timestamp};
use rustc_hash::FxBuildHasher;
use std::sync::Arc;

/// The names of lanes, which never change: numbers are never used again.
pub(super) type LaneNames = Cache<LaneId, Arc<Lane>, FxBuildHasher>;

const NAMES: &str = concat!(
    "SELECT l.id, l.`key`, l.topic FROM ",
    table!("id BIGINT"),
    " STRAIGHT_JOIN roundsman_lane l ON l.id = j.id"
);
const PART: &str = "(SELECT ? AS number, seq, accepted, expires, id, event, history, bytes,
     IF(bytes <= 4096, payload, NULL) AS payload
     FROM roundsman_message WHERE lane = ? AND seq > ? ORDER BY seq LIMIT ?)";
const BODIES: &str = concat!(
    "SELECT m.seq, m.payload FROM ",
    table!("lane BIGINT", "seq BIGINT" 1),
    " STRAIGHT_JOIN roundsman_message m ON m.lane = j.lane AND m.seq = j.seq"
);
/// How many parts a statement has.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

/// The oldest messages of each of several lanes.
pub(super) async fn fetch(
    connection: &mut Connection,
    names: &mut LaneNames,
    asks: &[Ask],
    salt: IdSalt,
) -> Sql<Vec<Fetched>> {
    learn_names(connection, names, asks).await?;
    let none = |ask: &Ask| Fetched { lane: ask.lane, records: Vec::new(), more: false };
    let mut fetched: Vec<_> = asks.iter().map(none).collect();
    // Large payloads that are wanted and not here yet.
    let mut missing = Vec::new();
    let mut first = 0;
    while first < asks.len() {
        let rest = asks.len() - first;
        let size = SIZES.into_iter().find(|size| *size <= rest).unwrap_or(1);
        let rows =
            connection.query(&statement(size), values(&asks[first..first + size], first)).await?;
        put(&rows, asks, names, salt, &mut fetched, &mut missing);
        first += size;
    }
    add_bodies(connection, &mut fetched, &missing).await?;
    names.turn();
    Ok(fetched)
}

fn statement(size: usize) -> String {
    vec![PART; size].join(" UNION ALL ")
}

fn values(asks: &[Ask], first: usize) -> Vec<Value> {
    let mut values = Vec::with_capacity(asks.len() * 4);
    for (at, ask) in asks.iter().enumerate() {
        // One more than asked for: whether it is there is `more`.
        let limit = ask.limit.clamp(1, 1 << 40) + 1;
        values.push(Value::from((first + at) as u64));
        values.push(signed(ask.lane.0).into());
        values.push(signed(ask.after).into());
        values.push(Value::from(limit as u64));
    }
    values
}

fn put(
    rows: &[Row],
    asks: &[Ask],
    names: &mut LaneNames,
    salt: IdSalt,
    fetched: &mut [Fetched],
    missing: &mut Vec<Spot>,
) {
    let (mut event, mut before, mut last) = (Arc::from(""), 0, usize::MAX);
    for row in rows {
        let at = usize::try_from(int(row, 0)).unwrap_or(usize::MAX);
        let (Some(ask), Some(fetched)) = (asks.get(at), fetched.get_mut(at)) else { continue };
        if std::mem::replace(&mut last, at) != at {
            before = 0;
        }
        let is_enough = fetched.records.len() >= ask.limit.max(1) || before >= ask.max_bytes;
        if is_enough && !fetched.records.is_empty() {
            fetched.more = true;
            continue;
        }
        let Some(lane) = names.find(&ask.lane) else { continue };
        before += usize::try_from(int(row, 7)).unwrap_or(0);
        if bytes_or_none(row, 8).is_none() {
            missing.push(Spot { lane: ask.lane, seq: number(row, 1) });
        }
        fetched.records.push(record(row, lane, salt, &mut event));
    }
}

fn record(row: &Row, lane: &Arc<Lane>, salt: IdSalt, event: &mut Arc<str>) -> Record {
    let seq = number(row, 1);
    let id = match text_or_none(row, 4) {
        None => MessageId::Made { salt, lane: lane.id, seq },
        Some(id) => MessageId::parse(&id, salt),
    };
    // Most messages of a read share their event.
    if bytes(row, 5) != event.as_bytes() {
        *event = text(row, 5);
    }
    let history = bytes_or_none(row, 6).and_then(Past::decode_history);
    Record {
        lane: lane.clone(),
        seq,
        id,
        event: event.clone(),
        payload: Bytes::copy_from_slice(bytes(row, 8)),
        accepted_at: Timestamp(int(row, 2)),
        expires_at: moment(row, 3),
        history: history.map(Box::new),
    }
}

/// Reads the payloads that were too large to be read on the chance that they are wanted. A record
/// that is gone by now is left out.
async fn add_bodies(
    connection: &mut Connection,
    fetched: &mut [Fetched],
    missing: &[Spot],
) -> Sql<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let spots =
        Rows::of(missing, |cells, spot| cells.int(signed(spot.lane.0)).int(signed(spot.seq)));
    let rows = connection.query(BODIES, vec![spots]).await?;
    let bodies = rows.iter().map(|row| (number(row, 0), Bytes::copy_from_slice(bytes(row, 1))));
    crate::served::fill(fetched, missing, bodies.collect());
    Ok(())
}

async fn learn_names(connection: &mut Connection, names: &mut LaneNames, asks: &[Ask]) -> Sql<()> {
    let mut unknown: Vec<_> = asks.iter().map(|ask| ask.lane).collect();
    unknown.retain(|id| names.find(id).is_none());
    if unknown.is_empty() {
        return Ok(());
    }
    let unknown = Rows::of(unknown, |cells, id| cells.int(signed(id.0)));
    for row in connection.query(NAMES, vec![unknown]).await? {
        if let Some(lane) = lane(&row, 0) {
            names.insert(lane.id, lane);
        }
    }
    Ok(())
}
