//! The consumer's demand arithmetic for one automatic subscription.

/// What one subscription has asked for and not yet got, and when it asks again.
///
/// Events come in messages. A message is cut, from its start, into slices of at most
/// `max − min`; the slice with which the outstanding demand falls to `min` or below carries a
/// re-ask that fills it up to `max` again. The re-ask belongs after the slice has been handled.
///
/// ```
/// use roundsman::demand::{Ledger, Slice};
///
/// let mut ledger = Ledger::new(100, 20);
/// assert_eq!(ledger.first_ask(), 100);
/// let slices: Vec<_> = ledger.slices(100).collect();
/// assert_eq!(slices, [Slice { events: 80, ask: 80 }, Slice { events: 20, ask: 0 }]);
/// ```
#[derive(Clone, Debug)]
pub struct Ledger {
    outstanding: usize,
    min: usize,
    max: usize,
}

/// A part of an arriving message that is handled in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// How many events are in it.
    pub events: usize,
    /// How many to ask for once it has been handled; 0 for none.
    pub ask: usize,
}

impl Ledger {
    /// A ledger with `max` outstanding, since that is what a subscription asks for at once.
    ///
    /// `max` is at least 1 and `min` below it; [`Subscribe`](crate::Subscribe) sees to that.
    #[must_use]
    pub fn new(max: usize, min: usize) -> Self {
        debug_assert!(min < max);
        Self { outstanding: max, min, max }
    }

    /// What to ask for when the subscription begins.
    #[must_use]
    pub fn first_ask(&self) -> usize {
        self.max
    }

    /// How many events are asked for and have not come.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// How many events beyond what was asked for a message of `events` would bring.
    #[must_use]
    #[inline]
    pub fn excess(&self, events: usize) -> usize {
        events.saturating_sub(self.outstanding)
    }

    /// Changes the bounds and returns what to ask for at once.
    ///
    /// With a higher `max` that is what is missing to it. With a lower one nothing is, and nothing
    /// will be until what is outstanding has fallen to the new `min`.
    pub fn resize(&mut self, max: usize, min: usize) -> usize {
        debug_assert!(min < max);
        let grows = max > self.max;
        (self.max, self.min) = (max, min);
        let missing = max.saturating_sub(self.outstanding);
        let ask = if grows || self.outstanding <= min { missing } else { 0 };
        self.outstanding += ask;
        ask
    }

    /// Cuts a message of `events` events.
    ///
    /// Events in excess of what was asked for are still in a slice; they only do not count.
    pub fn slices(&mut self, events: usize) -> impl Iterator<Item = Slice> {
        let mut left = events;
        std::iter::from_fn(move || {
            let slice = self.next_slice(left)?;
            left -= slice.events;
            Some(slice)
        })
    }

    /// The next slice of a message of which `left` events are not yet cut; none at its end.
    #[inline]
    pub fn next_slice(&mut self, left: usize) -> Option<Slice> {
        if left == 0 {
            return None;
        }
        let events = left.min(self.max - self.min);
        self.outstanding = self.outstanding.saturating_sub(events);
        let ask = if self.outstanding <= self.min { self.max - self.outstanding } else { 0 };
        self.outstanding += ask;
        Some(Slice { events, ask })
    }
}
