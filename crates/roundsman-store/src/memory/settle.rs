//! Settling: what became of attempts, one after the other, each answered for itself.

use super::ids::Spot;
use super::state::{DeadLetter, State, Taken};
use crate::{
    Block, DeadReason, Failure, LaneId, Outcome, Place, Settled, Settlement, State as Seen,
    Timestamp, Which,
};

impl State {
    /// Writes down what became of one attempt; see [`Store::settle`](crate::Store::settle).
    pub fn settle(&mut self, settlement: Settlement, now: Timestamp) -> Settled {
        let Some(spot) = self.locate(&settlement.which) else { return Settled::Unknown };
        let Some((kept, lane)) = self.look(spot) else { return Settled::Unknown };
        let attempt = match settlement.which {
            Which::At { attempt, .. } if attempt < kept.attempts() => return Settled::Stale,
            Which::At { attempt, .. } => attempt,
            Which::Id { .. } => match kept.claimed.max(kept.attempts()) {
                0 => return Settled::Unknown,
                attempt => attempt,
            },
        };
        let seq = match spot {
            Spot::Lane(_, seq) | Spot::Schedule(_, seq) | Spot::Dead(seq) => seq,
        };
        let (lane, accepted_at) = (lane.id, kept.accepted_at);
        self.apply(spot, lane, attempt, settlement.outcome, now);
        Settled::Done { lane, seq, accepted_at }
    }

    /// A message that can still be settled; the dead are beyond it.
    fn locate(&self, which: &Which) -> Option<Spot> {
        match which {
            Which::At { lane, seq, .. } => Some(Spot::Lane(*lane, *seq)),
            Which::Id { id, topic } => {
                let spot = self.spot(id).filter(|spot| !matches!(spot, Spot::Dead(_)))?;
                let (_, lane) = self.look(spot)?;
                (lane.topic == *topic).then_some(spot)
            }
        }
    }

    fn apply(&mut self, spot: Spot, lane: LaneId, attempt: u32, outcome: Outcome, now: Timestamp) {
        match outcome {
            Outcome::Delivered => self.end(spot, Some(attempt), Seen::Delivered, now),
            Outcome::Expired | Outcome::Dropped => self.end(spot, None, Seen::Expired, now),
            Outcome::Sent | Outcome::Released => {
                if let Some(kept) = self.look_mut(spot) {
                    kept.conclude(attempt, now);
                    let expiry = kept.expires_at;
                    self.lanes.expect_expiry(lane, expiry);
                }
            }
            Outcome::Retry { at, place, failure, payload } => {
                if let Some(kept) = self.look_mut(spot) {
                    kept.fail(attempt, failure, now);
                    if let Some(payload) = payload {
                        kept.augment(payload);
                    }
                }
                match (place, spot) {
                    (Place::Keep, Spot::Lane(lane, seq)) => self.keep(lane, seq, at, now),
                    _ => self.leave(spot, at),
                }
            }
            Outcome::Dead { reason, failure } => self.bury(spot, attempt, reason, failure, now),
        }
    }

    fn end(&mut self, spot: Spot, attempt: Option<u32>, state: Seen, now: Timestamp) {
        let Some(taken) = self.take(spot) else { return };
        let attempts = taken.kept.attempts().max(attempt.unwrap_or(0));
        self.finish(taken, attempts, Some(state), now);
    }

    /// Tried again at its place: the lane waits. Where several of a lane do, it waits for all.
    fn keep(&mut self, lane: LaneId, seq: u64, at: Timestamp, now: Timestamp) {
        let Some(state) = self.lanes.find(lane) else { return };
        let expiry = state.records.find(seq).and_then(|kept| kept.expires_at);
        let until = match state.block {
            Some(Block::Until(already)) => at.max(already),
            _ => at,
        };
        self.lanes.expect_expiry(lane, expiry);
        if at > now {
            self.lanes.set_block(lane, Some(Block::Until(until)));
        }
    }

    fn leave(&mut self, spot: Spot, at: Timestamp) {
        if let Some(taken) = self.take(spot) {
            self.put_off(taken, at);
        }
    }

    fn bury(
        &mut self,
        spot: Spot,
        attempt: u32,
        reason: DeadReason,
        failure: Option<Failure>,
        now: Timestamp,
    ) {
        // Without a failure nothing was sent: it was only found too old to try again.
        if let (Some(kept), Some(failure)) = (self.look_mut(spot), failure) {
            kept.fail(attempt, failure, now);
        }
        self.lay_among_dead(spot, reason, now);
    }

    /// Gives up on a message: out of the place it lies in, among the dead letters.
    pub(super) fn lay_among_dead(&mut self, spot: Spot, reason: DeadReason, now: Timestamp) {
        let Some(Taken { mut kept, lane, seq }) = self.take(spot) else { return };
        self.uncount(lane.id);
        kept.remember_place(lane.id, seq);
        self.relocate(&kept, lane.id, seq, Spot::Dead(seq));
        self.dead.insert(seq, DeadLetter { kept, lane, reason, died_at: now });
    }
}
