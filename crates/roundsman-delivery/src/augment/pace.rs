//! The rate of queries: in no window of a tenth of a second more than their share. Pure.
//!
//! A bucket that fills evenly would let through twice its size around the moment it is full. Here
//! the last starts are remembered, and the next is due when the one that is a whole share before
//! it is a whole window old: true of every window, after a stall as well.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// When queries may start.
#[derive(Debug)]
pub(super) struct Pace {
    window: Duration,
    most: usize,
    /// When each of the last starts was at the source, at the latest that is reckoned with.
    seen: VecDeque<Instant>,
    /// The number of the first of them.
    first: u64,
}

/// The window, where the rate leaves room for many queries in it.
const WINDOW: Duration = Duration::from_millis(100);
/// A query is at the source when it is answered, or after so long. The bound is held there, and
/// not here, whatever the way does to the gaps between queries.
const ON_THE_WAY: Duration = Duration::from_millis(20);

impl Pace {
    /// So many queries a second at most.
    pub(super) fn new(rate: f64) -> Self {
        let share = rate * WINDOW.as_secs_f64();
        // Few are spread evenly; of many, a window's share is cut to whole queries.
        let (most, window) = if share < 10.0 {
            (1, Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX))
        } else {
            (share as usize, WINDOW)
        };
        Self { window, most, seen: VecDeque::new(), first: 0 }
    }

    /// When the next query may start; `None` for now.
    pub(super) fn due(&mut self, now: Instant) -> Option<Instant> {
        while self.seen.front().is_some_and(|seen| *seen + self.window <= now) {
            self.seen.pop_front();
            self.first += 1;
        }
        let over = self.seen.len().checked_sub(self.most)?;
        self.seen.get(over).map(|seen| *seen + self.window)
    }

    /// A query starts; its number.
    pub(super) fn start(&mut self, now: Instant) -> u64 {
        self.seen.push_back(now + ON_THE_WAY);
        self.first + self.seen.len() as u64 - 1
    }

    /// The query with this number has been answered.
    pub(super) fn end(&mut self, number: u64, now: Instant) {
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(seen) = at.and_then(|at| self.seen.get_mut(at)) {
            *seen = (*seen).min(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However eagerly queries start, and however long each was on its way, the source never
        /// sees more than its share in any window.
        #[test]
        fn no_window_sees_more(
            rate in 1.0f64..2000.0,
            steps in prop::collection::vec((0u64..30, 0u64..20), 1..300),
        ) {
            let mut pace = Pace::new(rate);
            let begin = Instant::now();
            let mut now = begin;
            let mut arrivals = Vec::new();
            for (pause, way) in steps {
                now += Duration::from_millis(pause);
                if let Some(due) = pace.due(now) {
                    now = now.max(due);
                    prop_assert!(pace.due(now).is_none());
                }
                let number = pace.start(now);
                let arrived = now + Duration::from_millis(way);
                if pause % 2 == 0 {
                    // Answered at once, as far as this query goes.
                    pace.end(number, arrived);
                }
                arrivals.push(arrived);
            }
            arrivals.sort();
            let most = (rate / 10.0).ceil().max(1.0) as usize;
            for (at, first) in arrivals.iter().enumerate() {
                let inside = arrivals[at..].iter().take_while(|it| **it - *first < WINDOW).count();
                prop_assert!(inside <= most, "{inside} within a window at {rate} a second");
            }
        }
    }

    #[test]
    fn a_slow_rate_spreads_evenly() {
        let mut pace = Pace::new(2.0);
        let now = Instant::now();
        let first = pace.start(now);
        pace.end(first, now);
        assert_eq!(pace.due(now), Some(now + Duration::from_millis(500)));
        assert_eq!(pace.due(now + Duration::from_millis(500)), None);
    }
}
