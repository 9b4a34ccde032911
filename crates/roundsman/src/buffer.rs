//! Where events wait that nobody has asked for yet.

use std::collections::VecDeque;

/// Which events a full buffer gives up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Refuses the newest.
    First,
    /// Displaces the oldest.
    #[default]
    Last,
}

/// A first-in first-out buffer with a bound.
///
/// It numbers its places: `pushed` and `left` count every event that ever went in and out, so
/// that something which must come after a given event can remember a number instead of a place.
#[derive(Debug)]
pub(crate) struct Buffer<E> {
    events: VecDeque<E>,
    capacity: usize,
    keep: Keep,
    left: u64,
}

impl<E> Buffer<E> {
    pub(crate) fn new(capacity: usize, keep: Keep) -> Self {
        Self { events: VecDeque::new(), capacity, keep, left: 0 }
    }

    /// Adds events at the end and returns how many were given up for want of room.
    pub(crate) fn extend(&mut self, events: Vec<E>) -> usize {
        let room = self.capacity - self.events.len();
        let excess = events.len().saturating_sub(room);
        match self.keep {
            Keep::First => self.events.extend(events.into_iter().take(room)),
            Keep::Last => {
                self.events.extend(events);
                self.events.drain(..excess);
                self.left += excess as u64;
            }
        }
        excess
    }

    /// Takes the oldest `n`, or all if there are fewer.
    pub(crate) fn take(&mut self, n: usize) -> Vec<E> {
        let n = n.min(self.events.len());
        self.left += n as u64;
        if n == self.events.len() {
            return Vec::from(std::mem::take(&mut self.events));
        }
        self.events.drain(..n).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many events have left, those displaced included.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The value `left` will have once everything that is here now has left.
    pub(crate) fn pushed(&self) -> u64 {
        self.left + self.events.len() as u64
    }
}
