//! The verbs of the contract on the state in memory, each written into the record of the turn.
//!
//! A verb is written down exactly if it changes the state: performed again from the journal, those
//! that are there do all that was done.

use crate::call::Turn;
use crate::verb;
use roundsman_store::{
    AcceptError, Block, Bounds, Claim, ClaimId, Draft, Lane, LaneId, Promoted, Receipt, Release,
    Settled, Settlement, StoreError, Sweep, Swept, TakenBack,
};
use std::sync::Arc;

pub(crate) fn accept(
    turn: &mut Turn<'_>,
    mut batch: Vec<Draft>,
    bounds: &Bounds,
) -> Result<Vec<Receipt>, AcceptError> {
    // The moment it expires is written down, not the rule that it came from.
    if let Some(span) = bounds.expires_after {
        for draft in &mut batch {
            let from = draft.deliver_at.filter(|at| *at > turn.now).unwrap_or(turn.now);
            draft.expires_at.get_or_insert(from.after(span));
        }
    }
    let (before, numbers) = (turn.record.0.len(), turn.state.numbers());
    let places = verb::put_accept(&mut turn.record, &batch, turn.offset);
    for (draft, place) in batch.iter_mut().zip(places) {
        draft.payload = place.to_bytes();
    }
    match turn.state.accept(batch.clone(), bounds, turn.now) {
        Ok(accepted) => {
            if accepted.receipts.iter().all(|receipt| receipt.duplicate) {
                turn.record.0.truncate(before);
            }
            turn.fresh.extend(accepted.fresh);
            Ok(accepted.receipts)
        }
        Err(refusals) => {
            turn.record.0.truncate(before);
            // What was put in its place and taken out again has used up numbers.
            if turn.state.numbers() != numbers {
                verb::put_refused(&mut turn.record, &batch, bounds);
            }
            Err(AcceptError::Refused(refusals))
        }
    }
}

pub(crate) fn claim(turn: &mut Turn<'_>, claim: &Claim) -> Result<ClaimId, StoreError> {
    verb::put_claim(&mut turn.record, claim);
    Ok(turn.state.claim(claim))
}

pub(crate) fn settle(
    turn: &mut Turn<'_>,
    batch: Vec<Settlement>,
) -> Result<Vec<Settled>, StoreError> {
    let settle_one = |mut settlement: Settlement| {
        let before = turn.record.0.len();
        verb::put_settlement(&mut turn.record, &mut settlement, turn.offset);
        let settled = turn.state.settle(settlement, turn.now);
        if !matches!(settled, Settled::Done { .. }) {
            turn.record.0.truncate(before);
        }
        settled
    };
    Ok(batch.into_iter().map(settle_one).collect())
}

pub(crate) fn block(turn: &mut Turn<'_>, lanes: &[(LaneId, Block)]) -> Result<(), StoreError> {
    verb::put_blocks(&mut turn.record, lanes);
    turn.state.block(lanes);
    Ok(())
}

pub(crate) fn release(turn: &mut Turn<'_>, which: Release) -> Result<Vec<Arc<Lane>>, StoreError> {
    let before = turn.record.0.len();
    verb::put_release(&mut turn.record, &which);
    let released = turn.state.release(which);
    // A lane without records is not blocked, so nothing was released either.
    if released.is_empty() {
        turn.record.0.truncate(before);
    }
    Ok(released)
}

pub(crate) fn promote(turn: &mut Turn<'_>) -> Result<Promoted, StoreError> {
    if !turn.state.is_due(turn.now) {
        return Ok(Promoted { next: turn.state.next_due(), ..Promoted::default() });
    }
    verb::put_promote(&mut turn.record);
    Ok(turn.state.promote(turn.now))
}

pub(crate) fn take_back(
    turn: &mut Turn<'_>,
    id: &str,
    place: Option<(LaneId, u64)>,
) -> Result<TakenBack, StoreError> {
    let taken = turn.state.take_back(id, place, turn.now);
    if taken != TakenBack::Elsewhere {
        verb::put_take_back(&mut turn.record, id, place);
    }
    Ok(taken)
}

pub(crate) fn replay(turn: &mut Turn<'_>, sweep: &Sweep) -> Result<Swept, StoreError> {
    let swept = turn.state.replay(sweep);
    if !swept.done.is_empty() {
        verb::put_replay(&mut turn.record, sweep);
    }
    Ok(swept)
}

pub(crate) fn drop_dead(turn: &mut Turn<'_>, sweep: &Sweep) -> Result<Swept, StoreError> {
    let swept = turn.state.drop_dead(sweep, turn.now);
    if !swept.done.is_empty() {
        verb::put_drop_dead(&mut turn.record, sweep);
    }
    Ok(swept)
}
