//! Walking: a lap over the lanes of the store that have something ready, in slices. Pure.
//!
//! Hints carry latency, walks carry safety: a lap runs at the start, whenever something was
//! missed, and every so often without a reason.

use roundsman_store::LaneId;

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

#[cfg(test)]
mod tests {
    use super::*;

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
