//! Doing what is due by the clock: blocks that end, messages whose moment has come, what expired,
//! old ids, and what a crash left of lanes that ran empty.

use super::kept::Kept;
use super::ledger::{Ledger, Outcome, Step};
use super::wants::{Due, DueAsk, Known, StoredLane};
use crate::fate::Fate;
use roundsman_store::{LaneId, Promoted, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// At most so many of each kind in one call, so that no other call waits for long.
const AT_ONCE: usize = 512;
/// How long the sweep through lanes rests between two laps.
const LAP: Duration = Duration::from_secs(5);

/// How far a call has come.
#[derive(Debug, Default)]
pub(super) enum Promotion {
    #[default]
    Begun,
    /// What is due is known, and perhaps not all that it touches.
    Found(Due, Timestamp),
    /// Done and written; only the next moment is to be found out.
    Over(Promoted),
}

/// Does a bounded piece of it.
pub(super) fn promote(ledger: &mut Ledger, promotion: &mut Promotion) -> Outcome<Promoted> {
    match std::mem::take(promotion) {
        Promotion::Begun => {
            // What is due is looked for in the database, where all of it has to be by then.
            if ledger.has_changes() {
                return Step::Flush;
            }
            let Some(due) = ledger.due.take() else {
                ledger.wants.due = Some(ask(ledger));
                return Step::Load;
            };
            *promotion = Promotion::Found(due, ledger.now());
            promote(ledger, promotion)
        }
        Promotion::Found(due, now) => {
            if ledger.has_changes() {
                // Somebody else came in between: found anew.
                return Step::Flush;
            }
            if !is_at_hand(ledger, &due) {
                *promotion = Promotion::Found(due, now);
                return Step::Load;
            }
            *promotion = Promotion::Over(perform(ledger, due, now));
            if ledger.has_changes() { Step::Flush } else { promote(ledger, promotion) }
        }
        Promotion::Over(mut promoted) => {
            let Some(next) = ledger.next.take() else {
                ledger.wants.next = true;
                *promotion = Promotion::Over(promoted);
                return Step::Load;
            };
            promoted.next = next.into_iter().flatten().min();
            Step::Done(Ok(promoted))
        }
    }
}

fn ask(ledger: &Ledger) -> DueAsk {
    let now = ledger.now();
    let sweeps = &ledger.sweeps;
    let lap_is_due = sweeps.lap <= now;
    DueAsk {
        now,
        limit: AT_ONCE,
        expired: AT_ONCE + ledger.claims.len(),
        ids_after: sweeps.ids.clone(),
        lanes_after: lap_is_due.then(|| sweeps.lanes.unwrap_or(LaneId(0))),
        stale_upto: ledger.ages.upto(now),
    }
}

/// Whether the lanes are at hand, and their keys, of all that is due.
fn is_at_hand(ledger: &mut Ledger, due: &Due) -> bool {
    let Due { lanes, later, expired, stale, .. } = due;
    let messages = later.iter().chain(expired).chain(stale).map(|kept| kept.lane);
    let lanes = lanes.iter().map(|stored| stored.lane.id);
    let mut all = ledger.are_lanes_at_hand(messages.chain(lanes));
    if all {
        for kept in expired.iter().chain(stale) {
            all &= ledger.waits_for(kept).is_some();
        }
    }
    all
}

fn perform(ledger: &mut Ledger, due: Due, now: Timestamp) -> Promoted {
    let Due { lanes, later, expired, ids, swept, stale } = due;
    let mut promoted =
        Promoted { again: lanes.len() >= AT_ONCE || later.len() >= AT_ONCE, ..Promoted::default() };
    let is_full = expired.len() >= AT_ONCE + ledger.claims.len();
    wake(ledger, lanes, &mut promoted);
    come_due(ledger, later, now, &mut promoted);
    let mut removed = expire(ledger, expired, &mut promoted);
    promoted.again |= is_full && removed > 0;
    let stale = expire(ledger, stale, &mut promoted);
    promoted.again |= stale > 0;
    removed += stale;
    promoted.expired += removed;
    sweep_ids(ledger, &ids, now);
    sweep_lanes(ledger, swept, stale > 0, now);
    promoted.lanes.sort_unstable_by_key(|lane| lane.id);
    promoted.lanes.dedup_by_key(|lane| lane.id);
    promoted
}

/// Releases lanes that were blocked until now.
fn wake(ledger: &mut Ledger, lanes: Vec<StoredLane>, promoted: &mut Promoted) {
    for stored in lanes {
        ledger.set_block(stored.lane.id, None);
        promoted.lanes.push(stored.lane);
    }
}

/// Moves messages whose moment has come to the ends of their lanes.
fn come_due(ledger: &mut Ledger, due: Vec<Kept>, now: Timestamp, promoted: &mut Promoted) {
    for kept in due {
        if kept.is_expired(now) {
            ledger.finish(&kept, 0, Fate::Expired);
            promoted.expired += 1;
            continue;
        }
        ledger.bring_back(&kept);
        let row = ledger.lanes.row(kept.lane);
        promoted.lanes.extend(row.filter(|row| row.block.is_none()).map(|row| row.lane.clone()));
    }
}

/// Removes expired messages. What is under way is its owner's to settle.
fn expire(ledger: &mut Ledger, expired: Vec<Kept>, promoted: &mut Promoted) -> u64 {
    let mut removed = 0;
    for kept in expired {
        if !ledger.claims.is_under_way(kept.seq) {
            // Once a head that is tried again is over, the rest of its lane goes on.
            let is_waited_for = ledger.waits_for(&kept) == Some(true);
            ledger.finish(&kept, 0, Fate::Expired);
            if is_waited_for {
                promoted.lanes.extend(ledger.go_on(kept.lane));
            }
            removed += 1;
        }
    }
    removed
}

fn sweep_ids(ledger: &mut Ledger, ids: &[(Arc<str>, Known)], now: Timestamp) {
    for (id, known) in ids.iter().filter(|(_, known)| known.is_forgotten(now)) {
        ledger.changes.ids_forgotten.push(id.clone());
        ledger.learn(id, None);
        if known.fingerprint.is_some() {
            ledger.counts.ids = ledger.counts.ids.saturating_sub(1);
        }
    }
    let last = ids.last().filter(|_| ids.len() >= AT_ONCE);
    ledger.sweeps.ids = last.map_or_else(|| "".into(), |(id, _)| id.clone());
}

/// One step through the lanes; stays where it is while there is more to remove.
fn sweep_lanes(ledger: &mut Ledger, swept: Vec<StoredLane>, stays: bool, now: Timestamp) {
    if ledger.sweeps.lap > now || stays {
        return;
    }
    let is_over = swept.len() < AT_ONCE;
    ledger.sweeps.lanes = swept.last().filter(|_| !is_over).map(|stored| stored.lane.id);
    if is_over {
        ledger.sweeps.lap = now.after(LAP);
    }
    for stored in swept {
        let is_known = ledger.lanes.row(stored.lane.id).is_some();
        if !is_known && stored.ready == 0 && stored.later == 0 {
            // Left empty by an opening before this one; its key's account goes when it is met.
            ledger.changes.lanes_gone.push(stored.lane.id);
        }
    }
}
