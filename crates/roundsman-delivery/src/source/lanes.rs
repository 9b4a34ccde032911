//! The resident lanes of a node: told what happened, asked what to do. Pure.

use super::audience::Audience;
use super::fence::Fences;
use super::keys::Keys;
use super::lane::{Ending, Out, OutState, Resident, Told};
use super::parking::{Parking, Try, bar};
use crate::augment::Augment;
use crate::metrics::Metrics;
use crate::rule::{Order, Rule, Rules};
use crate::settle::Closing;
use crate::target::Targets;
use crate::{Dispatch, Retry};
use roundsman::RoundRobin;
use roundsman_store::{Block, Endpoint, Fresh, Lane, LaneId, Timestamp};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
    /// Lanes that are resident before walking pauses.
    pub(crate) const RESIDENT: usize = 8192;

    /// What has to answer for the messages of a topic under this rule.
    fn endpoints(&self, number: usize, rule: &Rule, topic: &str) -> Box<[Endpoint]> {
        let augments = self.augments.iter().filter(|augment| augment.topics.matches(topic));
        let target = self.targets.endpoint(number, rule, topic);
        augments.map(Augment::endpoint).chain(target).collect()
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
    /// Lanes that nobody is there for, and those whose endpoint is parked.
    pub(crate) block: Vec<(LaneId, Block)>,
    /// Endpoints that are to be tried again.
    pub(crate) attempt: Vec<Try>,
    /// Ends that are the source's own to tell: expired, not acknowledged in time.
    pub(crate) close: Vec<Closing>,
    /// A lane was passed over because too many were resident.
    pub(crate) walk: bool,
}

/// The resident lanes.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(super) limits: Limits,
    pub(super) lanes: FxHashMap<LaneId, Resident>,
    pub(super) ring: RoundRobin<LaneId>,
    pub(super) keys: Keys,
    pub(super) audience: Audience,
    pub(super) parking: Parking,
    pub(super) fences: Fences,
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
    /// A message that must go alone waits for everything else to land, or flies.
    pub(super) alone: Option<LaneId>,
}

