//! What the lanes hold, for the stage that serves them and for whoever looks in. Pure.

use super::lanes::{Lanes, Wants};
use roundsman_store::{Lane, LaneId};
use rustc_hash::FxHashMap;
use std::sync::Arc;

impl Lanes {
    pub(crate) fn wants(&mut self) -> &mut Wants {
        &mut self.wants
    }

    pub(crate) fn has_asks(&self) -> bool {
        !self.wants.fetch.is_empty()
    }

    /// Whether lanes wait for their turn.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.ring.is_empty()
    }

    pub(crate) fn names(&self) -> Vec<Arc<Lane>> {
        self.lanes.values().map(|lane| lane.lane.clone()).collect()
    }

    pub(crate) fn resident(&self) -> usize {
        self.lanes.len()
    }

    #[cfg(test)]
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    pub(crate) fn flying(&self) -> usize {
        self.flying
    }

    pub(crate) fn unacknowledged(&self) -> usize {
        self.unacknowledged
    }

    /// Where a message is, as far as this node knows: whether it is out.
    pub(crate) fn is_out(&self, id: LaneId, seq: u64) -> bool {
        self.lanes.get(&id).is_some_and(|lane| lane.out.contains_key(&seq))
    }

    /// The keys with most in flight, busiest first, with what waits of them in memory.
    pub(crate) fn busiest(&self, count: usize) -> Vec<(String, u64, u64)> {
        let mut waiting: FxHashMap<&str, u64> = FxHashMap::default();
        for lane in self.lanes.values() {
            *waiting.entry(lane.lane.key.as_str()).or_default() += lane.queue.len() as u64;
        }
        let busy = self.keys.busiest(count).into_iter();
        busy.map(|(name, flying)| {
            let waits = waiting.get(name.as_str()).copied().unwrap_or(0);
            (name, flying, waits)
        })
        .collect()
    }
}
