//! Blocking and releasing lanes as a whole.

use super::error::Sql;
use super::ledger::Ledger;
use super::row::{int, number};
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
        Release::Endpoint(endpoint) => {
            books.flush(connection)?;
            const PARKED: &str = "SELECT id FROM lane WHERE until = ?1 AND wait = 3";
            lane_ids(connection, PARKED, [int(endpoint.0)])?
        }
        Release::Endpoints => {
            books.flush(connection)?;
            lane_ids(connection, "SELECT id FROM lane WHERE wait = 3", ())?
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
