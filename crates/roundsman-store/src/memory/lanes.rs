//! Every lane that has records, and what must be known of all of them at once.
//!
//! Which are ready to be walked, which are due to be released, which may hold something expired,
//! and how many records each key and each topic has: all of it follows from three changes, a
//! record that comes in ([`Lanes::push`]), one that goes ([`Lanes::take`]) and a block that is put or
//! lifted ([`Lanes::set_block`]).

use super::accounts::Accounts;
use super::kept::Kept;
use super::queue::Queue;
use crate::{Block, Endpoint, Key, Lane, LaneId, Timestamp, shard_of};
use rustc_hash::FxHashMap;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: FxHashMap<LaneId, LaneState>,
    by_name: FxHashMap<(Key, Arc<str>), LaneId>,
    /// How many there have been; numbers are never used again.
    numbered: u64,
    /// Those with records that are not blocked, in the order of a walk.
    ready: BTreeSet<LaneId>,
    /// Those blocked until a moment.
    waking: BTreeSet<(Timestamp, LaneId)>,
    /// Those that wait because an endpoint is parked.
    parked: BTreeSet<(Endpoint, LaneId)>,
    /// Those that may hold something expired at a moment, or after it.
    expiring: BTreeSet<(Timestamp, LaneId)>,
    /// Those that ran empty, in the order in which they are forgotten.
    idle: VecDeque<LaneId>,
    /// Records in lanes where nobody is there.
    held: u64,
    pub(super) keys: Accounts<Key, KeyRow>,
    pub(super) topics: Accounts<Arc<str>, TopicRow>,
}

#[derive(Debug)]
pub(super) struct LaneState {
    pub(super) lane: Arc<Lane>,
    pub(super) records: Queue,
    pub(super) block: Option<Block>,
    pub(super) key: usize,
    pub(super) topic: usize,
    /// Records of it that wait in the schedule: it is not forgotten meanwhile.
    pub(super) scheduled: u64,
    /// Its entry among the expiring.
    pub(super) expiring_at: Option<Timestamp>,
    /// The newest expiry that came in, while none was before an earlier one.
    pub(super) last_expiry: Option<Timestamp>,
    /// Whether expiries ascend from the head, so that a look at the head tells all.
    pub(super) expires_in_order: bool,
    is_idle: bool,
}

/// What is counted of a key.
#[derive(Debug, Default)]
pub(super) struct KeyRow {
    pub(super) backlog: u64,
    pub(super) held: u64,
}

/// What is counted of a topic.
#[derive(Debug, Default)]
pub(super) struct TopicRow {
    /// Records in its lanes.
    pub(super) records: u64,
    /// Its lanes that wait because nobody is there.
    pub(super) absent: BTreeSet<LaneId>,
}

impl Lanes {
    /// So many empty lanes stay known: most fill again at once, and making one costs more than a message.
    const IDLE: usize = 1024;

    /// The lane of this name, made if need be.
    pub(super) fn intern(&mut self, key: Key, topic: Arc<str>) -> LaneId {
        let name = (key, topic);
        if let Some(id) = self.by_name.get(&name) {
            return *id;
        }
        self.numbered += 1;
        let id = LaneId::new(shard_of(&name.0), self.numbered);
        self.enter(&Arc::new(Lane { id, key: name.0, topic: name.1 }));
        id
    }

    fn enter(&mut self, lane: &Arc<Lane>) {
        let state = LaneState {
            key: self.keys.enter(lane.key.clone()),
            topic: self.topics.enter(lane.topic.clone()),
            lane: lane.clone(),
            records: Queue::default(),
            block: None,
            scheduled: 0,
            expiring_at: None,
            last_expiry: None,
            expires_in_order: true,
            is_idle: false,
        };
        self.by_name.insert((lane.key.clone(), lane.topic.clone()), lane.id);
        self.lanes.insert(lane.id, state);
    }

    pub(super) fn find(&self, id: LaneId) -> Option<&LaneState> {
        self.lanes.get(&id)
    }

    pub(super) fn find_mut(&mut self, id: LaneId) -> Option<&mut LaneState> {
        self.lanes.get_mut(&id)
    }

    /// The number of the newest lane.
    pub(super) fn numbered(&self) -> u64 {
        self.numbered
    }

    /// Goes on behind this number.
    pub(super) fn skip_to(&mut self, number: u64) {
        self.numbered = self.numbered.max(number);
    }

    /// Shows every record.
    pub(super) fn each_mut(&mut self, mut show: impl FnMut(&mut Kept)) {
        self.lanes.values_mut().for_each(|state| state.records.each_mut(&mut show));
    }

