//! Claiming: which attempts are under way.
//!
//! No row is kept of it: each message remembers the attempt that is under way, so that whoever
//! keeps this state in a journal knows after a crash what was cut off.

use super::ids::Spot;
use super::state::State;
use crate::{Claim, ClaimId};

impl State {
    /// See [`Store::claim`](crate::Store::claim).
    pub fn claim(&mut self, claim: &Claim) -> ClaimId {
        for member in &claim.members {
            if let Some(kept) = self.look_mut(Spot::Lane(member.lane, member.seq)) {
                kept.claimed = kept.claimed.max(member.attempt);
                kept.alone = claim.alone;
            }
        }
        self.last_claim += 1;
        ClaimId(self.last_claim)
    }
}
