//! Parked endpoints: which lanes wait for one, and which of them tries it next. Pure.
//!
//! What is parked is known in memory alone; the store knows only which lanes wait, one small row
//! each, written when a lane comes up. To try an endpoint, one lane that waits for it is released,
//! and one message of it goes. Of the lanes a few are remembered for that; where none is left, all
//! are released, and the target parks the endpoint again if it has to.

use super::audience::Audience;
use super::lanes::Lanes;
use crate::rule::{Offline, Rule, To};
use roundsman_store::{Block, Endpoint, Lane, LaneId, Timestamp};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::time::Duration;

/// The endpoints that do not answer.
#[derive(Debug, Default)]
pub(crate) struct Parking(FxHashMap<Endpoint, Parked>);

#[derive(Debug)]
struct Parked {
    /// Not tried before this moment.
    until: Timestamp,
    /// The lane that was let through to try it.
    trying: Option<LaneId>,
    /// Lanes that wait for it, some of them.
    waiting: VecDeque<LaneId>,
}

/// How an endpoint is to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Try {
    /// By a message of this lane.
    Lane(LaneId),
    /// By whatever waits for it.
    All(Endpoint),
}

/// Lanes remembered for each endpoint.
const REMEMBERED: usize = 16;
/// How long a lane that was let through has until another is.
const LEASE: Duration = Duration::from_secs(5);

impl Parking {
    /// A message of `lane` was handed back: its endpoint is not to be tried before `until`.
    pub(crate) fn park(&mut self, endpoint: Endpoint, until: Timestamp, lane: LaneId) {
        let parked = self.0.entry(endpoint).or_insert_with(|| Parked {
            until,
            trying: None,
            waiting: VecDeque::new(),
        });
        if parked.trying == Some(lane) {
            (parked.trying, parked.until) = (None, until);
        } else {
            parked.until = parked.until.max(until);
        }
    }

    /// The endpoint answers again.
    pub(crate) fn open(&mut self, endpoint: Endpoint) {
        self.0.remove(&endpoint);
    }

    /// The one of these endpoints that `lane` has to wait for.
    pub(crate) fn bar(
        &self,
        endpoints: impl IntoIterator<Item = Endpoint>,
        lane: LaneId,
    ) -> Option<Endpoint> {
        if self.0.is_empty() {
            return None;
        }
        let barred = |endpoint: &Endpoint| {
            self.0.get(endpoint).is_some_and(|parked| parked.trying != Some(lane))
        };
        endpoints.into_iter().find(barred)
    }

    /// Whether `lane` tries an endpoint: one message of it goes at a time.
    pub(crate) fn is_trying(
        &self,
        endpoints: impl IntoIterator<Item = Endpoint>,
        lane: LaneId,
    ) -> bool {
        let tries = |endpoint| self.0.get(&endpoint).is_some_and(|it| it.trying == Some(lane));
        !self.0.is_empty() && endpoints.into_iter().any(tries)
    }

    /// `lane` is to be blocked until `endpoint` answers.
    pub(crate) fn wait(&mut self, endpoint: Endpoint, lane: LaneId) {
        let Some(parked) = self.0.get_mut(&endpoint) else { return };
        if parked.waiting.len() < REMEMBERED && !parked.waiting.contains(&lane) {
            parked.waiting.push_back(lane);
        }
    }

    /// What is to be tried at `now`; `is_busy` says whether a lane still has something to do.
    pub(crate) fn due(&mut self, now: Timestamp, is_busy: impl Fn(LaneId) -> bool) -> Vec<Try> {
        let mut tries = Vec::new();
        for (endpoint, parked) in &mut self.0 {
            if parked.until > now {
                continue;
            }
            parked.until = now.after(LEASE);
            if parked.trying.is_some_and(&is_busy) {
                continue;
            }
            parked.trying = parked.waiting.pop_front();
            tries.push(parked.trying.map_or(Try::All(*endpoint), Try::Lane));
        }
        self.0.retain(|endpoint, _| !tries.contains(&Try::All(*endpoint)));
        tries
    }
}

