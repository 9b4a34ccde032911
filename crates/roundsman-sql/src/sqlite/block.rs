//! Blocking and releasing lanes as a whole.

use super::error::Sql;
use super::ledger::Ledger;
use super::row::number;
use roundsman_store::{Block, Lane, LaneId, Release, StoreError};
use rusqlite::{Connection, Params};
use std::sync::Arc;

/// Blocks those of these lanes that have messages.
pub(super) fn block(
    ledger: &mut Ledger,
    lanes: Vec<(LaneId, Block)>,
) -> Sql<Result<(), StoreError>> {
    for (lane, block) in lanes {
        ledger.books.set_block(&ledger.connection, lane, Some(block))?;
    }
    Ok(Ok(()))
}

/// Releases lanes, and answers those of them that have messages.
pub(super) fn release(
    ledger: &mut Ledger,
    which: Release,
) -> Sql<Result<Vec<Arc<Lane>>, StoreError>> {
    let Ledger { connection, books, .. } = ledger;
    let lanes = match which {
        Release::Lanes(lanes) => lanes,
        Release::Topic(topic) => {
            books.flush(connection)?;
            const ABSENT: &str = "SELECT id FROM lane WHERE topic = ?1 AND wait = 1";
            lane_ids(connection, ABSENT, [&*topic])?
        }
    };
    let mut released = Vec::with_capacity(lanes.len());
    for id in lanes {
        books.set_block(connection, id, None)?;
        let lane = books.see(connection, id, |row| (row.ready > 0).then(|| row.lane.clone()))?;
        released.extend(lane.flatten());
    }
    Ok(Ok(released))
}

/// The lanes that a statement finds; its one column is their number.
pub(super) fn lane_ids(
    connection: &Connection,
    statement: &str,
    parameters: impl Params,
) -> Sql<Vec<LaneId>> {
    let mut statement = connection.prepare_cached(statement)?;
    statement.query_map(parameters, |row| Ok(LaneId(number(row, 0)?)))?.collect()
}
