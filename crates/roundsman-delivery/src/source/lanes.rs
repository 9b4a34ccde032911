//! The resident lanes of a node: told what happened, asked what to do. Pure.

use super::ahead::Lead;
use super::audience::Audience;
use super::fence::Fences;
use super::keys::Keys;
use super::lane::{OutState, Resident};
use super::needs::{Needs, Way};
use super::parking::{Parking, Try, bar};
use super::running::Running;
use super::seats::Seats;
use super::why::Aside;
use crate::augment::Augment;
use crate::metrics::Metrics;
use crate::rule::{Order, Rule, Rules};
use crate::settle::Closing;
use crate::target::Targets;
use crate::{Dispatch, Retry};
use roundsman_store::{Block, Endpoint, Fresh, Lane, LaneId, Timestamp};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// What the lanes go by.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) dispatch: Dispatch,
    pub(crate) retry: Retry,
    pub(crate) rules: Rules,
    pub(crate) targets: Targets,
    pub(crate) augments: Arc<[Augment]>,
}

impl Limits {
    /// Records of one lane that are read ahead.
    pub(crate) const QUEUE: usize = 128;
    /// Payload bytes of one lane that are read at once.
    pub(crate) const QUEUE_BYTES: usize = 256 << 10;
    /// Records of one lane that may be read ahead however many others there are.
    pub(crate) const FEW: usize = 8;
    /// Lanes of one key that are resident.
    pub(crate) const KEY_LANES: usize = 1024;
    /// Lanes that are resident. Each has its turn; where others wait, it then leaves to them.
    pub(crate) const RESIDENT: usize = 8192;
    /// Of those, how many may wait for their turn to be looked up: a slow source fills what is in
    /// memory no further, and the rest of them waits in the store.
    pub(crate) const LOOKING: usize = Self::RESIDENT / 2;

    /// Of each rule, how many messages it can serve at once, where that is bounded.
    pub(super) fn capacities(&self) -> Vec<Option<usize>> {
        let rules = self.rules.iter().enumerate();
        rules.map(|(number, rule)| self.targets.capacity(number, rule)).collect()
    }

    /// The way of a topic's messages under this rule.
    fn way(&self, number: usize, rule: &Rule, topic: &str) -> Way {
        Way::of(&self.augments, topic, self.targets.endpoint(number, rule, topic))
    }

    /// Records that are read ahead, over all lanes.
    pub(crate) fn read_ahead(&self) -> usize {
        self.dispatch.max_in_flight.saturating_mul(4).max(Self::QUEUE)
    }
}

/// What the lanes want done, collected until it is taken.
#[derive(Debug, Default)]
pub(crate) struct Wants {
    /// Lanes that have room and more in the store; see [`Lanes::asks`].
    pub(crate) fetch: FxHashSet<LaneId>,
    /// The same, of those that have next to nothing in memory.
    pub(crate) starving: FxHashSet<LaneId>,
    /// Lanes that nobody is there for, and those whose endpoint is parked.
    pub(crate) block: Vec<(LaneId, Block)>,
    /// Endpoints that are to be tried again.
    pub(crate) attempt: Vec<Try>,
    /// Ends that are the source's own to tell: expired, not acknowledged in time.
    pub(crate) close: Vec<Closing>,
    /// A lane was passed over because too many were resident, or gave up its place to others.
    pub(crate) passed: bool,
}

/// The resident lanes.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(super) limits: Limits,
    pub(super) lanes: FxHashMap<LaneId, Resident>,
    pub(super) keys: Keys,
    pub(super) lead: Lead,
    pub(super) running: Running,
    /// The endpoint of each augmentation's source.
    pub(super) sources: Box<[Endpoint]>,
    /// The moment that was last told.
    pub(super) now: Timestamp,
    pub(super) audience: Audience,
    pub(super) parking: Parking,
    pub(super) fences: Fences,
    pub(super) seats: Seats,
    pub(super) aside: Aside,
    pub(super) wants: Wants,
    pub(super) metrics: Arc<Metrics>,
    /// Lanes with something unacknowledged.
    pub(super) acking: FxHashSet<LaneId>,
    pub(super) flying: usize,
    pub(super) flying_bytes: usize,
    pub(super) unacknowledged: usize,
    pub(super) queued: usize,
    pub(super) queued_bytes: usize,
    /// The last generation given to a lane's cursor.
    generation: u32,
    /// Lanes wait to become resident.
    crowded: bool,
    /// The lane that came last was one of them.
    turned_away: bool,
    pub(super) evicted: u64,
    /// A message that must go alone waits for everything else to land, or flies.
    pub(super) alone: Option<LaneId>,
}