impl Lanes {
    /// A message of `lane` was handed back because this endpoint does not answer.
    pub(crate) fn park(&mut self, endpoint: Endpoint, until: Timestamp, lane: LaneId) {
        self.parking.park(endpoint, until, lane);
    }

    /// An endpoint answers again: the lanes that waited for it may go on once they are released.
    pub(crate) fn open(&mut self, endpoint: Endpoint) {
        self.parking.open(endpoint);
        self.aside.opened();
        self.wants.attempt.push(Try::All(endpoint));
    }

    /// Looks for parked endpoints that are to be tried again.
    pub(crate) fn try_parked(&mut self, now: Timestamp) {
        let tries = self.parking.due(now, |lane| self.lanes.contains_key(&lane));
        self.wants.attempt.extend(tries);
    }

    /// Wants a lane blocked.
    pub(super) fn block(&mut self, lane: LaneId, block: Block) {
        if let Block::Parked(endpoint) = block {
            self.parking.wait(endpoint, lane);
        }
        self.set_aside(lane, block);
        self.wants.block.push((lane, block));
    }
}

/// What a lane has to wait for before anything of it goes.
pub(super) fn bar(
    audience: &Audience,
    parking: &Parking,
    rule: &Rule,
    lane: &Lane,
    endpoints: impl IntoIterator<Item = Endpoint>,
) -> Option<Block> {
    let held = rule.to == To::Channel && rule.offline == Offline::Hold;
    if held && !audience.is_there(&lane.topic) {
        return Some(Block::Absent);
    }
    parking.bar(endpoints, lane.id).map(Block::Parked)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOOK: Endpoint = Endpoint(7);

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    #[test]
    fn one_lane_tries_while_the_others_wait() {
        let mut parking = Parking::default();
        parking.park(HOOK, at(10), LaneId(1));
        for lane in [1, 2, 3] {
            assert_eq!(parking.bar([HOOK], LaneId(lane)), Some(HOOK));
            parking.wait(HOOK, LaneId(lane));
        }
        assert_eq!(parking.due(at(9), |_| false), []);
        assert_eq!(parking.due(at(10), |_| false), [Try::Lane(LaneId(1))]);
        assert!(parking.is_trying([HOOK], LaneId(1)));
        assert_eq!(parking.bar([HOOK], LaneId(1)), None);
        assert_eq!(parking.bar([HOOK], LaneId(2)), Some(HOOK));

        // A late answer for another lane leaves the try alone; its own ends it.
        parking.park(HOOK, at(12), LaneId(2));
        assert!(parking.is_trying([HOOK], LaneId(1)));
        parking.park(HOOK, at(20), LaneId(1));
        assert_eq!(parking.bar([HOOK], LaneId(1)), Some(HOOK));
        parking.wait(HOOK, LaneId(1));
        assert_eq!(parking.due(at(20), |_| false), [Try::Lane(LaneId(2))]);

        parking.open(HOOK);
        assert_eq!(parking.bar([HOOK], LaneId(3)), None);
    }

    #[test]
    fn a_try_that_comes_to_nothing_passes_on_and_in_the_end_all_are_released() {
        let mut parking = Parking::default();
        parking.park(HOOK, at(1), LaneId(1));
        parking.wait(HOOK, LaneId(1));
        parking.wait(HOOK, LaneId(2));
        assert_eq!(parking.due(at(1), |_| false), [Try::Lane(LaneId(1))]);
        assert_eq!(parking.due(at(6), |_| true), [], "it is still under way");
        assert_eq!(parking.due(at(11), |_| false), [Try::Lane(LaneId(2))]);
        assert_eq!(parking.due(at(16), |_| false), [Try::All(HOOK)]);
        assert_eq!(parking.bar([HOOK], LaneId(3)), None, "open until it is parked again");
    }
}
