//! Between the columns of the tables and the types of the contract.

use crate::served::kept::Kept;
use crate::served::wants::StoredLane;
use roundsman_store::{Block, Endpoint, Key, Lane, LaneId, Timestamp};
use std::borrow::Cow;
use std::sync::Arc;
use tokio_postgres::Row;

/// A number as PostgreSQL keeps it. All ours are far below 2⁶³; a stranger's wraps and is not found.
pub(super) fn int(number: u64) -> i64 {
    number.cast_signed()
}

/// And back.
pub(super) fn number(row: &Row, column: usize) -> u64 {
    row.get::<_, i64>(column).cast_unsigned()
}

/// A moment that may be missing.
pub(super) fn moment(row: &Row, column: usize) -> Option<Timestamp> {
    row.get::<_, Option<i64>>(column).map(Timestamp)
}

/// What stands in a text for a character that cannot.
const MARK: char = '\u{1}';

/// A text as it is kept: a column of texts takes every character but one. The mark stands before
/// itself as well, so that every text comes back as it was.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return text.into();
    }
    text.replace(MARK, "\u{1}1").replace('\0', "\u{1}0").into()
}

/// And back.
fn unplain(text: &str) -> Cow<'_, str> {
    if !text.contains(MARK) {
        return text.into();
    }
    text.replace("\u{1}0", "\0").replace("\u{1}1", "\u{1}").into()
}

/// A text that is shared from now on.
pub(super) fn text(row: &Row, column: usize) -> Arc<str> {
    unplain(row.get(column)).into()
}

/// A text that may be missing.
pub(super) fn text_or_none(row: &Row, column: usize) -> Option<Arc<str>> {
    row.get::<_, Option<&str>>(column).map(|text| unplain(text).into())
}

/// A key. One that is none, which no version of this store can have written, is its own topic.
pub(super) fn key(row: &Row, column: usize) -> Option<Key> {
    Key::parse(&unplain(row.get(column))).ok()
}

/// A lane from three columns that begin at `first`: id, key, topic.
pub(super) fn lane(row: &Row, first: usize) -> Option<Arc<Lane>> {
    let id = LaneId(number(row, first));
    Some(Arc::new(Lane { id, key: key(row, first + 1)?, topic: text(row, first + 2) }))
}

/// The columns of [`stored_lane`].
macro_rules! lane_columns {
    () => {
        "lane.id, lane.key, lane.topic, lane.ready, lane.later, lane.wait, lane.until, lane.turn"
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
        turn: row.get(7),
    })
}

/// A block as the columns `wait` and `until`; the latter has the number of a parked endpoint, too.
pub(super) fn wait(block: Option<Block>) -> (i16, Option<i64>) {
    match block {
        None => (0, None),
        Some(Block::Absent) => (1, None),
        Some(Block::Until(at)) => (2, Some(at.0)),
        Some(Block::Parked(Endpoint(number))) => (3, Some(int(number))),
    }
}

/// And back, from two columns that begin at `first`.
pub(super) fn block(row: &Row, first: usize) -> Option<Block> {
    let until = row.get::<_, Option<i64>>(first + 1).unwrap_or_default();
    match row.get::<_, i16>(first) {
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
        is_named: row.get(4),
        accepted: Timestamp(row.get(5)),
        id: text_or_none(row, 6),
        past: row.get(7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back() {
        for text in ["", "user:42", "a\0b", "\u{1}", "\u{1}0\0", "\0\u{1}1\u{1}", "für \u{1}"] {
            let kept = plain(text);
            assert!(!kept.contains('\0'));
            assert_eq!(unplain(&kept), text);
        }
    }
}
