//! What the road does not have yet, shared by the one who writes it and those who read.
//!
//! Whoever reads looks here first and begins the snapshot of the file after that. A message that
//! moves from here into the file meanwhile is seen in both places; the other way round it would be
//! seen in neither.

use parking_lot::Mutex;
use roundsman_store::{Ask, LaneId};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// A message in its lane: ordered as the road is.
pub(super) type Step = (LaneId, u64);

/// Messages in lanes that the road may lack, and how much of what it has is of no use.
#[derive(Debug, Default)]
pub(super) struct Young(Mutex<Lanes>);

#[derive(Debug, Default)]
struct Lanes {
    steps: BTreeSet<Step>,
    /// Of a lane that ran empty lately: up to here the road shows only what is gone.
    floors: FxHashMap<LaneId, u64>,
}

/// What is to be known of a lane before the file is looked at.
#[derive(Debug)]
pub(super) struct Glance {
    /// Nothing up to here is left of it.
    pub(super) floor: u64,
    /// Young ones behind that, the oldest first.
    pub(super) seqs: Vec<u64>,
}

/// The same of all lanes.
#[derive(Debug)]
pub(super) struct Sight {
    /// Those that have young ones, in order.
    lanes: Vec<LaneId>,
    floors: FxHashMap<LaneId, u64>,
}

impl Sight {
    pub(super) fn has(&self, lane: LaneId) -> bool {
        self.lanes.binary_search(&lane).is_ok()
    }

    pub(super) fn floor(&self, lane: LaneId) -> u64 {
        self.floors.get(&lane).copied().unwrap_or(0)
    }
}

impl Young {
    pub(super) fn enter(&self, step: Step) {
        self.0.lock().steps.insert(step);
    }

    /// Whether it was here.
    pub(super) fn leave(&self, step: Step) -> bool {
        self.0.lock().steps.remove(&step)
    }

    /// What is here, in order.
    pub(super) fn all(&self) -> Vec<Step> {
        self.0.lock().steps.iter().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().steps.len()
    }

    /// Keeps those of `steps` that are here.
    pub(super) fn retain(&self, steps: &mut Vec<Step>) {
        let lanes = self.0.lock();
        steps.retain(|step| lanes.steps.contains(step));
    }

    /// The oldest of a lane.
    pub(super) fn first(&self, lane: LaneId) -> Option<u64> {
        self.0.lock().steps.range((lane, 0)..=(lane, u64::MAX)).next().map(|(_, seq)| *seq)
    }

    /// Lanes that ran empty, each with the last sequence there was.
    pub(super) fn empty(&self, lanes: impl Iterator<Item = Step>) {
        self.0.lock().floors.extend(lanes);
    }

    /// The road has everything up to this sequence now, and nothing else up to there.
    pub(super) fn paved(&self, upto: u64) {
        let mut lanes = self.0.lock();
        lanes.steps.retain(|(_, seq)| *seq > upto);
        lanes.floors.retain(|_, floor| *floor > upto);
    }

    /// The road has everything.
    pub(super) fn clear(&self) {
        *self.0.lock() = Lanes::default();
    }

    /// One glance for each ask, as much as it wants and one more.
    pub(super) fn glance(&self, asks: &[Ask]) -> Vec<Glance> {
        let lanes = self.0.lock();
        let glance = |ask: &Ask| {
            let floor = lanes.floors.get(&ask.lane).copied().unwrap_or(0).max(ask.after);
            let behind = (ask.lane, floor.saturating_add(1))..=(ask.lane, u64::MAX);
            let seqs = lanes.steps.range(behind).map(|(_, seq)| *seq);
            Glance { floor, seqs: seqs.take(ask.limit.max(1) + 1).collect() }
        };
        asks.iter().map(glance).collect()
    }

    /// A glance at all lanes.
    pub(super) fn sight(&self) -> Sight {
        let lanes = self.0.lock();
        let mut young: Vec<_> = lanes.steps.iter().map(|(lane, _)| *lane).collect();
        young.dedup();
        Sight { lanes: young, floors: lanes.floors.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: LaneId = LaneId(7);

    fn ask(after: u64, limit: usize) -> Vec<Ask> {
        vec![Ask { lane: LANE, after, limit, max_bytes: 1 }]
    }

    #[test]
    fn a_glance_has_what_is_behind_the_cursor_and_one_more() {
        let young = Young::default();
        for seq in [3, 5, 8, 9] {
            young.enter((LANE, seq));
            young.enter((LaneId(8), seq));
        }
        assert!(young.leave((LANE, 5)) && !young.leave((LANE, 5)));
        assert_eq!(young.glance(&ask(0, 1))[0].seqs, [3, 8]);
        assert_eq!(young.glance(&ask(3, 9))[0].seqs, [8, 9]);
        assert!(young.glance(&ask(u64::MAX, 9))[0].seqs.is_empty());
        assert_eq!(young.first(LANE), Some(3));
        young.empty([(LANE, 8)].into_iter());
        assert_eq!(young.glance(&ask(0, 9))[0].seqs, [9]);
        assert_eq!(young.glance(&ask(0, 9))[0].floor, 8);
        assert_eq!((young.sight().has(LANE), young.sight().floor(LANE)), (true, 8));
        young.paved(8);
        assert_eq!((young.all(), young.sight().floor(LANE)), (vec![(LANE, 9), (LaneId(8), 9)], 0));
    }
}
