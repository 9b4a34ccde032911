//! Reading ahead: what to fetch of which lane, and what to do with what was fetched. Pure.

use super::lanes::{Lanes, Limits};
use roundsman_store::{Ask, Fetched};

impl Lanes {
    /// Whether so many bytes are read ahead that no more may be than one record of each lane.
    fn is_heavy(&self) -> bool {
        self.queued_bytes >= self.limits.dispatch.max_bytes
    }

    /// Records that may still be read ahead, beside the few that every lane may have.
    fn read_ahead_room(&self) -> usize {
        if self.is_heavy() { 0 } else { self.limits.read_ahead().saturating_sub(self.queued) }
    }

    /// Whether a lane that has `queued` records in memory may have another. However much others
    /// have there, each may have a few: nobody's backlog keeps anybody from being read.
    pub(super) fn may_queue(&self, queued: usize) -> bool {
        match queued {
            0 => true,
            _ if self.is_heavy() => false,
            few if few < Limits::FEW => true,
            many => many < Limits::QUEUE && self.read_ahead_room() > 0,
        }
    }

    pub(crate) fn has_asks(&self) -> bool {
        !self.wants.starving.is_empty()
            || (!self.wants.fetch.is_empty() && self.read_ahead_room() > 0)
    }

    /// What to fetch, at most `lanes` lanes: each with its cursor's generation.
    pub(crate) fn asks(&mut self, lanes: usize) -> Vec<(Ask, u32)> {
        let (room, heavy) = (self.read_ahead_room(), self.is_heavy());
        let mut chosen: Vec<_> = self.wants.starving.iter().copied().take(lanes).collect();
        let left = (lanes - chosen.len()).min(room);
        chosen.extend(self.wants.fetch.iter().copied().take(left));
        let share = (room / chosen.len().max(1)).min(Limits::QUEUE);
        let max_bytes = if heavy { 1 } else { Limits::QUEUE_BYTES };
        let mut asks = Vec::with_capacity(chosen.len());
        for id in chosen {
            self.wants.starving.remove(&id);
            self.wants.fetch.remove(&id);
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            if lane.fetching || !lane.more || lane.back_to.is_some() {
                continue;
            }
            lane.fetching = true;
            let limit = share.max(Limits::FEW);
            let limit = limit.min(Limits::QUEUE.saturating_sub(lane.queue.len())).max(1);
            let ask = Ask { lane: id, after: lane.cursor, limit, max_bytes };
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
                self.wants.starving.insert(ask.lane);
            }
        }
    }
}
