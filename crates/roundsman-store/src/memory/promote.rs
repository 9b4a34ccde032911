//! Doing what is due: blocks that end, records whose moment has come, what expired, old ids.

use super::ids::Spot;
use super::state::{State, Taken};
use crate::{LaneId, Promoted, State as Seen, Timestamp};

/// At most so many of each kind in one call, so that nobody waits for the lock for long.
const AT_ONCE: usize = 1024;

impl State {
    /// Whether [`promote`](Self::promote) would do anything.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next_due().is_some_and(|at| at <= now) || self.ids.has_old(now)
    }

    /// See [`Store::promote`](crate::Store::promote).
    pub fn promote(&mut self, now: Timestamp) -> Promoted {
        let mut promoted = Promoted::default();
        promoted.again |= self.wake(now, &mut promoted);
        promoted.again |= self.come_due(now, &mut promoted);
        promoted.again |= self.expire(now, &mut promoted);
        promoted.again |= self.ids.forget(now, AT_ONCE) == AT_ONCE;
        promoted.lanes.sort_unstable_by_key(|lane| lane.id);
        promoted.lanes.dedup_by_key(|lane| lane.id);
        promoted.next = self.next_due();
        promoted
    }

    /// When the next thing falls due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        [
            self.schedule.first_key_value().map(|((due, _), _)| *due),
            self.lanes.first_waking().map(|(at, _)| at),
            self.lanes.first_expiring().map(|(at, _)| at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Releases lanes that were blocked until now.
    fn wake(&mut self, now: Timestamp, promoted: &mut Promoted) -> bool {
        for _ in 0..AT_ONCE {
            let Some((_, id)) = self.lanes.first_waking().filter(|(at, _)| *at <= now) else {
                return false;
            };
            self.lanes.set_block(id, None);
            promoted.lanes.extend(self.lanes.find(id).map(|state| state.lane.clone()));
        }
        true
    }

    /// Moves records whose moment has come to the ends of their lanes.
    fn come_due(&mut self, now: Timestamp, promoted: &mut Promoted) -> bool {
        for _ in 0..AT_ONCE {
            let first = self.schedule.first_key_value().map(|(moment, _)| *moment);
            let Some((due, seq)) = first.filter(|(due, _)| *due <= now) else { return false };
            let Some(taken) = self.take(Spot::Schedule(due, seq)) else { return false };
            if taken.kept.expires_at.is_some_and(|at| at <= now) {
                let attempts = taken.kept.attempts();
                self.finish(taken, attempts, Some(Seen::Expired), now);
                promoted.expired += 1;
                continue;
            }
            let Taken { kept, lane, seq: old } = taken;
            let seq = self.next_seq();
            self.relocate(&kept, lane.id, old, Spot::Lane(lane.id, seq));
            self.lanes.push(lane.id, seq, kept);
            if self.lanes.find(lane.id).is_some_and(|state| state.block.is_none()) {
                promoted.lanes.push(lane);
            }
        }
        true
    }

    /// Removes what expired in lanes, but for what is under way.
    fn expire(&mut self, now: Timestamp, promoted: &mut Promoted) -> bool {
        let mut work = 0;
        while work < AT_ONCE {
            let Some((_, id)) = self.lanes.first_expiring().filter(|(at, _)| *at <= now) else {
                return false;
            };
            work += 1 + self.expire_in(id, now, AT_ONCE - work, promoted);
        }
        true
    }

    /// The same for one lane, at most `limit` records; answers how many it were.
    fn expire_in(
        &mut self,
        id: LaneId,
        now: Timestamp,
        limit: usize,
        promoted: &mut Promoted,
    ) -> usize {
        let Some(state) = self.lanes.find(id) else { return 0 };
        let (mut expired, mut next) = (Vec::new(), None);
        for (seq, kept) in state.records.after(0) {
            // What is under way is its owner's to settle, who will then say when to look again.
            let Some(at) = kept.expires_at.filter(|_| !kept.is_under_way()) else { continue };
            if at <= now && expired.len() < limit {
                expired.push(seq);
                continue;
            }
            next = Some(next.map_or(at, |earliest: Timestamp| earliest.min(at)));
            if state.expires_in_order || at <= now {
                break;
            }
        }
        self.lanes.set_expiring(id, next);
        // Once a head that is tried again is over, the rest of its lane goes on.
        let is_waited_for = expired.first().is_some_and(|seq| self.lanes.waits_for(id, *seq));
        for seq in &expired {
            let Some(taken) = self.take(Spot::Lane(id, *seq)) else { continue };
            let attempts = taken.kept.attempts();
            self.finish(taken, attempts, Some(Seen::Expired), now);
        }
        if is_waited_for && self.lanes.go_on(id) {
            promoted.lanes.extend(self.lanes.find(id).map(|state| state.lane.clone()));
        }
        promoted.expired += expired.len() as u64;
        expired.len()
    }
}