    /// Where attempts are under way, oldest first.
    pub(super) fn under_way(&self) -> Vec<(LaneId, u64)> {
        let of_lane = |(id, state): (&LaneId, &LaneState)| {
            let open = state.records.after(0).filter(|(_, kept)| kept.is_under_way());
            open.map(|(seq, _)| (*id, seq)).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.lanes.iter().flat_map(of_lane).collect();
        all.sort_unstable_by_key(|(_, seq)| *seq);
        all
    }

    /// Every lane that is known, in the order of their numbers.
    pub(super) fn all(&self) -> Vec<&LaneState> {
        let mut all: Vec<_> = self.lanes.values().collect();
        all.sort_unstable_by_key(|state| state.lane.id);
        all
    }

    /// Those that ran empty, in the order in which they are forgotten.
    pub(super) fn idle(&self) -> impl Iterator<Item = LaneId> {
        self.idle.iter().copied()
    }

    /// Puts a lane back as it was saved; its records come behind it.
    pub(super) fn restore(&mut self, lane: &Arc<Lane>) {
        self.enter(lane);
    }

    /// Puts back what was known of a lane, once its records are there.
    pub(super) fn restore_rest(
        &mut self,
        id: LaneId,
        block: Option<Block>,
        expiring_at: Option<Timestamp>,
        order: (Option<Timestamp>, bool),
    ) {
        self.set_block(id, block);
        self.set_expiring(id, expiring_at);
        if let Some(state) = self.lanes.get_mut(&id) {
            (state.last_expiry, state.expires_in_order) = order;
        }
    }

    /// Queues a lane to be forgotten, behind those queued already.
    pub(super) fn restore_idle(&mut self, id: LaneId) {
        if let Some(state) = self.lanes.get_mut(&id) {
            state.is_idle = true;
            self.idle.push_back(id);
        }
    }

    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// The first ready ones behind `after`.
    pub(super) fn ready(&self, after: Option<LaneId>) -> impl Iterator<Item = &LaneState> {
        let from = match after {
            Some(id) => (std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded),
            None => (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded),
        };
        self.ready.range(from).filter_map(|id| self.lanes.get(id))
    }

    /// Puts a record behind all others of its lane.
    pub(super) fn push(&mut self, id: LaneId, seq: u64, kept: Kept) {
        let Some(state) = self.lanes.get_mut(&id) else { return };
        let expiry = kept.expires_at;
        if state.records.is_empty() {
            state.expires_in_order = true;
            state.last_expiry = None;
            if state.block.is_none() {
                self.ready.insert(id);
            }
        }
        state.note_order(expiry);
        state.records.push(seq, kept);
        self.topics[state.topic].records += 1;
        if state.block == Some(Block::Absent) {
            self.held += 1;
            self.keys[state.key].held += 1;
        }
        self.expect_expiry(id, expiry);
    }

    /// Takes a record out of its lane. An empty lane is neither blocked nor ready.
    pub(super) fn take(&mut self, id: LaneId, seq: u64) -> Option<Kept> {
        let state = self.lanes.get_mut(&id)?;
        let kept = state.records.take(seq)?;
        self.topics[state.topic].records -= 1;
        if state.block == Some(Block::Absent) {
            self.held -= 1;
            self.keys[state.key].held -= 1;
        }
        if state.records.is_empty() {
            if state.block.is_some() {
                self.set_block(id, None);
            }
            self.ready.remove(&id);
            self.retire(id);
        }
        Some(kept)
    }

    /// Blocks a lane that has records, or releases it.
    pub(super) fn set_block(&mut self, id: LaneId, block: Option<Block>) {
        let Some(state) = self.lanes.get_mut(&id) else { return };
        let block = block.filter(|_| !state.records.is_empty());
        let count = state.records.len() as u64;
        match std::mem::replace(&mut state.block, block) {
            Some(Block::Absent) => {
                self.held -= count;
                self.keys[state.key].held -= count;
                self.topics[state.topic].absent.remove(&id);
            }
            Some(Block::Until(at)) => drop(self.waking.remove(&(at, id))),
            Some(Block::Parked(endpoint)) => drop(self.parked.remove(&(endpoint, id))),
            None => {}
        }
        match block {
            Some(Block::Absent) => {
                self.held += count;
                self.keys[state.key].held += count;
                self.topics[state.topic].absent.insert(id);
            }
            Some(Block::Until(at)) => drop(self.waking.insert((at, id))),
            Some(Block::Parked(endpoint)) => drop(self.parked.insert((endpoint, id))),
            None => {}
        }
        if block.is_none() && count > 0 {
            self.ready.insert(id);
        } else {
            self.ready.remove(&id);
        }
    }

    /// Whether a lane waits for the moment of this record, its head.
    pub(super) fn waits_for(&self, id: LaneId, seq: u64) -> bool {
        let waits = |state: &LaneState| {
            matches!(state.block, Some(Block::Until(_))) && state.records.first() == Some(seq)
        };
        self.lanes.get(&id).is_some_and(waits)
    }

    /// Releases a lane whose head is gone, and answers whether it has anything to go on with.
    pub(super) fn go_on(&mut self, id: LaneId) -> bool {
        self.set_block(id, None);
        self.lanes.get(&id).is_some_and(|state| !state.records.is_empty())
    }

    /// The lanes that wait for this endpoint, or for any.
    pub(super) fn parked(&self, endpoint: Option<Endpoint>) -> Vec<LaneId> {
        let (first, last) = match endpoint {
            Some(endpoint) => (endpoint, endpoint),
            None => (Endpoint(0), Endpoint(u64::MAX)),
        };
        let parked = self.parked.range((first, LaneId(0))..=(last, LaneId(u64::MAX)));
        parked.map(|(_, id)| *id).collect()
    }

    /// The lane whose block ends first, and when.
    pub(super) fn first_waking(&self) -> Option<(Timestamp, LaneId)> {
        self.waking.first().copied()
    }

    /// The lane that may be the first to hold something expired, and when.
    pub(super) fn first_expiring(&self) -> Option<(Timestamp, LaneId)> {
        self.expiring.first().copied()
    }

    /// Something in the lane expires at `expiry`; an entry that comes up earlier will do.
    pub(super) fn expect_expiry(&mut self, id: LaneId, expiry: Option<Timestamp>) {
        let (Some(state), Some(at)) = (self.lanes.get(&id), expiry) else { return };
        if state.expiring_at.is_none_or(|known| at < known) {
            self.set_expiring(id, expiry);
        }
    }

    /// Puts the lane's entry among the expiring where it belongs.
    pub(super) fn set_expiring(&mut self, id: LaneId, at: Option<Timestamp>) {
        let Some(state) = self.lanes.get_mut(&id) else { return };
        if let Some(old) = std::mem::replace(&mut state.expiring_at, at) {
            self.expiring.remove(&(old, id));
        }
        if let Some(at) = at {
            self.expiring.insert((at, id));
        }
    }

    /// One of the lane's records is in the schedule from now on.
    pub(super) fn enter_schedule(&mut self, id: LaneId) {
        if let Some(state) = self.lanes.get_mut(&id) {
            state.scheduled += 1;
        }
    }

    /// One of the lane's records is no longer in the schedule.
    pub(super) fn leave_schedule(&mut self, id: LaneId) {
        if let Some(state) = self.lanes.get_mut(&id) {
            state.scheduled -= 1;
            self.retire(id);
        }
    }

    /// Queues a lane to be forgotten if nothing is in it any more; the longest idle one goes.
    pub(super) fn retire(&mut self, id: LaneId) {
        let Some(state) = self.lanes.get_mut(&id) else { return };
        if !state.is_unused() || std::mem::replace(&mut state.is_idle, true) {
            return;
        }
        self.idle.push_back(id);
        if self.idle.len() > Self::IDLE {
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        let Some(id) = self.idle.pop_front() else { return };
        let Some(state) = self.lanes.get_mut(&id) else { return };
        state.is_idle = false;
        if !state.is_unused() {
            return;
        }
        self.set_expiring(id, None);
        let Some(state) = self.lanes.remove(&id) else { return };
        self.keys.leave(&state.lane.key);
        self.topics.leave(&state.lane.topic);
        self.by_name.remove(&(state.lane.key.clone(), state.lane.topic.clone()));
    }
}

impl LaneState {
    fn is_unused(&self) -> bool {
        self.records.is_empty() && self.scheduled == 0
    }

    fn note_order(&mut self, expiry: Option<Timestamp>) {
        // One that never expires is no lesser than any other; what comes after it may be.
        let later = |at: Option<Timestamp>| at.unwrap_or(Timestamp(i64::MAX));
        if !self.records.is_empty() && later(expiry) < later(self.last_expiry) {
            self.expires_in_order = false;
        }
        self.last_expiry = expiry;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lanes_are_forgotten_and_their_numbers_never_used_again() {
        let mut lanes = Lanes::default();
        let mut ids = BTreeSet::new();
        let count = 3 * Lanes::IDLE as u64;
        for seq in 1..=count {
            let key = Key::parse(&format!("k{seq}")).unwrap();
            let id = lanes.intern(key, format!("t{seq}").into());
            lanes.push(id, seq, Kept::sample());
            assert!(lanes.take(id, seq).is_some());
            ids.insert(id);
        }
        assert_eq!(ids.len() as u64, count);
        assert_eq!((lanes.lanes.len(), lanes.by_name.len()), (Lanes::IDLE, Lanes::IDLE));
        assert_eq!(lanes.expiring.len(), Lanes::IDLE);
        assert!(lanes.keys.find(&Key::parse("k1").unwrap()).is_none());
        assert!(lanes.ready.is_empty());
        let again = lanes.intern(Key::parse("k1").unwrap(), "t1".into());
        assert!(!ids.contains(&again));
    }
}