impl Lanes {
    pub(crate) fn new(limits: Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            lead: Lead::default(),
            running: Running::default(),
            keys: Keys::new(&limits.dispatch, &limits.capacities(), !limits.augments.is_empty()),
            sources: limits.augments.iter().map(Augment::endpoint).collect(),
            limits,
            now: Timestamp::default(),
            lanes: FxHashMap::default(),
            audience: Audience::default(),
            parking: Parking::default(),
            fences: Fences::default(),
            seats: Seats::default(),
            aside: Aside::default(),
            wants: Wants::default(),
            metrics,
            acking: FxHashSet::default(),
            flying: 0,
            flying_bytes: 0,
            unacknowledged: 0,
            queued: 0,
            queued_bytes: 0,
            generation: 0,
            crowded: false,
            turned_away: false,
            evicted: 0,
            alone: None,
        }
    }

    /// Records that were just committed. One that follows what its lane has read goes straight to
    /// the lane; any other only says that there is more to read.
    pub(crate) fn fresh(&mut self, batch: Vec<Fresh>) {
        for Fresh { previous, record } in batch {
            let id = record.lane.id;
            let is_believed = self.fences.hear(record.seq);
            if !self.lanes.contains_key(&id) && !self.admit(&record.lane) {
                continue;
            }
            let queued = self.lanes.get(&id).map_or(0, |lane| lane.queue.len());
            let may_queue = self.may_queue(queued);
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            lane.idle = false;
            if record.seq <= lane.cursor {
                // A reading was quicker than the hint: queued once more, it could go out twice.
                continue;
            }
            let follows = previous.is_some_and(|previous| previous <= lane.cursor);
            let steady = !lane.more && !lane.fetching && lane.back_to.is_none() && !lane.blocked;
            if is_believed && follows && steady && may_queue {
                lane.cursor = record.seq;
                self.queued += 1;
                self.queued_bytes += record.payload.len();
                lane.queue.push_back(record);
            } else {
                lane.has_more();
            }
            if !lane.listed {
                self.poke(id);
            }
        }
    }

    /// A lane that has something to do: found on a walk, released, or hinted at. Whether it was
    /// taken in, or has to wait for something else than room.
    pub(crate) fn visit(&mut self, lane: &Arc<Lane>) -> bool {
        if !self.lanes.contains_key(&lane.id) && !self.admit(lane) {
            return !std::mem::take(&mut self.turned_away);
        }
        if let Some(resident) = self.lanes.get_mut(&lane.id) {
            resident.idle = false;
            resident.blocked = false;
            resident.has_more();
            self.poke(lane.id);
        }
        true
    }

    /// Whether as many lanes wait to be looked up as may be in memory for that.
    pub(super) fn are_many_looking(&self) -> bool {
        self.keys.looking() >= Limits::LOOKING
    }

    /// Whether it is worth while to fetch the lane, of which it is not known what it needs.
    pub(super) fn may_go_on(&self, lane: &Lane) -> bool {
        let held_up = || {
            let found = self.limits.rules.find(&lane.topic);
            found.is_some_and(|(number, rule)| {
                self.limits.way(number, rule, &lane.topic).has_lookups()
            })
        };
        !self.are_many_looking() || self.lanes.contains_key(&lane.id) || !held_up()
    }

    /// Makes a lane resident, where somebody is there for it and there is room.
    fn admit(&mut self, lane: &Arc<Lane>) -> bool {
        let Some((rule, found)) = self.limits.rules.find(&lane.topic) else { return false };
        let way = self.limits.way(rule, found, &lane.topic);
        let target = way.endpoints(&self.sources, Needs::default());
        if let Some(block) = bar(&self.audience, &self.parking, found, lane, target) {
            self.block(lane.id, block);
            return false;
        }
        let of_key = || self.keys.lanes(&lane.key, rule);
        let many = self.lanes.len() >= Limits::KEY_LANES && of_key() >= Limits::KEY_LANES;
        let held_up = self.are_many_looking() && way.has_lookups();
        let most = if held_up { Limits::RESIDENT / 4 * 3 } else { Limits::RESIDENT };
        if many || self.lanes.len() >= most {
            if many {
                self.keys.crowd(&lane.key, rule);
            } else {
                self.crowded = true;
            }
            (self.wants.passed, self.turned_away) = (true, true);
            return false;
        }
        let account = self.keys.open(&lane.key, rule);
        self.audience.add_lane(&lane.topic, lane.id);
        self.generation = self.generation.wrapping_add(1);
        let resident = Resident::new(lane.clone(), rule, account, way, self.generation);
        self.lanes.insert(lane.id, resident);
        true
    }

    /// The lanes of a topic that waited for room in its window may go on.
    pub(super) fn unpark_all(&mut self, topic: &str) {
        for id in self.audience.lanes_of(topic) {
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.parked = false;
            }
            self.poke(id);
        }
    }

    /// A client joined.
    pub(crate) fn joined(&mut self, topic: &Arc<str>, asks: bool) {
        self.audience.join(topic, asks);
        for id in self.audience.lanes_of(topic) {
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.fenced = lane.flying > 0;
                if asks {
                    lane.come_again();
                }
            }
        }
        self.unpark_all(topic);
    }

    /// A client left.
    pub(crate) fn left(&mut self, topic: &Arc<str>, asks: bool) {
        let lanes = self.audience.lanes_of(topic);
        self.audience.leave(topic, asks);
        for id in lanes {
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.parked = false;
            }
            self.poke(id);
        }
    }

    /// Looks at a lane after something happened to it, and wants what it needs next.
    pub(super) fn poke(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let Some(rule) = self.limits.rules.get(lane.rule) else { return };
        if lane.flying == 0 {
            lane.fenced = false;
            if lane.blocked {
                return self.evict(id);
            }
        }
        lane.look(&self.limits.augments);
        let endpoints = lane.way.endpoints(&self.sources, lane.needs);
        if let Some(block) = bar(&self.audience, &self.parking, rule, &lane.lane, endpoints) {
            if lane.flying == 0 {
                if !lane.is_done() {
                    self.block(id, block);
                }
                self.evict(id);
            }
            return;
        }
        if lane.back_to.is_some() && (lane.flying == 0 || rule.order == Order::None) {
            self.generation = self.generation.wrapping_add(1);
            let (count, bytes) = lane.rewind(self.generation);
            self.queued -= count;
            self.queued_bytes -= bytes;
        }
        let waits = lane.parked || lane.fenced || lane.back_to.is_some();
        if !lane.queue.is_empty() && !lane.listed && !waits && !lane.unseated {
            lane.look(&self.limits.augments);
            let is_new = lane.out.is_empty() && !lane.fetching;
            if is_new && !lane.needs.is_none() && self.keys.looking() >= Limits::LOOKING {
                self.wants.passed = true;
                return self.evict(id);
            }
            self.keys.list(id, lane, false, self.now);
        }
        let crowded = self.crowded || self.keys.is_crowded(lane.account);
        let had_turn = lane.had_turn || lane.unseated;
        if crowded && had_turn && lane.out.is_empty() && !lane.fetching && !waits {
            // It has had its turn, and others wait to be read: it waits for the next round.
            self.wants.passed |= !lane.is_done();
            return self.evict(id);
        }
        if lane.more && !lane.fetching && lane.back_to.is_none() {
            if lane.queue.len() < Limits::FEW {
                self.wants.starving.insert(id);
            } else if lane.queue.len() <= Limits::QUEUE / 2 {
                self.wants.fetch.insert(id);
            }
        }
        if lane.is_done() && !lane.listed && self.lanes.len() > Limits::RESIDENT / 2 {
            self.evict(id);
        }
    }

    /// Forgets a lane: what it knows is in the store.
    fn evict(&mut self, id: LaneId) {
        let Some(mut lane) = self.lanes.remove(&id) else { return };
        let (count, bytes) = lane.forget_queue();
        self.queued -= count;
        self.queued_bytes -= bytes;
        let waiting = lane
            .out
            .values()
            .filter(|out| matches!(out.state, OutState::Unacknowledged { .. }))
            .count();
        self.unacknowledged -= waiting;
        self.audience.remove_out(&lane.lane.topic, lane.out.len());
        self.audience.remove_lane(&lane.lane.topic, id);
        self.keys.close(lane.account, id);
        self.acking.remove(&id);
        self.wants.fetch.remove(&id);
        self.wants.starving.remove(&id);
        self.evicted += 1;
        self.crowded &= self.lanes.len() > Limits::RESIDENT / 4 * 3;
        if self.alone == Some(id) {
            self.alone = None;
        }
    }

    /// Forgets the lanes that have had nothing to do since the last sweep.
    pub(crate) fn sweep(&mut self) {
        let mut done = Vec::new();
        for (id, lane) in &mut self.lanes {
            if lane.is_done() && !lane.listed {
                if lane.idle {
                    done.push(*id);
                }
                lane.idle = true;
            }
        }
        for id in done {
            self.evict(id);
        }
    }
}
