//! Settling: what became of attempts, one after the other, each answered for itself.

use super::kept::Kept;
use super::ledger::{Ledger, Outcome as Answer, Step};
use super::wants::Spot;
use crate::fate::Fate;
use crate::history::Past;
use bytes::Bytes;
use roundsman_store::{
    Block, DeadReason, Failure, Outcome, Place, Settled, Settlement, Timestamp, Which,
};
use std::sync::Arc;

/// A batch, and how far it has come: one that settles a message twice is written in between.
#[derive(Debug)]
pub(super) struct Batch {
    waiting: std::vec::IntoIter<Settlement>,
    settled: Vec<Settled>,
}

impl Batch {
    pub(super) fn of(batch: Vec<Settlement>) -> Self {
        Self { settled: Vec::with_capacity(batch.len()), waiting: batch.into_iter() }
    }
}

/// Settles a batch, as far as it goes.
pub(super) fn settle(ledger: &mut Ledger, batch: &mut Batch) -> Answer<Vec<Settled>> {
    let mut all = true;
    for settlement in batch.waiting.as_slice() {
        match ledger.locate(&settlement.which) {
            Step::Done(_) => {}
            Step::Load => all = false,
            Step::Flush => break,
        }
    }
    if !all {
        return Step::Load;
    }
    while let Some(settlement) = batch.waiting.as_slice().first() {
        match ledger.locate(&settlement.which) {
            Step::Done(spot) => {
                let Some(settlement) = batch.waiting.next() else { break };
                batch.settled.push(ledger.settle(spot, settlement));
            }
            Step::Load => return Step::Load,
            Step::Flush => return Step::Flush,
        }
    }
    Step::Done(Ok(std::mem::take(&mut batch.settled)))
}

impl Ledger {
    /// Where the message is that a settlement names, if there is one, with all that settling it
    /// touches at hand.
    fn locate(&mut self, which: &Which) -> Step<Option<Spot>> {
        let place = match which {
            Which::At { lane, seq, .. } => Spot { lane: *lane, seq: *seq },
            Which::Id { id, .. } => return self.locate_named(id),
        };
        self.locate_at(place)
    }

    /// Where the message of this id is, as [`locate`](Self::locate).
    pub(super) fn locate_named(&mut self, id: &Arc<str>) -> Step<Option<Spot>> {
        let Some(known) = self.id(id) else { return Step::Load };
        match (known, self.made_spot(id)) {
            (Some(known), _) if known.fate == Fate::Kept => self.locate_at(known.spot),
            (None, Some(made)) => self.locate_at(made),
            _ => Step::Done(None),
        }
    }

    fn locate_at(&mut self, place: Spot) -> Step<Option<Spot>> {
        match self.is_message_at_hand(place) {
            Step::Done(()) => Step::Done(Some(place)),
            Step::Load => Step::Load,
            Step::Flush => Step::Flush,
        }
    }

    fn settle(&mut self, place: Option<Spot>, settlement: Settlement) -> Settled {
        let Some(kept) = place.and_then(|place| self.take(place)) else {
            // Gone, but its claim may still count on it.
            if let Which::At { seq, .. } = settlement.which {
                self.conclude(seq);
            }
            return Settled::Unknown;
        };
        if !self.is_meant(&kept, &settlement.which) {
            if let Which::At { seq, .. } = settlement.which {
                self.conclude(seq);
            }
            self.put_back(kept);
            return Settled::Unknown;
        }
        let attempts = kept.attempts();
        let attempt = match settlement.which {
            Which::At { attempt, .. } if attempt < attempts => {
                self.put_back(kept);
                return Settled::Stale;
            }
            Which::At { attempt, .. } => attempt,
            Which::Id { .. } => match self.claims.attempt(kept.seq).unwrap_or(0).max(attempts) {
                0 => {
                    self.put_back(kept);
                    return Settled::Unknown;
                }
                attempt => attempt,
            },
        };
        self.conclude(kept.seq);
        self.apply(&kept, attempt, settlement.outcome);
        Settled::Done { lane: kept.lane, seq: kept.seq, accepted_at: kept.accepted }
    }

    /// Whether this is the message that was named, and not one that only lies there.
    fn is_meant(&mut self, kept: &Kept, which: &Which) -> bool {
        match which {
            Which::At { .. } => kept.due.is_none(),
            Which::Id { id, topic } => {
                let by_name = kept.id.as_ref().is_none_or(|own| own == id);
                let row = self.lanes.row(kept.lane);
                by_name && row.is_some_and(|row| *row.lane.topic == **topic)
            }
        }
    }

    fn apply(&mut self, kept: &Kept, attempt: u32, outcome: Outcome) {
        match outcome {
            Outcome::Delivered => self.finish(kept, attempt, Fate::Delivered),
            Outcome::Expired | Outcome::Dropped => self.finish(kept, 0, Fate::Expired),
            Outcome::Sent | Outcome::Released => {
                let mut past = kept.past();
                past.conclude(attempt, self.now());
                self.remember(kept, &past, None);
            }
            Outcome::Retry { at, place, failure, payload } => {
                let mut past = kept.past();
                past.fail(attempt, failure, self.now());
                past.history.augmented |= payload.is_some();
                self.retry(kept, &past, at, place, payload);
            }
            Outcome::Dead { reason, failure } => self.give_up(kept, attempt, reason, failure),
        }
    }

    fn retry(
        &mut self,
        kept: &Kept,
        past: &Past,
        at: Timestamp,
        place: Place,
        payload: Option<Bytes>,
    ) {
        if place == Place::Leave || kept.due.is_some() {
            return self.put_off(kept, past, at, payload);
        }
        self.remember(kept, past, payload);
        if at <= self.now() {
            return;
        }
        // Where several of a lane are tried again, it waits for all of them.
        let until = match self.lanes.row(kept.lane).and_then(|row| row.block) {
            Some(Block::Until(already)) => at.max(already),
            _ => at,
        };
        self.set_block(kept.lane, Some(Block::Until(until)));
    }

    fn give_up(&mut self, kept: &Kept, attempt: u32, reason: DeadReason, failure: Option<Failure>) {
        // Without a failure nothing was sent: it was only found too old to try again.
        let mut past = kept.past();
        if let Some(failure) = failure {
            past.fail(attempt, failure, self.now());
        }
        self.bury(kept, &past, reason);
    }
}
