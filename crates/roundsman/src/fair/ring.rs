//! The ring of keys that are ready, and the set of those that are parked.

use std::hash::Hash;

use rustc_hash::FxHashMap;

/// Keys that take turns.
///
/// ```
/// use roundsman::RoundRobin;
///
/// let mut ring = RoundRobin::new();
/// for key in ["a", "b", "c", "a"] {
///     ring.push(key);
/// }
/// ring.park(&"b");
/// assert_eq!(ring.pop(), Some("a"));
/// ring.push("a"); // it has more to do, and goes to the end
/// assert_eq!(ring.pop(), Some("c"));
/// assert_eq!(ring.pop(), Some("a"));
/// assert_eq!(ring.pop(), None);
/// assert!(ring.unpark(&"b"));
/// assert_eq!(ring.pop(), Some("b"));
/// ```
#[derive(Clone, Debug)]
pub struct RoundRobin<K> {
    /// Where each known key is. A doubly linked list through a map: a key in the middle leaves
    /// in constant time, and there are no vacant slots to skip or to reuse.
    places: FxHashMap<K, Place<K>>,
    ends: Option<Ends<K>>,
    parked: usize,
}

#[derive(Clone, Debug)]
enum Place<K> {
    Ready { before: Option<K>, behind: Option<K> },
    Parked,
}

#[derive(Clone, Debug)]
struct Ends<K> {
    first: K,
    last: K,
}

impl<K: Clone + Eq + Hash> RoundRobin<K> {
    /// An empty ring.
    #[must_use]
    pub fn new() -> Self {
        Self { places: FxHashMap::default(), ends: None, parked: 0 }
    }

    /// Makes a key ready, at the end. False, and no change, if it is ready or parked already.
    pub fn push(&mut self, key: K) -> bool {
        if self.places.contains_key(&key) {
            return false;
        }
        self.link_last(key);
        true
    }

    /// Makes a key ready, at the front: its last turn was not used, or it may go on.
    ///
    /// False, and no change, if it is ready or parked already. A key that is always put back
    /// here keeps the others waiting; whoever does so bounds how often.
    pub fn push_front(&mut self, key: K) -> bool {
        if self.places.contains_key(&key) {
            return false;
        }
        let behind = self.ends.as_ref().map(|ends| ends.first.clone());
        match &mut self.ends {
            Some(ends) => ends.first = key.clone(),
            none => *none = Some(Ends { first: key.clone(), last: key.clone() }),
        }
        if let Some(second) = &behind {
            self.set_before(second, Some(key.clone()));
        }
        self.places.insert(key, Place::Ready { before: None, behind });
        true
    }

    /// Takes the key whose turn it is, and forgets it; push it again if it has more to do.
    pub fn pop(&mut self) -> Option<K> {
        let first = self.ends.as_ref()?.first.clone();
        self.remove(&first);
        Some(first)
    }

    /// The key whose turn it is.
    #[must_use]
    pub fn peek(&self) -> Option<&K> {
        self.ends.as_ref().map(|ends| &ends.first)
    }

    /// Takes a key out of the ring and keeps it from coming back until it is unparked.
    ///
    /// A key that is not ready may be parked too. False if it is parked already.
    pub fn park(&mut self, key: &K) -> bool {
        if matches!(self.places.get(key), Some(Place::Parked)) {
            return false;
        }
        self.remove(key);
        self.places.insert(key.clone(), Place::Parked);
        self.parked += 1;
        true
    }

    /// Makes a parked key ready, at the end. False, and no change, if it is not parked.
    pub fn unpark(&mut self, key: &K) -> bool {
        if !matches!(self.places.get(key), Some(Place::Parked)) {
            return false;
        }
        self.parked -= 1;
        self.link_last(key.clone());
        true
    }

    /// Forgets a key, ready or parked. False if it is neither.
    pub fn remove(&mut self, key: &K) -> bool {
        match self.places.remove(key) {
            None => return false,
            Some(Place::Parked) => self.parked -= 1,
            Some(Place::Ready { before, behind }) => self.unlink(before, behind),
        }
        true
    }

    /// Whether the key is in the ring, waiting for its turn.
    #[must_use]
    pub fn is_ready(&self, key: &K) -> bool {
        matches!(self.places.get(key), Some(Place::Ready { .. }))
    }

    /// Whether the key is parked.
    #[must_use]
    pub fn is_parked(&self, key: &K) -> bool {
        matches!(self.places.get(key), Some(Place::Parked))
    }

    /// How many keys are ready.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() - self.parked
    }

    /// Whether no key is ready.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_none()
    }

    /// How many keys are parked.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.parked
    }

    fn link_last(&mut self, key: K) {
        let before = self.ends.as_ref().map(|ends| ends.last.clone());
        match &mut self.ends {
            Some(ends) => ends.last = key.clone(),
            none => *none = Some(Ends { first: key.clone(), last: key.clone() }),
        }
        if let Some(former) = &before {
            self.set_behind(former, Some(key.clone()));
        }
        self.places.insert(key, Place::Ready { before, behind: None });
    }

    /// Closes the gap between two neighbours whose middle has gone.
    fn unlink(&mut self, before: Option<K>, behind: Option<K>) {
        if let Some(key) = &before {
            self.set_behind(key, behind.clone());
        }
        if let Some(key) = &behind {
            self.set_before(key, before.clone());
        }
        self.ends = self.ends.take().and_then(|ends| match (before, behind) {
            (None, None) => None,
            (None, Some(first)) => Some(Ends { first, ..ends }),
            (Some(last), None) => Some(Ends { last, ..ends }),
            (Some(_), Some(_)) => Some(ends),
        });
    }

    fn set_before(&mut self, key: &K, to: Option<K>) {
        if let Some(Place::Ready { before, .. }) = self.places.get_mut(key) {
            *before = to;
        }
    }

    fn set_behind(&mut self, key: &K, to: Option<K>) {
        if let Some(Place::Ready { behind, .. }) = self.places.get_mut(key) {
            *behind = to;
        }
    }
}

impl<K: Clone + Eq + Hash> Default for RoundRobin<K> {
    fn default() -> Self {
        Self::new()
    }
}
