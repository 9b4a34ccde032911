//! Whose events a consumer of several producers handles next, by weight.

use std::num::NonZeroU32;

/// The time that turns are counted in; it stands where the last turn began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turns {
    pub(crate) now: u64,
}

/// When a producer's next turn begins (start-time fair queueing).
///
/// A turn moves the next one on by its events divided by the weight, so whoever began earliest is
/// behind the others in proportion. One that had nothing waiting begins at `now`: it has not saved
/// up what it did not use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    next: u64,
    weight: NonZeroU32,
}

/// The length of a turn of one event at weight 1; so fine that a large weight is no rounding.
const EVENT: u64 = 1 << 20;

impl Turn {
    pub(crate) fn new(weight: Option<NonZeroU32>) -> Self {
        Self { next: 0, weight: weight.unwrap_or(NonZeroU32::MIN) }
    }

    pub(crate) fn start(&self, turns: Turns) -> u64 {
        self.next.max(turns.now)
    }

    /// Begins a turn of so many events.
    pub(crate) fn pay(&mut self, start: u64, events: usize) {
        let length = EVENT.saturating_mul(events as u64) / u64::from(self.weight.get());
        self.next = start.saturating_add(length.max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves `waiting` ones, `rounds` times, and counts whose turns those were.
    fn served(all: &mut [Turn], turns: &mut Turns, waiting: &[usize], rounds: usize) -> Vec<usize> {
        let mut count = vec![0; all.len()];
        for _ in 0..rounds {
            let next = waiting.iter().copied().min_by_key(|&who| all[who].start(*turns));
            let who = next.expect("somebody waits");
            let start = all[who].start(*turns);
            turns.now = start;
            all[who].pay(start, 10);
            count[who] += 1;
        }
        count
    }

    #[test]
    fn turns_follow_weights_and_are_not_saved_up() {
        let mut all = [3, 1, 2].map(|weight| Turn::new(NonZeroU32::new(weight)));
        let mut turns = Turns::default();
        assert_eq!(served(&mut all, &mut turns, &[0, 1, 2], 60), [30, 10, 20]);
        assert_eq!(served(&mut all, &mut turns, &[1], 1000), [0, 1000, 0]);
        let again = served(&mut all, &mut turns, &[0, 1, 2], 60);
        assert!(again[1] >= 9, "the one that was alone owes nothing for it: {again:?}");
        assert!(again[0] <= 31, "those that were away have saved nothing: {again:?}");
    }
}
