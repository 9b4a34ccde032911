//! Claiming, and what a crash did to what was claimed.

use super::ledger::{Ledger, Outcome, Step};
use super::wants::Spot;
use crate::claims::{self, Claims};
use roundsman_store::{Claim, ClaimId, Claimed, DeadReason, History};

/// Writes the row.
pub(super) fn claim(ledger: &mut Ledger, claim: &mut Claim) -> Outcome<ClaimId> {
    let id = ledger.claims.next();
    if !claim.members.is_empty() {
        let members = claims::encode(&claim.members);
        ledger.changes.claims.push((id, claim.alone, members));
        for member in &claim.members {
            let over = ledger.claims.enter(id, member);
            ledger.changes.claims_gone.extend(over);
        }
    }
    Step::Done(Ok(ClaimId(id)))
}

/// A claimed batch as its row says.
#[derive(Debug)]
pub(crate) struct ClaimRow {
    pub(crate) id: u64,
    pub(crate) alone: bool,
    pub(crate) members: Vec<u8>,
}

/// What is left to be looked at of the claims that are open.
#[derive(Debug)]
pub(super) struct Left {
    members: std::vec::IntoIter<(u64, bool, Claimed)>,
    rows: Vec<u64>,
    open: Vec<(u64, Claimed)>,
}

impl Left {
    pub(super) fn of(rows: Vec<ClaimRow>) -> Self {
        let members = rows
            .iter()
            .flat_map(|row| claims::decode(&row.members).map(|member| (row.id, row.alone, member)));
        let members: Vec<_> = members.collect();
        Self {
            members: members.into_iter(),
            rows: rows.into_iter().map(|row| row.id).collect(),
            open: Vec::new(),
        }
    }
}

/// Counts every attempt that was under way as cut off, and closes all claims.
///
/// A message that was alone in flight when the process ended, twice, is dead: it takes the process
/// with it. One among others is not judged; after three times it goes alone.
pub(super) fn cut_off(ledger: &mut Ledger, left: &mut Left) -> Outcome<()> {
    if !members_at_hand(ledger, left) {
        return Step::Load;
    }
    while let Some((_, alone, member)) = left.members.as_slice().first().copied() {
        let spot = spot(&member);
        match ledger.is_message_at_hand(spot) {
            Step::Done(()) => {}
            Step::Load => return Step::Load,
            Step::Flush => return Step::Flush,
        }
        left.members.next();
        let Some(kept) = ledger.take(spot) else { continue };
        if kept.due.is_some() || kept.attempts() >= member.attempt {
            ledger.put_back(kept);
            continue;
        }
        let mut past = kept.past();
        past.cut(member.attempt, alone, ledger.now());
        if alone && past.history.cuts_alone >= History::CUTS_ALONE_UNTIL_DEAD {
            ledger.bury(&kept, &past, DeadReason::Crash);
        } else {
            ledger.remember(&kept, &past, None);
        }
    }
    ledger.changes.claims_gone.append(&mut left.rows);
    ledger.claims = Claims::open(ledger.claims.last(), Vec::new());
    Step::Done(Ok(()))
}

/// Finds out which attempts are still under way, after the connection was lost and not the process.
pub(super) fn take_up(ledger: &mut Ledger, left: &mut Left) -> Outcome<()> {
    if !members_at_hand(ledger, left) {
        return Step::Load;
    }
    for (id, _, member) in left.members.by_ref() {
        let Some(kept) = ledger.take(spot(&member)) else { continue };
        if kept.due.is_none() && kept.attempts() < member.attempt {
            left.open.push((id, member));
        }
        ledger.put_back(kept);
    }
    ledger.claims = Claims::open(ledger.claims.last(), std::mem::take(&mut left.open));
    Step::Done(Ok(()))
}

fn members_at_hand(ledger: &mut Ledger, left: &Left) -> bool {
    let mut all = true;
    for (_, _, member) in left.members.as_slice() {
        match ledger.is_message_at_hand(spot(member)) {
            Step::Done(()) => {}
            Step::Load => all = false,
            Step::Flush => break,
        }
    }
    all
}

fn spot(member: &Claimed) -> Spot {
    Spot { lane: member.lane, seq: member.seq }
}
