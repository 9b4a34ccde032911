//! Settling: what became of attempts, one after the other, each answered for itself.

use super::claim;
use super::error::Sql;
use super::ledger::Ledger;
use super::message::{Kept, Messages};
use crate::fate::Fate;
use crate::history::Past;
use roundsman_store::{
    Block, DeadReason, Failure, LaneId, Outcome, Place, Settled, Settlement, StoreError, Timestamp,
    Which,
};

/// Settles a batch.
pub(super) fn settle(
    ledger: &mut Ledger,
    batch: Vec<Settlement>,
) -> Sql<Result<Vec<Settled>, StoreError>> {
    let mut messages = Messages::of(ledger)?;
    let mut settled = Vec::with_capacity(batch.len());
    for settlement in batch {
        settled.push(messages.settle(settlement)?);
    }
    messages.flush()?;
    Ok(Ok(settled))
}

impl Messages<'_> {
    fn settle(&mut self, settlement: Settlement) -> Sql<Settled> {
        let found = match &settlement.which {
            Which::At { lane, seq, .. } => {
                let found = self.find(*seq)?;
                found.filter(|kept| kept.lane == *lane && kept.due.is_none())
            }
            Which::Id { id, topic } => match self.named(id)? {
                Some(kept) if self.is_on(kept.lane, topic)? => Some(kept),
                _ => None,
            },
        };
        let Some(kept) = found else {
            // Gone, but its claim may still count on it.
            if let Which::At { seq, .. } = settlement.which {
                self.conclude(seq)?;
            }
            return Ok(Settled::Unknown);
        };
        let attempts = kept.attempts();
        let attempt = match settlement.which {
            Which::At { attempt, .. } if attempt < attempts => return Ok(Settled::Stale),
            Which::At { attempt, .. } => attempt,
            Which::Id { .. } => match self.claims.attempt(kept.seq).unwrap_or(0).max(attempts) {
                0 => return Ok(Settled::Unknown),
                attempt => attempt,
            },
        };
        self.conclude(kept.seq)?;
        self.apply(&kept, attempt, settlement.outcome)?;
        Ok(Settled::Done { lane: kept.lane, seq: kept.seq, accepted_at: kept.accepted })
    }

    /// The attempt of this message is over; with the last one of a claim its row goes.
    fn conclude(&mut self, seq: u64) -> Sql<()> {
        match self.claims.conclude(seq) {
            Some(over) => claim::delete(self.connection, over),
            None => Ok(()),
        }
    }

    fn is_on(&mut self, lane: LaneId, topic: &str) -> Sql<bool> {
        let is_on = self.books.see(self.connection, lane, |row| *row.lane.topic == *topic)?;
        Ok(is_on.unwrap_or(false))
    }

    fn apply(&mut self, kept: &Kept, attempt: u32, outcome: Outcome) -> Sql<()> {
        match outcome {
            Outcome::Delivered => self.finish(kept, attempt, Fate::Delivered),
            Outcome::Expired | Outcome::Dropped => self.finish(kept, 0, Fate::Expired),
            Outcome::Sent | Outcome::Released => {
                let mut past = kept.past();
                past.conclude(attempt, self.now);
                self.remember(kept.seq, &past)
            }
            Outcome::Retry { at, place, failure, payload } => {
                let mut past = self.failed(kept, attempt, failure);
                if let Some(payload) = payload {
                    past.history.augmented = true;
                    self.augment(kept.seq, &payload)?;
                }
                self.retry(kept, &past, at, place)
            }
            Outcome::Dead { reason, failure } => self.give_up(kept, attempt, reason, failure),
        }
    }

    fn retry(&mut self, kept: &Kept, past: &Past, at: Timestamp, place: Place) -> Sql<()> {
        if place == Place::Leave || kept.due.is_some() {
            return self.put_off(kept, past, at);
        }
        self.remember(kept.seq, past)?;
        if at <= self.now {
            return Ok(());
        }
        // Where several of a lane are tried again, it waits for all of them.
        let until = match self.books.see(self.connection, kept.lane, |row| row.block)?.flatten() {
            Some(Block::Until(already)) => at.max(already),
            _ => at,
        };
        self.set_block(kept.lane, Some(Block::Until(until)))
    }

    fn give_up(
        &mut self,
        kept: &Kept,
        attempt: u32,
        reason: DeadReason,
        failure: Option<Failure>,
    ) -> Sql<()> {
        // Without a failure nothing was sent: it was only found too old to try again.
        let past = match failure {
            Some(failure) => self.failed(kept, attempt, failure),
            None => kept.past(),
        };
        self.bury(kept, &past, reason)
    }
}
