//! What the handle of a store sees of the task that writes.

use parking_lot::Mutex;
use roundsman_store::{Counts, Ownership, SHARDS, StoreError};

/// What the task shows.
#[derive(Debug, Default)]
pub(super) struct Shown(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    epoch: u64,
    /// Who has the store, while this node stands by.
    owner: Option<String>,
}

impl Shown {
    /// The counts, as of the last commit.
    pub(super) fn count(&self, counts: Counts) {
        self.0.lock().counts = counts;
    }

    /// This node is the owner from now on.
    pub(super) fn owns(&self, epoch: u64) {
        let mut state = self.0.lock();
        (state.epoch, state.owner) = (epoch, None);
    }

    /// This one is the owner, and this node stands by.
    pub(super) fn stands_by(&self, owner: &str) {
        let owner = if owner.is_empty() { "nobody just now" } else { owner };
        let mut state = self.0.lock();
        if state.owner.as_deref() != Some(owner) {
            state.owner = Some(owner.to_owned());
        }
    }

    /// Calls are told what the task has to say, whatever that is.
    pub(super) fn has_ended(&self) {
        self.0.lock().owner = None;
    }

    /// Whether this node stands by.
    pub(super) fn stands_aside(&self) -> bool {
        self.0.lock().owner.is_some()
    }

    /// That this node stands by, in words.
    pub(super) fn standing_by(&self) -> Option<StoreError> {
        let owner = self.0.lock().owner.clone()?;
        Some(StoreError::StandsBy(owner))
    }

    pub(super) fn counts(&self) -> Counts {
        self.0.lock().counts
    }

    pub(super) fn ownership(&self) -> Ownership {
        let state = self.0.lock();
        let shards = if state.owner.is_some() { 0..0 } else { 0..SHARDS };
        Ownership { epoch: state.epoch, shards: shards.collect() }
    }
}
