//! A bounded cache of two generations: what is used stays, the rest goes half at a time.
//!
//! Looking something up moves it into the young half. [`Cache::turn`] drops the old half once the
//! young one is full. Nothing is dropped in between, so that whoever calls it only between
//! transactions may keep unwritten changes in here. Chosen over a linked list of recent uses: two
//! maps, no links, and nothing to pay for a hit in the young half.

use rustc_hash::{FxHasher, FxSeededState};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hash, RandomState};

pub(crate) struct Cache<K, V, S> {
    young: HashMap<K, V, S>,
    old: HashMap<K, V, S>,
    limit: usize,
}

impl<K: Clone + Hash + Eq, V, S: BuildHasher + Default> Cache<K, V, S> {
    /// An empty one that keeps about `limit` entries, at most twice as many between two turns.
    pub(crate) fn new(limit: usize) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), limit }
    }

    /// The entry, if it is here.
    pub(crate) fn find(&mut self, key: &K) -> Option<&mut V> {
        match self.young.entry(key.clone()) {
            Entry::Occupied(entry) => Some(entry.into_mut()),
            Entry::Vacant(entry) => Some(entry.insert(self.old.remove(key)?)),
        }
    }

    /// Puts an entry in, young.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// Whether the young half is full.
    pub(crate) fn is_full(&self) -> bool {
        self.young.len() >= self.limit / 2
    }

    /// Lets the old half go if the young one is full.
    pub(crate) fn turn(&mut self) {
        if self.is_full() {
            self.old = std::mem::take(&mut self.young);
        }
    }
}

/// Hashes what strangers name: fast, and from a seed that they do not know.
#[derive(Clone)]
pub(crate) struct Seeded(FxSeededState);

impl Default for Seeded {
    fn default() -> Self {
        let seed = RandomState::new().hash_one(());
        Self(FxSeededState::with_seed(usize::try_from(seed).unwrap_or(usize::MAX)))
    }
}

impl BuildHasher for Seeded {
    type Hasher = FxHasher;

    fn build_hasher(&self) -> FxHasher {
        self.0.build_hasher()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut cache = Cache::<u64, u64, Seeded>::new(4);
        for number in 0..100 {
            cache.insert(number, number * 10);
            assert_eq!(cache.find(&0), Some(&mut 0), "used all the time");
            cache.turn();
        }
        assert!(cache.find(&1).is_none(), "used once");
        assert!(cache.young.len() + cache.old.len() <= 6);
        cache.remove(&0);
        assert!(cache.find(&0).is_none());
    }
}
