//! Reading by lane: which lanes have something to do, and the next records of each.

use super::state::State;
use crate::{Ask, Fetched, Lane, LaneId};
use std::sync::Arc;

impl State {
    /// See [`Store::walk`](crate::Store::walk).
    #[must_use]
    pub fn walk(&self, after: Option<LaneId>, limit: usize) -> Vec<Arc<Lane>> {
        self.lanes.ready(after).take(limit).map(|state| state.lane.clone()).collect()
    }

    /// One lane's share of a [`Store::fetch`](crate::Store::fetch).
    #[must_use]
    pub fn fetch(&self, ask: &Ask) -> Fetched {
        let mut fetched = Fetched { lane: ask.lane, records: Vec::new(), more: false };
        let Some(state) = self.lanes.find(ask.lane) else { return fetched };
        let mut bytes = 0;
        for (seq, kept) in state.records.after(ask.after) {
            let is_enough = fetched.records.len() >= ask.limit || bytes >= ask.max_bytes;
            if is_enough && !fetched.records.is_empty() {
                fetched.more = true;
                break;
            }
            bytes += kept.payload.len();
            fetched.records.push(kept.record(&state.lane, seq, self.salt));
        }
        fetched
    }
}