impl Lanes {
    pub(crate) fn new(limits: Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            keys: Keys::new(limits.dispatch.per_key),
            limits,
            lanes: FxHashMap::default(),
            ring: RoundRobin::new(),
            audience: Audience::default(),
            parking: Parking::default(),
            fences: Fences::default(),
            wants: Wants::default(),
            metrics,
            acking: FxHashSet::default(),
            flying: 0,
            flying_bytes: 0,
            unacknowledged: 0,
            queued: 0,
            queued_bytes: 0,
            generation: 0,
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
            let full = self.read_ahead_room() == 0;
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            lane.idle = false;
            if record.seq <= lane.cursor {
                // A reading was quicker than the hint: queued once more, it could go out twice.
                continue;
            }
            let follows = previous.is_some_and(|previous| previous <= lane.cursor);
            let steady = !lane.more && !lane.fetching && lane.back_to.is_none() && !lane.blocked;
            if is_believed && follows && steady && !full && lane.queue.len() < Limits::QUEUE {
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

    /// A lane that has something to do: found on a walk, released, or hinted at.
    pub(crate) fn visit(&mut self, lane: &Arc<Lane>) {
        if !self.lanes.contains_key(&lane.id) && !self.admit(lane) {
            return;
        }
        if let Some(resident) = self.lanes.get_mut(&lane.id) {
            resident.idle = false;
            resident.blocked = false;
            resident.has_more();
            self.poke(lane.id);
        }
    }

    /// Makes a lane resident, where somebody is there for it and there is room.
    fn admit(&mut self, lane: &Arc<Lane>) -> bool {
        let Some((rule, found)) = self.limits.rules.find(&lane.topic) else { return false };
        let endpoints = self.limits.endpoints(rule, found, &lane.topic);
        if let Some(block) = bar(&self.audience, &self.parking, found, lane, &endpoints) {
            self.block(lane.id, block);
            return false;
        }
        if self.lanes.len() >= Limits::RESIDENT {
            self.wants.walk = true;
            return false;
        }
        let levels = self.keys.open(&lane.key);
        self.audience.add_lane(&lane.topic, lane.id);
        self.generation = self.generation.wrapping_add(1);
        let resident = Resident::new(lane.clone(), rule, levels, endpoints, self.generation);
        self.lanes.insert(lane.id, resident);
        true
    }

    /// A message was settled.
    pub(crate) fn settled(&mut self, told: Told, now: Timestamp) {
        let mut woken = Vec::new();
        let Some(lane) = self.lanes.get_mut(&told.lane) else { return };
        (lane.idle, lane.parked) = (false, false);
        let known = lane.out.get(&told.seq).map(|out| out.attempt);
        let is_old = known.is_some() && told.attempt.is_some() && told.attempt != known;
        if is_old && told.ending != Ending::Gone {
            return;
        }
        if let Some(bytes) = lane.strike(told.seq) {
            self.queued -= 1;
            self.queued_bytes -= bytes;
        }
        match told.ending {
            Ending::Back => lane.go_back(told.seq),
            Ending::Blocked => {
                lane.blocked = true;
                lane.go_back(told.seq);
            }
            Ending::Gone | Ending::Unacknowledged => {}
        }
        if let Some(out) = lane.out.remove(&told.seq) {
            self.landed(told, out, now, &mut woken);
        }
        self.metrics.unacknowledged.store(self.unacknowledged as u64, Ordering::Relaxed);
        self.metrics.in_flight.store(self.flying as u64, Ordering::Relaxed);
        self.poke(told.lane);
        for lane in woken {
            self.unlist(lane);
        }
    }

    /// Books what was out as back, or as waiting for its acknowledgement.
    fn landed(&mut self, told: Told, mut out: Out, now: Timestamp, woken: &mut Vec<LaneId>) {
        let Some(lane) = self.lanes.get_mut(&told.lane) else { return };
        if let OutState::Flying { again } = out.state {
            lane.flying -= 1;
            self.flying -= 1;
            self.flying_bytes -= out.bytes;
            self.keys.land(&lane.levels, woken);
            if self.alone == Some(told.lane) && self.flying == 0 {
                self.alone = None;
            }
            if again && told.ending == Ending::Back {
                // Written before, not taken this time: it stays unacknowledged.
                out.state = OutState::Unacknowledged { since: now, again: true };
                lane.out.insert(told.seq, out);
                self.unacknowledged += 1;
                self.acking.insert(told.lane);
                return;
            }
        }
        let was_waiting = matches!(out.state, OutState::Unacknowledged { .. });
        if was_waiting && told.ending == Ending::Back {
            lane.out.insert(told.seq, out);
            return;
        }
        if told.ending == Ending::Unacknowledged && !was_waiting {
            out.state = OutState::Unacknowledged { since: now, again: false };
            lane.out.insert(told.seq, out);
            self.unacknowledged += 1;
            self.acking.insert(told.lane);
            return;
        }
        self.unacknowledged -= usize::from(was_waiting);
        let topic = lane.lane.topic.clone();
        self.audience.remove_out(&topic, 1);
        if self.audience.get(&topic).is_some_and(|topic| topic.lanes.len() > 1) {
            // Another lane of the topic may have waited for room in the window.
            self.unpark_all(&topic);
        }
    }

    /// A lane that waited at its key's cap may go on.
    fn unlist(&mut self, id: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.listed = false;
            self.poke(id);
        }
    }

    /// The lanes of a topic that waited for room in its window may go on.
    fn unpark_all(&mut self, topic: &str) {
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
        if let Some(block) = bar(&self.audience, &self.parking, rule, &lane.lane, &lane.endpoints) {
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
        if !lane.queue.is_empty() && !lane.listed && !waits {
            lane.listed = true;
            self.ring.push(id);
        }
        if lane.more
            && !lane.fetching
            && lane.back_to.is_none()
            && lane.queue.len() <= Limits::QUEUE / 2
        {
            self.wants.fetch.insert(id);
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
        self.keys.close(&lane.levels);
        self.acking.remove(&id);
        self.wants.fetch.remove(&id);
        self.ring.remove(&id);
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
