//! Slots: how much is with the targets, how much was asked for, and how much to ask for next. Pure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The arithmetic of demand in the deliver stage.
#[derive(Debug)]
pub(crate) struct Slots {
    most: usize,
    /// Asked for at once, at least.
    helping: usize,
    taken: usize,
    asked: usize,
}

impl Slots {
    /// `most` slots. Where there are lookups, three quarters of them may have been asked for and
    /// wait for those: then less is a helping, so that the rest goes on.
    pub(crate) fn new(most: usize, has_lookups: bool) -> Self {
        let helping = if has_lookups { most / 8 } else { most / 2 };
        Self { most: most.max(1), helping, taken: 0, asked: 0 }
    }

    /// So many messages arrived and are handed to their targets.
    pub(crate) fn take(&mut self, count: usize) {
        self.asked = self.asked.saturating_sub(count);
        self.taken += count;
    }

    /// So many slots are free again.
    pub(crate) fn free(&mut self, count: usize) {
        self.taken = self.taken.saturating_sub(count);
    }

    /// How much to ask for now. Asked in large helpings, so that demand costs little, unless
    /// nothing is asked for at all.
    pub(crate) fn ask(&mut self) -> usize {
        let open = self.most.saturating_sub(self.taken + self.asked);
        if open == 0 || (open < self.helping && self.asked > 0) {
            return 0;
        }
        self.asked += open;
        open
    }
}

/// Slots that targets gave back and the stage has not booked yet. Only the first of several says
/// so, and the stage then books them all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Freed(Arc<AtomicUsize>);

impl Freed {
    /// Gives `count` back; whether the stage has to be told.
    pub(crate) fn give(&self, count: usize) -> bool {
        self.0.fetch_add(count, Ordering::AcqRel) == 0
    }

    /// Takes what was given back.
    pub(crate) fn take(&self) -> usize {
        self.0.swap(0, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the order of arrivals and returns, what is asked for and taken together never
        /// exceeds the slots, and when everything is back, everything can be asked for.
        #[test]
        fn demand_is_conserved(most in 1usize..50, has_lookups: bool, steps in prop::collection::vec((any::<bool>(), 0usize..20), 0..200)) {
            let mut slots = Slots::new(most, has_lookups);
            let (mut asked, mut taken) = (slots.ask(), 0);
            for (arrive, count) in steps {
                if arrive {
                    let count = count.min(asked);
                    slots.take(count);
                    asked -= count;
                    taken += count;
                } else {
                    let count = count.min(taken);
                    slots.free(count);
                    taken -= count;
                }
                asked += slots.ask();
                prop_assert!(asked + taken <= most);
                prop_assert!(asked > 0 || taken == most, "demand never dries up while a slot is free");
            }
        }
    }
}
