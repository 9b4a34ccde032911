//! The attempts under way, in the memory of the owner: as many as demand allows.
//!
//! On the server a claim is one entry, written and removed, never changed: how many of its members
//! are still under way is known here, and after a crash follows from the messages themselves.

use roundsman_store::{Claim, ClaimId};
use rustc_hash::FxHashMap;

#[derive(Debug, Default)]
pub(crate) struct Claims {
    last: u64,
    /// How many members of each claim are under way.
    open: FxHashMap<u64, usize>,
    /// By sequence: the attempt, and its claim.
    under_way: FxHashMap<u64, (u32, u64)>,
    /// Over, but their entries are still on the server.
    closed: Vec<u64>,
}

impl Claims {
    /// These attempts are under way from now on.
    pub(crate) fn enter(&mut self, claim: &Claim) -> ClaimId {
        self.last += 1;
        for member in &claim.members {
            *self.open.entry(self.last).or_default() += 1;
            let before = self.under_way.insert(member.seq, (member.attempt, self.last));
            if let Some((_, before)) = before {
                self.leave(before);
            }
        }
        ClaimId(self.last)
    }

    /// The claim was not written down: nothing of it is under way.
    pub(crate) fn undo(&mut self, claim: &Claim, id: ClaimId) {
        for member in &claim.members {
            if self.under_way.get(&member.seq).is_some_and(|(_, of)| *of == id.0) {
                self.conclude(member.seq);
            }
        }
    }

    /// The attempt of this message is over.
    pub(crate) fn conclude(&mut self, seq: u64) {
        if let Some((_, claim)) = self.under_way.remove(&seq) {
            self.leave(claim);
        }
    }

    /// The attempt of this message that is under way.
    pub(crate) fn attempt(&self, seq: u64) -> Option<u32> {
        self.under_way.get(&seq).map(|(attempt, _)| *attempt)
    }

    pub(crate) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Those whose entries can be removed.
    pub(crate) fn take_closed(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.closed)
    }

    fn leave(&mut self, claim: u64) {
        let Some(count) = self.open.get_mut(&claim) else { return };
        *count -= 1;
        if *count == 0 {
            self.open.remove(&claim);
            self.closed.push(claim);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roundsman_store::{Claimed, LaneId};

    fn claim(seqs: &[u64]) -> Claim {
        let member = |seq: &u64| Claimed { lane: LaneId(1), seq: *seq, attempt: 1 };
        Claim { members: seqs.iter().map(member).collect(), alone: false }
    }

    #[test]
    fn a_claim_is_closed_with_its_last_member() {
        let mut claims = Claims::default();
        let (one, two) = (claims.enter(&claim(&[1, 2])), claims.enter(&claim(&[2, 3])));
        assert_eq!((claims.len(), claims.attempt(2)), (3, Some(1)));
        claims.conclude(1);
        assert_eq!(claims.take_closed(), [one.0]);
        claims.undo(&claim(&[2, 3]), two);
        assert_eq!((claims.take_closed(), claims.len()), (vec![two.0], 0));
    }
}
