//! Removing what expired where it waits, and three slow sweeps, a few rows each call.
//!
//! Expiries that a sender named have an index and are found at once. Those of the configuration
//! have none: they mostly ascend with the sequence, so that a sweep from the oldest message on
//! finds them, and stops at the first that is not over yet. One that it misses is found when it
//! comes up. What is under way is its owner's to settle.

use super::error::Sql;
use super::ids;
use super::ledger::Ledger;
use super::message::{Kept, Messages, read};
use super::row::{int, moment, number};
use crate::fate::Fate;
use roundsman_store::{LaneId, Promoted, Timestamp};

/// At most so many removals in one call.
const AT_ONCE: usize = 512;
/// How many rows each sweep looks at in one call.
const A_FEW: i64 = 512;

/// How far each sweep has come.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    /// Through the messages, for default expiries: the last sequence looked at.
    expiry: u64,
    /// Through the ids: the last one looked at.
    ids: String,
    /// Once through the lanes, for those that ran empty before this opening.
    lanes: Option<LaneId>,
    lanes_are_done: bool,
}

/// Removes expired messages, those first whose sender said when.
pub(super) fn expire(ledger: &mut Ledger, now: Timestamp, promoted: &mut Promoted) -> Sql<bool> {
    const NAMED: &str = "SELECT seq, lane, due, expires, accepted, id, history FROM message
         WHERE named = 1 AND expires <= ?1 ORDER BY expires LIMIT ?2";
    // Those under way stay in the index; behind them there may be others.
    let limit = AT_ONCE + ledger.claims.len();
    let mut over = ledger
        .connection
        .prepare_cached(NAMED)?
        .query_map((now.0, int(limit as u64)), read)?
        .collect::<Sql<Vec<_>>>()?;
    let is_full = over.len() == limit;
    over.extend(sweep_defaults(ledger, now)?);
    let is_mid_sweep = ledger.sweeps.expiry > 0;
    let mut messages = Messages::of(ledger)?;
    let mut removed = 0;
    for kept in &over {
        if !messages.claims.is_under_way(kept.seq) {
            // Once a head that is tried again is over, the rest of its lane goes on.
            let is_waited_for = messages.waits_for(kept)?;
            messages.finish(kept, 0, Fate::Expired)?;
            if is_waited_for {
                promoted.lanes.extend(messages.go_on(kept.lane)?);
            }
            removed += 1;
        }
    }
    messages.flush()?;
    promoted.expired += removed;
    Ok(removed > 0 && (is_full || is_mid_sweep))
}

/// One step of the sweep for default expiries.
fn sweep_defaults(ledger: &mut Ledger, now: Timestamp) -> Sql<Vec<Kept>> {
    let mut look = ledger.connection.prepare_cached(
        "SELECT seq, lane, due, expires, accepted, id, history, named FROM message
         WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let mut rows = look.query((int(ledger.sweeps.expiry), A_FEW))?;
    let (mut over, mut seen, mut last) = (Vec::new(), 0, 0);
    while let Some(row) = rows.next()? {
        seen += 1;
        last = number(row, 0)?;
        let (is_named, expires) = (row.get::<_, bool>(7)?, moment(row, 3)?);
        match expires {
            Some(at) if !is_named && at <= now => over.push(read(row)?),
            // Those of the same configuration that came later expire later.
            Some(_) if !is_named => {
                seen = 0;
                break;
            }
            _ => {}
        }
    }
    ledger.sweeps.expiry = if seen < A_FEW { 0 } else { last };
    Ok(over)
}

/// When the next message expires whose sender said when.
pub(super) fn next(ledger: &Ledger) -> Sql<Option<Timestamp>> {
    let mut look = ledger.connection.prepare_cached(
        "SELECT expires, seq FROM message WHERE named = 1 AND expires IS NOT NULL
         ORDER BY expires LIMIT ?1",
    )?;
    let mut rows = look.query([int(ledger.claims.len() as u64 + 1)])?;
    while let Some(row) = rows.next()? {
        if !ledger.claims.is_under_way(number(row, 1)?) {
            return moment(row, 0);
        }
    }
    Ok(None)
}

/// One step of the sweeps through ids and lanes.
pub(super) fn sweep(ledger: &mut Ledger, now: Timestamp) -> Sql<()> {
    let Ledger { connection, books, sweeps, .. } = ledger;
    let (forgotten, last) = ids::sweep(connection, &sweeps.ids, A_FEW, now)?;
    if forgotten > 0 {
        books.shift_kept(0, -forgotten);
    }
    sweeps.ids = last;
    if sweeps.lanes_are_done {
        return Ok(());
    }
    books.flush(connection)?;
    let after = sweeps.lanes.map_or(-1, |id| int(id.0));
    let mut look = connection
        .prepare_cached("SELECT id, ready + later FROM lane WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let lanes = look
        .query_map((after, A_FEW), |row| Ok((LaneId(number(row, 0)?), row.get::<_, i64>(1)?)))?
        .collect::<Sql<Vec<_>>>()?;
    for (id, count) in &lanes {
        if *count == 0 {
            books.forget(connection, *id)?;
        }
    }
    sweeps.lanes = lanes.last().map(|(id, _)| *id);
    sweeps.lanes_are_done = sweeps.lanes.is_none();
    Ok(())
}
