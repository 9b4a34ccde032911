//! Walking: a lap over the lanes of the store that have something ready, in slices. Pure.
//!
//! Hints carry latency, walks carry safety: a lap runs at the start, whenever something was
//! missed, and every so often without a reason.

use roundsman_store::{Lane, LaneId};
use std::sync::Arc;

/// Where the walk is.
#[derive(Debug)]
pub(crate) struct Walk {
    after: Option<LaneId>,
    under_way: bool,
    walking: bool,
    once_more: bool,
}

impl Walk {
    /// Lanes asked for at a time.
    pub(crate) const SLICE: usize = 512;

    /// A walk at the start of its first lap.
    pub(crate) fn new() -> Self {
        Self { after: None, under_way: false, walking: true, once_more: false }
    }

    /// Something was missed: another lap, from the start, after the one that is under way.
    pub(crate) fn again(&mut self) {
        if self.walking {
            self.once_more = self.after.is_some() || self.under_way;
        } else {
            (self.walking, self.after) = (true, None);
        }
    }

    /// The next slice to ask for, where one is due and none is under way.
    pub(crate) fn step(&mut self) -> Option<Option<LaneId>> {
        if !self.walking || self.under_way {
            return None;
        }
        self.under_way = true;
        Some(self.after)
    }

    /// A slice is here: how many lanes, and the last of them.
    pub(crate) fn arrived(&mut self, count: usize, last: Option<LaneId>) {
        self.under_way = false;
        if count < Self::SLICE {
            self.walking = self.once_more;
            self.once_more = false;
            self.after = None;
        } else {
            self.after = last;
        }
    }

    /// The slice failed; it is asked for again.
    pub(crate) fn failed(&mut self) {
        self.under_way = false;
    }
}

/// Catching up: a second walk, round and round, over lanes that were passed over because too many
/// were resident. It stops where there is no room, and goes on from there once there is; the laps
/// meanwhile pass it by, and find whoever is quiet.
#[derive(Debug, Default)]
pub(crate) struct CatchUp {
    /// Some were passed over.
    behind: bool,
    after: Option<LaneId>,
    under_way: bool,
    /// How many lanes had ever left when it found no room.
    stopped: Option<u64>,
    /// Something was passed over since it last came to the end.
    once_more: bool,
}

impl CatchUp {
    /// So many have to leave before it goes on.
    const ROOM: u64 = 64;

    /// Lanes were passed over, or have given up their place.
    pub(crate) fn passed(&mut self) {
        (self.behind, self.once_more) = (true, true);
    }

    /// The next slice to ask for, where one is due; `left`: how many lanes have ever left, `few`:
    /// whether few are resident.
    pub(crate) fn step(&mut self, left: u64, few: bool) -> Option<Option<LaneId>> {
        if !self.behind || self.under_way {
            return None;
        }
        if self.stopped.is_some_and(|then| left - then < Self::ROOM && !few) {
            return None;
        }
        (self.under_way, self.stopped) = (true, None);
        Some(self.after)
    }

    /// A slice is here; `admit` says whether there was room for a lane.
    pub(crate) fn arrived(
        &mut self,
        lanes: &[Arc<Lane>],
        left: u64,
        mut admit: impl FnMut(&Arc<Lane>) -> bool,
    ) {
        self.under_way = false;
        for lane in lanes {
            if !admit(lane) {
                self.stopped = Some(left);
                return;
            }
            self.after = Some(lane.id);
        }
        if lanes.len() < Walk::SLICE {
            self.after = None;
            self.behind = std::mem::take(&mut self.once_more);
        }
    }

    /// The slice failed; it is asked for again.
    pub(crate) fn failed(&mut self) {
        self.under_way = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(range: std::ops::Range<u64>) -> Vec<Arc<Lane>> {
        let key = roundsman_store::Key::parse("a").unwrap();
        let lane = |number| Lane { id: LaneId(number), key: key.clone(), topic: "t".into() };
        range.map(|number| Arc::new(lane(number))).collect()
    }

    #[test]
    fn catching_up_goes_on_where_it_found_no_room_and_round_until_nobody_is_left() {
        let mut walk = CatchUp::default();
        assert_eq!(walk.step(0, true), None, "nobody was passed over");
        walk.passed();
        assert_eq!(walk.step(0, true), Some(None));
        walk.arrived(&lanes(1..6), 0, |lane| lane.id.0 < 4);
        assert_eq!(walk.step(10, false), None, "no room");
        assert_eq!(walk.step(64, false), Some(Some(LaneId(3))));
        walk.arrived(&lanes(4..6), 64, |_| true);
        assert_eq!(walk.step(64, false), Some(None), "once more from the start");
        walk.arrived(&lanes(1..6), 64, |_| true);
        assert_eq!(walk.step(64, true), None);
    }

    #[test]
    fn a_lap_ends_with_a_short_slice_and_begins_anew_when_asked() {
        let mut walk = Walk::new();
        assert_eq!(walk.step(), Some(None));
        assert_eq!(walk.step(), None, "one slice at a time");
        walk.arrived(Walk::SLICE, Some(LaneId(9)));
        assert_eq!(walk.step(), Some(Some(LaneId(9))));
        walk.again();
        walk.arrived(3, Some(LaneId(12)));
        assert_eq!(walk.step(), Some(None), "asked for meanwhile");
        walk.arrived(0, None);
        assert_eq!(walk.step(), None);
        walk.again();
        assert_eq!(walk.step(), Some(None));
    }
}
