//! Where events wait that nobody has asked for yet.

use std::collections::VecDeque;

/// Which events a full buffer gives up.
///
/// ```
/// use roundsman::{Keep, from_iter};
///
/// let numbers = roundsman::producer(from_iter(0..10)).buffer(4).keep(Keep::First);
/// # drop(numbers);
/// ```
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
    left: i64,
}

impl<E> Buffer<E> {
    pub(crate) fn new(capacity: usize, keep: Keep) -> Self {
        Self { events: VecDeque::new(), capacity, keep, left: 0 }
    }

    /// Adds events at the end and returns how many were given up for want of room.
    pub(crate) fn extend(&mut self, events: Vec<E>) -> usize {
        let room = self.capacity.saturating_sub(self.events.len());
        let excess = events.len().saturating_sub(room);
        match self.keep {
            Keep::First => self.events.extend(events.into_iter().take(room)),
            Keep::Last => {
                self.events.extend(events);
                self.events.drain(..excess);
                self.left += excess.cast_signed() as i64;
            }
        }
        excess
    }

    /// Takes the oldest `n`, or all if there are fewer.
    pub(crate) fn take(&mut self, n: usize) -> Vec<E> {
        let n = n.min(self.events.len());
        self.left += n.cast_signed() as i64;
        if n == self.events.len() {
            return Vec::from(std::mem::take(&mut self.events));
        }
        self.events.drain(..n).collect()
    }

    /// Puts events back in front of all others, whatever room there is: they had left before.
    ///
    /// They take the places that left last, so `left` may fall below where it began.
    pub(crate) fn put_back(&mut self, events: Vec<E>) {
        self.left -= events.len().cast_signed() as i64;
        for event in events.into_iter().rev() {
            self.events.push_front(event);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &E> {
        self.events.iter()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many events have left, those displaced included.
    #[inline]
    pub(crate) fn left(&self) -> i64 {
        self.left
    }

    /// The value `left` will have once everything that is here now has left.
    pub(crate) fn pushed(&self) -> i64 {
        self.left + self.events.len().cast_signed() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(buffer: &mut Buffer<u32>, n: usize) -> (Vec<u32>, i64) {
        (buffer.take(n), buffer.left())
    }

    /// Rows 31, 37, 38 and 40: places are numbered by events alone.
    #[test]
    fn places_count_events() {
        let mut buffer = Buffer::new(10, Keep::Last);
        assert_eq!((buffer.pushed(), after(&mut buffer, 5)), (0, (vec![], 0)));
        buffer.extend(vec![1, 2]);
        let mark = buffer.pushed();
        buffer.extend(vec![3, 4]);
        assert_eq!(after(&mut buffer, 1), (vec![1], 1));
        assert!(buffer.left() < mark);
        assert_eq!(after(&mut buffer, 1), (vec![2], 2));
        assert!(buffer.left() >= mark);
        assert_eq!((after(&mut buffer, 9), buffer.pushed()), ((vec![3, 4], 4), 4));
    }

    /// Rows 32, 33, 34 and 35.
    #[test]
    fn an_excess_is_refused_or_displaces() {
        let mut first = Buffer::new(3, Keep::First);
        assert_eq!((first.extend(vec![1, 2]), first.extend(vec![3, 4, 5])), (0, 2));
        assert_eq!((first.len(), first.pushed()), (3, 3));
        assert_eq!(first.take(9), [1, 2, 3]);

        let mut last = Buffer::new(3, Keep::Last);
        last.extend(vec![1]);
        let behind_one = last.pushed();
        assert_eq!(last.extend(vec![2, 3, 4, 5]), 2);
        assert!(last.left() >= behind_one, "what was displaced has left");
        assert_eq!(last.take(9), [3, 4, 5]);

        let mut all = Buffer::new(usize::MAX, Keep::Last);
        assert_eq!(all.extend((0..1000).collect()), 0);
        assert_eq!((all.is_empty(), all.len()), (false, 1000));
    }
}
