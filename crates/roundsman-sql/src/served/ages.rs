//! How old messages can be: which are too young to have outlived a default expiry. Pure.
//!
//! The sweep for default expiries looks at the beginning of each lane, and there lies all that was
//! deleted since the database cleaned up last: an index steps over it row by row. What was accepted
//! an hour ago cannot have lived for a week, so the sweep is told where to stop.

use roundsman_store::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// What is known of that since this opening.
#[derive(Debug)]
pub(crate) struct Ages {
    /// The last sequence before this opening: of what came before nothing is known.
    base: u64,
    /// The shortest default expiry that anything was accepted with.
    least: Option<Duration>,
    /// Behind this sequence nothing was accepted before this moment; both ascend.
    marks: VecDeque<(Timestamp, u64)>,
}

impl Ages {
    /// So many marks for the time of an expiry: the sweep looks at that much too much.
    const MARKS: u32 = 64;
    /// All there are.
    const ALL: u64 = i64::MAX as u64;

    pub(crate) fn new(base: u64) -> Self {
        Self { base, least: None, marks: VecDeque::new() }
    }

    /// Messages are accepted, behind all others; `last` is the sequence before theirs.
    pub(crate) fn accepted(&mut self, now: Timestamp, last: u64, expires_after: Option<Duration>) {
        let Some(span) = expires_after else { return };
        let least = self.least.map_or(span, |least| least.min(span));
        self.least = Some(least);
        let mut behind = last;
        // The clock was set back.
        while let Some((_, seq)) = self.marks.pop_back_if(|(since, _)| *since > now) {
            behind = seq;
        }
        let is_next = |(since, _): &(Timestamp, u64)| since.after(least / Self::MARKS) <= now;
        if behind < last || self.marks.back().is_none_or(is_next) {
            self.marks.push_back((now, behind));
        }
        let cut = now.before(least);
        while self.marks.len() > 1 && self.marks.front().is_some_and(|(since, _)| *since <= cut) {
            self.marks.pop_front();
        }
    }

    /// A message that expires at `at` is the newest of its lane again, accepted long ago.
    pub(crate) fn returned(&mut self, at: Timestamp) {
        let Some(least) = self.least else {
            // It is older than this opening, and its sequence is not.
            self.base = Self::ALL;
            return;
        };
        let as_if = at.before(least);
        self.marks.iter_mut().for_each(|(since, _)| *since = as_if.min(*since));
    }

    /// Up to where there may be messages that have outlived a default expiry.
    pub(crate) fn upto(&self, now: Timestamp) -> u64 {
        let Some(least) = self.least else { return self.base };
        let cut = now.before(least);
        let young = self.marks.iter().find(|(since, _)| *since > cut);
        young.map_or(Self::ALL, |(_, seq)| *seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const START: Timestamp = Timestamp(1_000_000_000_000);

    #[test]
    fn what_is_older_than_this_opening_is_always_looked_at() {
        let mut ages = Ages::new(7);
        assert_eq!(ages.upto(START), 7);
        ages.accepted(START, 7, None);
        assert_eq!(ages.upto(START.after(9 * HOUR)), 7, "these never expire");
        ages.accepted(START, 8, Some(HOUR));
        assert_eq!(ages.upto(START), 8);
    }

    #[test]
    fn what_is_old_enough_is_looked_at_and_little_else() {
        let mut ages = Ages::new(0);
        for minute in 0..600 {
            ages.accepted(START.after(minute * HOUR / 60), u64::from(minute), Some(HOUR));
            assert!(ages.marks.len() <= 66);
        }
        let upto = ages.upto(START.after(10 * HOUR));
        assert!((540..=542).contains(&upto), "those of the ninth hour: {upto}");
        assert_eq!(ages.upto(START.after(12 * HOUR)), Ages::ALL);
    }

    #[test]
    fn one_that_comes_back_is_found_when_its_time_is_over() {
        let mut ages = Ages::new(0);
        ages.accepted(START, 0, Some(HOUR));
        ages.accepted(START.after(HOUR / 2), 10, Some(HOUR));
        // Accepted at the start, it has sequence 12 now.
        ages.returned(START.after(HOUR));
        ages.accepted(START.after(HOUR / 2), 12, Some(HOUR));
        assert!(ages.upto(START.after(HOUR)) >= 12);
        let mut none = Ages::new(3);
        none.returned(START);
        assert_eq!(none.upto(START), Ages::ALL);
    }

    #[test]
    fn a_clock_that_is_set_back_hides_nothing() {
        let mut ages = Ages::new(0);
        ages.accepted(START.after(9 * HOUR), 5, Some(HOUR));
        ages.accepted(START, 6, Some(HOUR));
        assert!(ages.upto(START.after(HOUR)) >= 7, "number 7 is over now");
    }
}
