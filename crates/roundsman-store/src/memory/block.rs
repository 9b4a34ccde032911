//! Blocking and releasing lanes as a whole.

use super::state::State;
use crate::{Block, Lane, LaneId, Release};
use std::sync::Arc;

impl State {
    /// See [`Store::block`](crate::Store::block).
    pub fn block(&mut self, lanes: &[(LaneId, Block)]) {
        for (lane, block) in lanes {
            self.lanes.set_block(*lane, Some(*block));
        }
    }

    /// See [`Store::release`](crate::Store::release).
    pub fn release(&mut self, which: Release) -> Vec<Arc<Lane>> {
        let lanes: Vec<LaneId> = match which {
            Release::Lanes(lanes) => lanes,
            Release::Topic(topic) => {
                let row = self.lanes.topics.find(&topic);
                row.map(|row| row.absent.iter().copied().collect()).unwrap_or_default()
            }
            Release::Endpoint(endpoint) => self.lanes.parked(Some(endpoint)),
            Release::Endpoints => self.lanes.parked(None),
        };
        let mut released = Vec::with_capacity(lanes.len());
        for id in lanes {
            self.lanes.set_block(id, None);
            let Some(state) = self.lanes.find(id) else { continue };
            if !state.records.is_empty() {
                released.push(state.lane.clone());
            }
        }
        released
    }
}
