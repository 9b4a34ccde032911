//! What a person does by hand: takes one back, looks through the dead, replays and drops them.

use super::ids::Spot;
use super::state::{DeadLetter as Kept, State, Taken};
use crate::{DeadLetter, DeadPage, LaneId, Sweep, Swept, TakenBack, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

impl State {
    /// See [`Operate::take_back`](crate::Operate::take_back).
    pub fn take_back(
        &mut self,
        id: &str,
        place: Option<(LaneId, u64)>,
        now: Timestamp,
    ) -> TakenBack {
        let spot = match (self.spot(id), place) {
            (Some(spot @ Spot::Lane(lane, seq)), Some(place)) if place == (lane, seq) => spot,
            (Some(spot @ Spot::Schedule(..)), None) => spot,
            _ => return TakenBack::Elsewhere,
        };
        let is_waited_for = place.is_some_and(|(lane, seq)| self.lanes.waits_for(lane, seq));
        let Some(taken) = self.take(spot) else { return TakenBack::Elsewhere };
        let (lane, attempts) = (taken.lane.clone(), taken.kept.attempts());
        self.finish(taken, attempts, None, now);
        let goes_on = is_waited_for && self.lanes.go_on(lane.id);
        TakenBack::Done { released: goes_on.then_some(lane) }
    }

    /// See [`Operate::dead`](crate::Operate::dead).
    #[must_use]
    pub fn dead_page(&self, sweep: &Sweep) -> DeadPage {
        let (cursors, next) = self.pick(sweep, sweep.limit);
        let letter = |cursor: u64| {
            let sighting = self.sight_kept(Spot::Dead(cursor))?;
            let payload = self.dead.get(&cursor)?.kept.payload.clone();
            Some(DeadLetter { cursor, sighting, payload })
        };
        DeadPage { letters: cursors.into_iter().filter_map(letter).collect(), next }
    }

    /// See [`Operate::replay`](crate::Operate::replay).
    pub fn replay(&mut self, sweep: &Sweep) -> Swept {
        let (cursors, next) = self.pick(sweep, sweep.limit.min(Sweep::CHANGED));
        let mut swept = Swept { next, ..Swept::default() };
        for old in cursors {
            let Some(Kept { mut kept, lane, .. }) = self.dead.remove(&old) else { continue };
            let id = kept.id(lane.id, old, self.salt).to_string();
            // Lanes that ran empty are forgotten: the same name may have another number by now.
            let now_in = self.lanes.intern(lane.key.clone(), lane.topic.clone());
            let seq = self.next_seq();
            kept.begin_anew();
            self.relocate(&kept, lane.id, old, Spot::Lane(now_in, seq));
            self.lanes.push(now_in, seq, kept);
            self.count(now_in);
            let Some(state) = self.lanes.find(now_in) else { continue };
            if state.block.is_none() {
                swept.lanes.push(state.lane.clone());
            }
            swept.done.push((id.into(), state.lane.clone()));
        }
        swept.lanes.sort_unstable_by_key(|lane| lane.id);
        swept.lanes.dedup_by_key(|lane| lane.id);
        swept
    }

    /// See [`Operate::drop_dead`](crate::Operate::drop_dead).
    pub fn drop_dead(&mut self, sweep: &Sweep, now: Timestamp) -> Swept {
        let (cursors, next) = self.pick(sweep, sweep.limit.min(Sweep::CHANGED));
        let mut swept = Swept { next, ..Swept::default() };
        for cursor in cursors {
            let Some(Kept { kept, lane, .. }) = self.dead.remove(&cursor) else { continue };
            let id: Arc<str> = kept.id(lane.id, cursor, self.salt).to_string().into();
            let attempts = kept.attempts();
            let taken = Taken { kept, lane: lane.clone(), seq: cursor };
            self.remember(taken, attempts, None, now);
            swept.done.push((id, lane));
        }
        swept
    }

    /// The cursors of at most `limit` letters that pass, and where to go on.
    fn pick(&self, sweep: &Sweep, limit: usize) -> (Vec<u64>, Option<u64>) {
        let Some(first) = sweep.after.checked_add(1) else { return (Vec::new(), None) };
        let named: Option<BTreeSet<u64>> = sweep.filter.ids.as_ref().map(|ids| {
            let cursor = |id: &Arc<str>| match self.spot(id)? {
                Spot::Dead(cursor) => Some(cursor),
                Spot::Lane(..) | Spot::Schedule(..) => None,
            };
            ids.iter().filter_map(cursor).collect()
        });
        let candidates: Box<dyn Iterator<Item = u64>> = match &named {
            Some(named) => Box::new(named.range(first..).copied()),
            None => Box::new(self.dead.range(first..).map(|(cursor, _)| *cursor)),
        };
        let (mut picked, mut bytes, mut last) = (Vec::new(), 0, sweep.after);
        for (looked, cursor) in candidates.enumerate() {
            let is_enough = picked.len() >= limit.max(1) || bytes >= Sweep::BYTES;
            if is_enough || looked == Sweep::LOOKED_AT {
                return (picked, Some(last));
            }
            last = cursor;
            let Some(letter) = self.dead.get(&cursor) else { continue };
            let lane = (&letter.lane.key, &*letter.lane.topic);
            if sweep.filter.matches(lane, letter.reason, letter.died_at) {
                bytes += letter.kept.payload.len();
                picked.push(cursor);
            }
        }
        (picked, None)
    }
}
