//! Doing what is due by the clock: blocks that end, messages whose moment has come, what expired,
//! old ids, and what a crash left of lanes that ran empty.

use super::block::lane_ids;
use super::error::Sql;
use super::expire;
use super::ledger::Ledger;
use super::message::{self, Messages};
use super::row::moment;
use crate::fate::Fate;
use roundsman_store::{Promoted, StoreError, Timestamp};
use rusqlite::Connection;

/// At most so many of each kind in one call, so that no other call waits for long.
const AT_ONCE: u32 = 512;

/// Does a bounded piece of it.
pub(super) fn promote(ledger: &mut Ledger, (): ()) -> Sql<Result<Promoted, StoreError>> {
    let mut promoted = Promoted::default();
    let now = ledger.place.clock.now();
    promoted.again |= wake(ledger, now, &mut promoted)?;
    promoted.again |= come_due(ledger, now, &mut promoted)?;
    promoted.again |= expire::expire(ledger, now, &mut promoted)?;
    expire::sweep(ledger, now)?;
    promoted.lanes.sort_unstable_by_key(|lane| lane.id);
    promoted.lanes.dedup_by_key(|lane| lane.id);
    ledger.books.flush(&ledger.connection)?;
    let nexts = [
        first(&ledger.connection, "SELECT min(due) FROM message WHERE due IS NOT NULL")?,
        first(&ledger.connection, "SELECT min(until) FROM lane WHERE wait = 2")?,
        expire::next(ledger)?,
    ];
    promoted.next = nexts.into_iter().flatten().min();
    Ok(Ok(promoted))
}

/// Releases lanes that were blocked until now.
fn wake(ledger: &mut Ledger, now: Timestamp, promoted: &mut Promoted) -> Sql<bool> {
    let Ledger { connection, books, .. } = ledger;
    books.flush(connection)?;
    const OVER: &str = "SELECT id FROM lane WHERE wait = 2 AND until <= ?1 ORDER BY until LIMIT ?2";
    let lanes = lane_ids(connection, OVER, (now.0, AT_ONCE))?;
    for id in &lanes {
        books.set_block(connection, *id, None)?;
        promoted.lanes.extend(books.see(connection, *id, |row| row.lane.clone())?);
    }
    Ok(lanes.len() == AT_ONCE as usize)
}

/// Moves messages whose moment has come to the ends of their lanes.
fn come_due(ledger: &mut Ledger, now: Timestamp, promoted: &mut Promoted) -> Sql<bool> {
    let due = ledger
        .connection
        .prepare_cached(
            "SELECT seq, lane, due, expires, accepted, id, history FROM message
             WHERE due IS NOT NULL AND due <= ?1 ORDER BY due, seq LIMIT ?2",
        )?
        .query_map((now.0, AT_ONCE), message::read)?
        .collect::<Sql<Vec<_>>>()?;
    let mut messages = Messages::of(ledger)?;
    for kept in &due {
        if kept.expires.is_some_and(|at| at <= now) {
            messages.finish(kept, 0, Fate::Expired)?;
            promoted.expired += 1;
            continue;
        }
        messages.bring_back(kept)?;
        let open = messages.books.see(messages.connection, kept.lane, |row| {
            row.block.is_none().then(|| row.lane.clone())
        })?;
        promoted.lanes.extend(open.flatten());
    }
    messages.flush()?;
    Ok(due.len() == AT_ONCE as usize)
}

fn first(connection: &Connection, statement: &str) -> Sql<Option<Timestamp>> {
    connection.prepare_cached(statement)?.query_row((), |row| moment(row, 0))
}
