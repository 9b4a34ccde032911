//! The batches that are open, and the rule by which they close. Time comes in as an argument.

use std::{collections::VecDeque, hash::Hash, mem};

use rustc_hash::FxHashMap;
use tokio::time::{Duration, Instant};

/// Events of one key that left together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<K, E> {
    /// What they have in common.
    pub key: K,
    /// In the order they came; never empty.
    pub events: Vec<E>,
    /// What they weigh together.
    pub weight: usize,
    /// Why the batch closed.
    pub cause: Cause,
}

/// Why a batch closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was full.
    Count,
    /// The next event had no room by weight.
    Weight,
    /// It had waited long enough.
    Time,
    /// Everything was closed.
    Flush,
}

/// How large and how old a batch may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Events, at least 1.
    pub events: usize,
    /// Weight, in whatever unit events are weighed.
    pub weight: usize,
    /// From the first event to the end of the batch.
    pub wait: Duration,
}

/// Batches that are not full yet.
///
/// ```
/// use roundsman::batch::{Bounds, Cause, Open};
/// use std::time::Duration;
/// use tokio::time::Instant;
///
/// let bounds = Bounds { events: 2, weight: 100, wait: Duration::from_millis(5) };
/// let (mut open, mut closed) = (Open::new(bounds), Vec::new());
/// let now = Instant::now();
/// for (user, size) in [("ann", 10), ("bob", 20), ("ann", 30)] {
///     open.push(&user, size, size, now, |batch| closed.push(batch));
/// }
/// assert_eq!((closed[0].key, &closed[0].events[..]), ("ann", &[10, 30][..]));
/// assert_eq!((closed[0].weight, closed[0].cause), (40, Cause::Count));
/// let late = open.pop_due(now + Duration::from_millis(5)).expect("it waited long enough");
/// assert_eq!((late.key, late.cause), ("bob", Cause::Time));
/// ```
#[derive(Debug)]
pub struct Open<K, E> {
    bounds: Bounds,
    batches: FxHashMap<K, Growing<E>>,
    /// When each batch is due, the oldest first, by the number it was opened under. Those that
    /// closed earlier are passed over.
    due: VecDeque<(Instant, u64, K)>,
    opened: u64,
}

#[derive(Debug)]
struct Growing<E> {
    number: u64,
    events: Vec<E>,
    weight: usize,
}

impl<K: Clone + Eq + Hash, E> Open<K, E> {
    /// Nothing open.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, batches: FxHashMap::default(), due: VecDeque::new(), opened: 0 }
    }

    /// Takes an event in and hands every batch that this closes to `closed`; at most two.
    pub fn push(
        &mut self,
        key: &K,
        event: E,
        weight: usize,
        now: Instant,
        mut closed: impl FnMut(Batch<K, E>),
    ) {
        let room =
            |growing: &Growing<E>| growing.weight.saturating_add(weight) <= self.bounds.weight;
        if self.batches.get(key).is_some_and(|growing| !room(growing))
            && let Some(batch) = self.close(key, Cause::Weight)
        {
            closed(batch);
        }
        let growing = self.batches.entry(key.clone()).or_insert_with(|| {
            self.opened += 1;
            self.due.push_back((now + self.bounds.wait, self.opened, key.clone()));
            Growing { number: self.opened, events: Vec::new(), weight: 0 }
        });
        growing.events.push(event);
        growing.weight = growing.weight.saturating_add(weight);
        if growing.events.len() >= self.bounds.events
            && let Some(batch) = self.close(key, Cause::Count)
        {
            closed(batch);
        }
    }

    /// Closes the oldest batch whose time has come by `now`, if there is one.
    pub fn pop_due(&mut self, now: Instant) -> Option<Batch<K, E>> {
        if self.next_due()? > now {
            return None;
        }
        let (_, _, key) = self.due.pop_front()?;
        self.close(&key, Cause::Time)
    }

    /// When the next batch is due; nothing if none is open.
    pub fn next_due(&mut self) -> Option<Instant> {
        while let Some((due, number, key)) = self.due.front() {
            if self.batches.get(key).is_some_and(|growing| growing.number == *number) {
                return Some(*due);
            }
            self.due.pop_front();
        }
        None
    }

    /// Closes everything, oldest first.
    pub fn flush(&mut self) -> Vec<Batch<K, E>> {
        let mut batches = mem::take(&mut self.batches);
        let due = mem::take(&mut self.due).into_iter();
        due.filter_map(|(_, number, key)| {
            let open = batches.get(&key).is_some_and(|growing| growing.number == number);
            let Growing { events, weight, .. } = open.then(|| batches.remove(&key)).flatten()?;
            Some(Batch { key, events, weight, cause: Cause::Flush })
        })
        .collect()
    }

    /// How many batches are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    fn close(&mut self, key: &K, cause: Cause) -> Option<Batch<K, E>> {
        let (key, Growing { events, weight, .. }) = self.batches.remove_entry(key)?;
        // Those that closed early leave the list in bulk, so that it stays as long as what is open.
        if self.due.len() > 2 * self.batches.len() + 16 {
            let open = &self.batches;
            self.due.retain(|(_, number, key)| {
                open.get(key).is_some_and(|growing| growing.number == *number)
            });
        }
        Some(Batch { key, events, weight, cause })
    }
}
