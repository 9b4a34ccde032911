//! The attempts under way, as pure state, and how a claimed batch is written as the bytes of one row.
//!
//! ```text
//!  members   lane u64 · seq u64 · attempt u32, as often as there are members, little-endian
//! ```
//!
//! A row is inserted and deleted, never rewritten: how many of its members are still under way is
//! in memory, and follows from the messages themselves, since a member is over when its message is
//! gone or has had that attempt.

use roundsman_store::{Claimed, LaneId};
use rustc_hash::FxHashMap;

/// The attempts under way: as many as demand allows.
#[derive(Debug)]
pub(crate) struct Claims {
    last: u64,
    /// How many members of each row are under way.
    open: FxHashMap<u64, usize>,
    /// By sequence: the attempt, and the row.
    under_way: FxHashMap<u64, (u32, u64)>,
}

impl Claims {
    /// Those that the store has open; numbers go on behind `last`.
    pub(crate) fn open(last: u64, members: Vec<(u64, Claimed)>) -> Self {
        let mut claims = Self { last, open: FxHashMap::default(), under_way: FxHashMap::default() };
        for (id, member) in members {
            claims.last = claims.last.max(id);
            claims.enter(id, &member);
        }
        claims
    }

    /// The number of the newest.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The number of the next one.
    pub(crate) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// How many attempts are under way.
    pub(crate) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// The attempt of this message that is under way.
    pub(crate) fn attempt(&self, seq: u64) -> Option<u32> {
        self.under_way.get(&seq).map(|(attempt, _)| *attempt)
    }

    /// Whether any attempt of this message is under way.
    pub(crate) fn is_under_way(&self, seq: u64) -> bool {
        self.under_way.contains_key(&seq)
    }

    /// The attempt of this message is over. Answers the row that has nothing under way any more.
    pub(crate) fn conclude(&mut self, seq: u64) -> Option<u64> {
        let (_, id) = self.under_way.remove(&seq)?;
        self.leave(id)
    }

    /// An attempt begins in this row. Answers the row that has nothing under way any more, where
    /// an earlier attempt of the message was in it.
    pub(crate) fn enter(&mut self, id: u64, member: &Claimed) -> Option<u64> {
        *self.open.entry(id).or_default() += 1;
        let before = self.under_way.insert(member.seq, (member.attempt, id));
        before.and_then(|(_, before)| self.leave(before))
    }

    fn leave(&mut self, id: u64) -> Option<u64> {
        let count = self.open.get_mut(&id)?;
        *count -= 1;
        if *count > 0 {
            return None;
        }
        self.open.remove(&id);
        Some(id)
    }
}

/// The bytes of a row.
pub(crate) fn encode(members: &[Claimed]) -> Vec<u8> {
    let mut out = Vec::with_capacity(members.len() * MEMBER);
    for member in members {
        out.extend(member.lane.0.to_le_bytes());
        out.extend(member.seq.to_le_bytes());
        out.extend(member.attempt.to_le_bytes());
    }
    out
}

/// The members of a row.
pub(crate) fn decode(bytes: &[u8]) -> impl Iterator<Item = Claimed> {
    bytes.as_chunks::<MEMBER>().0.iter().map(|chunk| {
        let eight = |at: usize| chunk[at..at + 8].try_into().map(u64::from_le_bytes);
        let four = chunk[16..].try_into().map(u32::from_le_bytes);
        Claimed {
            lane: LaneId(eight(0).unwrap_or_default()),
            seq: eight(8).unwrap_or_default(),
            attempt: four.unwrap_or_default(),
        }
    })
}

/// Bytes of one member.
const MEMBER: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_back() {
        let members = [(LaneId::new(200, 7), 3, 1), (LaneId(u64::MAX), u64::MAX, u32::MAX)]
            .map(|(lane, seq, attempt)| Claimed { lane, seq, attempt });
        assert!(decode(&encode(&members)).eq(members));
    }
}
