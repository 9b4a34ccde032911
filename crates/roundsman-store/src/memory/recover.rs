//! After a crash: every attempt that was under way counts as cut off.

use super::ids::Spot;
use super::state::State;
use crate::{ClaimId, DeadReason, History, IdSalt, Timestamp};

impl State {
    /// Counts every attempt that is under way as cut off by the end of the process.
    ///
    /// A message that was alone in flight then, twice, is dead: it takes the process with it. One
    /// among others is not judged; after three times it goes alone.
    pub fn cut_off(&mut self, now: Timestamp) {
        for (lane, seq) in self.lanes.under_way() {
            let spot = Spot::Lane(lane, seq);
            let Some(kept) = self.look_mut(spot) else { continue };
            kept.cut(now);
            let (cuts_alone, was_alone) = (kept.history().cuts_alone, kept.alone);
            let expiry = kept.expires_at;
            self.lanes.expect_expiry(lane, expiry);
            if was_alone && cuts_alone >= History::CUTS_ALONE_UNTIL_DEAD {
                self.lay_among_dead(spot, DeadReason::Crash, now);
            }
        }
    }

    /// What made ids begin with.
    #[must_use]
    pub fn salt(&self) -> IdSalt {
        self.salt
    }

    /// The numbers given last: of a record, of a lane, and of a claim.
    #[must_use]
    pub fn numbers(&self) -> (u64, u64, ClaimId) {
        (self.last_seq, self.lanes.numbered(), ClaimId(self.last_claim))
    }

    /// Goes on behind these numbers, should they be higher than its own.
    pub fn skip_to(&mut self, (seq, lane, claim): (u64, u64, ClaimId)) {
        self.last_seq = self.last_seq.max(seq);
        self.last_claim = self.last_claim.max(claim.0);
        self.lanes.skip_to(lane);
    }
}
