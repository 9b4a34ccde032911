//! Claiming: which attempts are under way.
//!
//! No row is kept of it. A durable store keeps one so that it knows after a crash what was cut
//! off; here a crash leaves nothing that could have been.

use super::ids::Spot;
use super::state::State;
use crate::{Claim, ClaimId};

impl State {
    pub(super) fn claim(&mut self, claim: &Claim) -> ClaimId {
        for member in &claim.members {
            if let Some(kept) = self.look_mut(Spot::Lane(member.lane, member.seq)) {
                kept.claimed = kept.claimed.max(member.attempt);
            }
        }
        self.last_claim += 1;
        ClaimId(self.last_claim)
    }
}
