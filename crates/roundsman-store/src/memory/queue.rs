//! The records of one lane: a queue by sequence, with holes where one behind the head is gone.
//!
//! Sequences ascend, so a record is found by binary search. The head is taken in constant time;
//! one behind it leaves a hole, and holes are swept once they are half of the queue. Neither the
//! first nor the last slot is ever a hole.

use super::kept::Kept;
use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Queue {
    slots: VecDeque<Slot>,
    live: usize,
}

#[derive(Debug)]
struct Slot {
    seq: u64,
    /// `None` is a hole.
    kept: Option<Kept>,
}

impl Queue {
    /// Holes are not worth sweeping below this.
    const FEW: usize = 32;
    /// An empty queue gives back room beyond this.
    const ROOM: usize = 64;

    pub(super) fn len(&self) -> usize {
        self.live
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The sequence of the head.
    pub(super) fn first(&self) -> Option<u64> {
        self.slots.front().map(|slot| slot.seq)
    }

    /// The sequence of the newest; 0 where there is none.
    pub(super) fn last(&self) -> u64 {
        self.slots.back().map_or(0, |slot| slot.seq)
    }

    /// Puts one behind all others; `seq` is above theirs.
    pub(super) fn push(&mut self, seq: u64, kept: Kept) {
        debug_assert!(seq > self.last(), "sequences ascend within a lane");
        self.slots.push_back(Slot { seq, kept: Some(kept) });
        self.live += 1;
    }

    pub(super) fn find(&self, seq: u64) -> Option<&Kept> {
        self.slots.get(self.index(seq)?)?.kept.as_ref()
    }

    pub(super) fn find_mut(&mut self, seq: u64) -> Option<&mut Kept> {
        let index = self.index(seq)?;
        self.slots.get_mut(index)?.kept.as_mut()
    }

    /// Takes one out, from wherever it is.
    pub(super) fn take(&mut self, seq: u64) -> Option<Kept> {
        let index = self.index(seq)?;
        let kept = self.slots.get_mut(index)?.kept.take()?;
        self.live -= 1;
        self.tidy();
        Some(kept)
    }

    /// Those behind `seq`, oldest first.
    pub(super) fn after(&self, seq: u64) -> impl Iterator<Item = (u64, &Kept)> {
        let start = match self.slots.front() {
            Some(front) if front.seq <= seq => self.slots.partition_point(|slot| slot.seq <= seq),
            _ => 0,
        };
        let behind = self.slots.range(start..);
        behind.filter_map(|slot| slot.kept.as_ref().map(|kept| (slot.seq, kept)))
    }

    /// Shows each, oldest first.
    pub(super) fn each_mut(&mut self, show: impl FnMut(&mut Kept)) {
        self.slots.iter_mut().filter_map(|slot| slot.kept.as_mut()).for_each(show);
    }

    fn index(&self, seq: u64) -> Option<usize> {
        if self.slots.front().is_some_and(|slot| slot.seq == seq) {
            return Some(0);
        }
        self.slots.binary_search_by_key(&seq, |slot| slot.seq).ok()
    }

    fn tidy(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.kept.is_none()) {
            self.slots.pop_front();
        }
        while self.slots.back().is_some_and(|slot| slot.kept.is_none()) {
            self.slots.pop_back();
        }
        if self.slots.len() > Self::FEW && self.live < self.slots.len() / 2 {
            self.slots.retain(|slot| slot.kept.is_some());
        }
        if self.slots.is_empty() && self.slots.capacity() > Self::ROOM {
            self.slots = VecDeque::new();
        } else if self.slots.capacity() > Self::ROOM * 16
            && self.slots.len() < self.slots.capacity() / 8
        {
            self.slots.shrink_to(self.slots.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// A queue with holes holds what a set would, whatever is taken out of it.
        #[test]
        fn agrees_with_a_set(steps in prop::collection::vec((any::<bool>(), 0_u64..400), 1..600)) {
            let (mut queue, mut set, mut last) = (Queue::default(), BTreeSet::new(), 0);
            for (pushes, number) in steps {
                if pushes {
                    last += 1 + number % 3;
                    queue.push(last, Kept::sample());
                    set.insert(last);
                } else {
                    prop_assert_eq!(queue.take(number).is_some(), set.remove(&number));
                }
                prop_assert_eq!(queue.len(), set.len());
                prop_assert_eq!(queue.last(), set.last().copied().unwrap_or(0));
                let behind: Vec<u64> = queue.after(number).map(|(seq, _)| seq).collect();
                let expected: Vec<u64> = set.range(number + 1..).copied().collect();
                prop_assert_eq!(behind, expected);
                prop_assert_eq!(queue.find(number).is_some(), set.contains(&number));
                prop_assert!(queue.slots.len() <= Queue::FEW.max(2 * queue.live + 1));
            }
        }
    }
}
