//! Between the columns of the tables and the types of the contract.

use super::error::{Sql, strange};
use roundsman_store::{Block, Endpoint, Key, Lane, LaneId, Timestamp};
use rusqlite::Row;
use std::sync::Arc;

/// A statement by how many rows it writes, most first. What it costs by itself is as much as a row:
/// many share one where there are many.
macro_rules! by_rows {
    (@eight $rows:expr) => {
        concat!(
            $rows, ",", $rows, ",", $rows, ",", $rows, ",", $rows, ",", $rows, ",", $rows, ",",
            $rows
        )
    };
    ($head:expr, $row:expr) => {
        [
            (64, concat!($head, by_rows!(@eight by_rows!(@eight $row)))),
            (8, concat!($head, by_rows!(@eight $row))),
            (1, concat!($head, $row)),
        ]
    };
}
pub(super) use by_rows;

/// A number as SQLite keeps it. All ours are far below 2⁶³; a stranger's wraps and is not found.
pub(super) fn int(number: u64) -> i64 {
    number.cast_signed()
}

/// And back.
pub(super) fn number(row: &Row<'_>, column: usize) -> Sql<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// A moment that may be missing.
pub(super) fn moment(row: &Row<'_>, column: usize) -> Sql<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp))
}

/// A text that is shared from now on.
pub(super) fn text(row: &Row<'_>, column: usize) -> Sql<Arc<str>> {
    Ok(row.get_ref(column)?.as_str()?.into())
}

/// A key.
pub(super) fn key(row: &Row<'_>, column: usize) -> Sql<Key> {
    Key::parse(row.get_ref(column)?.as_str()?).map_err(|error| strange(column, error))
}

/// A lane from three columns that begin at `first`: id, key, topic.
pub(super) fn lane(row: &Row<'_>, first: usize) -> Sql<Arc<Lane>> {
    let id = LaneId(number(row, first)?);
    Ok(Arc::new(Lane { id, key: key(row, first + 1)?, topic: text(row, first + 2)? }))
}

/// A block as the columns `wait` and `until`; the latter has the number of a parked endpoint, too.
pub(super) fn wait(block: Option<Block>) -> (i64, Option<i64>) {
    match block {
        None => (0, None),
        Some(Block::Absent) => (1, None),
        Some(Block::Until(at)) => (2, Some(at.0)),
        Some(Block::Parked(Endpoint(number))) => (3, Some(int(number))),
    }
}

/// And back, from two columns that begin at `first`.
pub(super) fn block(row: &Row<'_>, first: usize) -> Sql<Option<Block>> {
    let until = row.get::<_, Option<i64>>(first + 1)?.unwrap_or_default();
    Ok(match row.get::<_, i64>(first)? {
        1 => Some(Block::Absent),
        2 => Some(Block::Until(Timestamp(until))),
        3 => Some(Block::Parked(Endpoint(until.cast_unsigned()))),
        _ => None,
    })
}
