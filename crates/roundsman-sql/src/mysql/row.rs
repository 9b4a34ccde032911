//! Between the columns of the tables and the types of the contract.

use crate::served::kept::Kept;
use crate::served::wants::StoredLane;
use mysql_async::{Row, Value};
use roundsman_store::{Block, Endpoint, Fingerprint, Key, Lane, LaneId, Timestamp};
use std::sync::Arc;

/// A whole number; nothing is 0.
pub(super) fn int(row: &Row, column: usize) -> i64 {
    int_or_none(row, column).unwrap_or(0)
}

pub(super) fn int_or_none(row: &Row, column: usize) -> Option<i64> {
    match row.as_ref(column)? {
        Value::Int(number) => Some(*number),
        Value::UInt(number) => Some(number.cast_signed()),
        Value::Float(number) => Some(*number as i64),
        Value::Double(number) => Some(*number as i64),
        // Sums come as decimals.
        Value::Bytes(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    }
}

pub(super) fn number(row: &Row, column: usize) -> u64 {
    int(row, column).cast_unsigned()
}

/// A number as the server keeps it. All ours are far below 2⁶³; a stranger's wraps and is not found.
pub(super) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// A moment that may be missing.
pub(super) fn moment(row: &Row, column: usize) -> Option<Timestamp> {
    int_or_none(row, column).map(Timestamp)
}

/// Bytes; nothing is none of them.
pub(super) fn bytes(row: &Row, column: usize) -> &[u8] {
    bytes_or_none(row, column).unwrap_or_default()
}

pub(super) fn bytes_or_none(row: &Row, column: usize) -> Option<&[u8]> {
    match row.as_ref(column)? {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// A text that is shared from now on.
pub(super) fn text(row: &Row, column: usize) -> Arc<str> {
    String::from_utf8_lossy(bytes(row, column)).into()
}

/// A text that may be missing.
pub(super) fn text_or_none(row: &Row, column: usize) -> Option<Arc<str>> {
    bytes_or_none(row, column).map(|bytes| String::from_utf8_lossy(bytes).into())
}

/// A key, which every version of this store has written as one.
pub(super) fn key(row: &Row, column: usize) -> Option<Key> {
    Key::parse(std::str::from_utf8(bytes(row, column)).ok()?).ok()
}

/// A lane from three columns that begin at `first`: id, key, topic.
pub(super) fn lane(row: &Row, first: usize) -> Option<Arc<Lane>> {
    let id = LaneId(number(row, first));
    Some(Arc::new(Lane { id, key: key(row, first + 1)?, topic: text(row, first + 2) }))
}

/// What stands for the name of a lane in its index.
pub(super) fn lane_name(key: &Key, topic: &str) -> [u8; 16] {
    Fingerprint::of(&[topic.as_bytes(), key.as_str().as_bytes()]).0
}

/// What stands for a key in the index of accounts.
pub(super) fn key_name(key: &Key) -> [u8; 16] {
    Fingerprint::of(&[key.as_str().as_bytes()]).0
}

/// The columns of [`stored_lane`].
macro_rules! lane_columns {
    () => {
        "l.id, l.`key`, l.topic, l.ready, l.later, l.wait, l.until, l.turn"
    };
}
pub(super) use lane_columns;

/// A whole lane.
pub(super) fn stored_lane(row: &Row) -> Option<StoredLane> {
    Some(StoredLane {
        lane: lane(row, 0)?,
        ready: number(row, 3),
        later: number(row, 4),
        block: block(row, 5),
        turn: int_or_none(row, 7).is_some(),
    })
}

/// A block as the columns `wait` and `until`; the latter has the number of a parked endpoint, too.
pub(super) fn wait(block: Option<Block>) -> (i64, Option<i64>) {
    match block {
        None => (0, None),
        Some(Block::Absent) => (1, None),
        Some(Block::Until(at)) => (2, Some(at.0)),
        Some(Block::Parked(Endpoint(number))) => (3, Some(signed(number))),
    }
}

/// And back, from two columns that begin at `first`.
pub(super) fn block(row: &Row, first: usize) -> Option<Block> {
    let until = int(row, first + 1);
    match int(row, first) {
        1 => Some(Block::Absent),
        2 => Some(Block::Until(Timestamp(until))),
        3 => Some(Block::Parked(Endpoint(until.cast_unsigned()))),
        _ => None,
    }
}

/// A message from the columns lane, seq, due, expires, named, accepted, id, history.
pub(super) fn kept(row: &Row) -> Kept {
    Kept {
        lane: LaneId(number(row, 0)),
        seq: number(row, 1),
        due: moment(row, 2),
        expires: moment(row, 3),
        is_named: int(row, 4) != 0,
        accepted: Timestamp(int(row, 5)),
        id: text_or_none(row, 6),
        past: bytes_or_none(row, 7).map(<[u8]>::to_vec),
    }
}
