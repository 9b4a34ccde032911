//! Reading ahead: what to fetch of which lane, and what to do with what was fetched. Pure.

use super::lanes::{Lanes, Limits};
use roundsman_store::{Ask, Fetched};

impl Lanes {
    /// Records that may still be read ahead; none once the bytes in flight would be used up.
    pub(super) fn read_ahead_room(&self) -> usize {
        if self.queued_bytes >= self.limits.dispatch.max_bytes && self.queued > 0 {
            return 0;
        }
        self.limits.read_ahead().saturating_sub(self.queued)
    }

    /// What to fetch, at most `lanes` lanes: each with its cursor's generation.
    pub(crate) fn asks(&mut self, lanes: usize) -> Vec<(Ask, u32)> {
        let room = self.read_ahead_room();
        if self.wants.fetch.is_empty() || room == 0 {
            return Vec::new();
        }
        let chosen: Vec<_> = self.wants.fetch.iter().copied().take(lanes.min(room)).collect();
        let share = (room / chosen.len().max(1)).clamp(1, Limits::QUEUE);
        let mut asks = Vec::with_capacity(chosen.len());
        for id in chosen {
            self.wants.fetch.remove(&id);
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            if lane.fetching || !lane.more || lane.back_to.is_some() {
                continue;
            }
            lane.fetching = true;
            let limit = share.min(Limits::QUEUE.saturating_sub(lane.queue.len()).max(1));
            let ask = Ask { lane: id, after: lane.cursor, limit, max_bytes: Limits::QUEUE_BYTES };
            asks.push((ask, lane.generation));
        }
        asks
    }

    /// What was fetched for an ask of `generation`.
    pub(crate) fn fetched(&mut self, fetched: Fetched, generation: u32) {
        let Some(lane) = self.lanes.get_mut(&fetched.lane) else { return };
        if lane.generation != generation || !lane.fetching {
            return;
        }
        lane.more = fetched.more || lane.missed;
        (lane.fetching, lane.missed) = (false, false);
        for record in fetched.records {
            lane.cursor = lane.cursor.max(record.seq);
            if lane.is_due(record.seq) {
                self.queued += 1;
                self.queued_bytes += record.payload.len();
                lane.queue.push_back(record);
            }
        }
        self.poke(fetched.lane);
    }

    /// A fetch failed; the lanes ask again.
    pub(crate) fn fetch_failed(&mut self, asks: &[(Ask, u32)]) {
        for (ask, generation) in asks {
            if let Some(lane) = self.lanes.get_mut(&ask.lane)
                && lane.generation == *generation
            {
                lane.fetching = false;
                self.wants.fetch.insert(ask.lane);
            }
        }
    }
}
