//! What the lanes hold, for the stage that serves them and for whoever looks in. Pure.

use super::lanes::{Lanes, Wants};
use roundsman_store::{Lane, LaneId, Timestamp};
use std::sync::Arc;

impl Lanes {
    pub(crate) fn wants(&mut self) -> &mut Wants {
        &mut self.wants
    }

    /// Whether lanes wait for their turn.
    pub(crate) fn is_waiting(&self) -> bool {
        self.keys.is_waiting()
    }

    /// When a key's rate lets it go on, where one waits for that.
    pub(crate) fn alarm(&self) -> Option<Timestamp> {
        self.keys.alarm()
    }

    pub(crate) fn names(&self) -> Vec<Arc<Lane>> {
        self.lanes.values().map(|lane| lane.lane.clone()).collect()
    }

    /// How many lanes were ever forgotten: each has made room for another.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(crate) fn resident(&self) -> usize {
        self.lanes.len()
    }

    #[cfg(test)]
    pub(crate) fn keys_are_idle(&self) -> bool {
        self.keys.is_idle()
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
}
