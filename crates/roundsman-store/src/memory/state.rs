//! Everything the memory store holds, and the steps that several verbs share.
//!
//! Plain data that changes by its verbs alone: the same verbs with the same moments make the same
//! state, whoever calls them. A store that keeps its verbs in a journal relies on that.

use super::ids::{Fate, Gone, Ids, Spot};
use super::kept::{Kept, Past};
use super::lanes::Lanes;
use crate::{DeadReason, IdSalt, Lane, LaneId, MessageId, State as Seen, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Messages in memory without a lock, a clock or hints: what the memory store is made of, and
/// whatever store writes down its verbs and performs them again.
#[derive(Debug)]
pub struct State {
    pub(super) lanes: Lanes,
    /// Records that are due later, with the sequences they had in their lanes.
    pub(super) schedule: BTreeMap<(Timestamp, u64), Scheduled>,
    pub(super) ids: Ids,
    /// Dead letters, by the sequences they had last.
    pub(super) dead: BTreeMap<u64, DeadLetter>,
    /// Accepted and not yet settled.
    pub(super) backlog: u64,
    pub(super) last_seq: u64,
    pub(super) last_claim: u64,
    pub(super) salt: IdSalt,
    pub(super) is_closed: bool,
}

#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) kept: Kept,
    pub(super) lane: Arc<Lane>,
}

#[derive(Debug)]
pub(super) struct DeadLetter {
    pub(super) kept: Kept,
    pub(super) lane: Arc<Lane>,
    pub(super) reason: DeadReason,
    pub(super) died_at: Timestamp,
}

/// A message that was taken out of the place it lay in.
pub(super) struct Taken {
    pub(super) kept: Kept,
    pub(super) lane: Arc<Lane>,
    pub(super) seq: u64,
}

impl State {
    /// Without any message; made ids begin with `salt`.
    #[must_use]
    pub fn new(salt: IdSalt) -> Self {
        Self {
            lanes: Lanes::default(),
            schedule: BTreeMap::new(),
            ids: Ids::default(),
            dead: BTreeMap::new(),
            backlog: 0,
            last_seq: 0,
            last_claim: 0,
            salt,
            is_closed: false,
        }
    }

    pub(super) fn next_seq(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
    }

    /// Where the message of this id lies, if it is kept.
    pub(super) fn spot(&self, id: &str) -> Option<Spot> {
        match MessageId::parse(id, self.salt) {
            MessageId::Given(id) => match self.ids.find(&id)?.fate {
                Fate::Kept(spot) => Some(spot),
                Fate::Gone(_) => None,
            },
            MessageId::Made { lane, seq, .. } => self.ids.find_moved((lane, seq)).or_else(|| {
                // A place says nothing of who lies there: one with another id may have moved in.
                let kept = self.lanes.find(lane)?.records.find(seq)?;
                let is_it = kept.given.is_none() && kept.first_place(lane, seq) == (lane, seq);
                is_it.then_some(Spot::Lane(lane, seq))
            }),
        }
    }

    /// The message at a spot, with its lane.
    pub(super) fn look(&self, spot: Spot) -> Option<(&Kept, &Arc<Lane>)> {
        match spot {
            Spot::Lane(lane, seq) => {
                let state = self.lanes.find(lane)?;
                Some((state.records.find(seq)?, &state.lane))
            }
            Spot::Schedule(due, seq) => {
                self.schedule.get(&(due, seq)).map(|waiting| (&waiting.kept, &waiting.lane))
            }
            Spot::Dead(seq) => self.dead.get(&seq).map(|letter| (&letter.kept, &letter.lane)),
        }
    }

    /// The message at a spot that is not dead, to be written on.
    pub(super) fn look_mut(&mut self, spot: Spot) -> Option<&mut Kept> {
        match spot {
            Spot::Lane(lane, seq) => self.lanes.find_mut(lane)?.records.find_mut(seq),
            Spot::Schedule(due, seq) => {
                self.schedule.get_mut(&(due, seq)).map(|waiting| &mut waiting.kept)
            }
            Spot::Dead(_) => None,
        }
    }

    /// Takes a message that is not dead out of its spot; the backlog still counts it.
    pub(super) fn take(&mut self, spot: Spot) -> Option<Taken> {
        match spot {
            Spot::Lane(id, seq) => {
                let kept = self.lanes.take(id, seq)?;
                let lane = self.lanes.find(id)?.lane.clone();
                Some(Taken { kept, lane, seq })
            }
            Spot::Schedule(due, seq) => {
                let Scheduled { kept, lane } = self.schedule.remove(&(due, seq))?;
                self.lanes.leave_schedule(lane.id);
                Some(Taken { kept, lane, seq })
            }
            Spot::Dead(_) => None,
        }
    }

    /// Puts a message into the schedule; its id leads there from now on.
    pub(super) fn put_off(&mut self, mut taken: Taken, due: Timestamp) {
        let (lane, seq) = (taken.lane.id, taken.seq);
        taken.kept.remember_place(lane, seq);
        self.relocate(&taken.kept, lane, seq, Spot::Schedule(due, seq));
        self.lanes.enter_schedule(lane);
        self.schedule.insert((due, seq), Scheduled { kept: taken.kept, lane: taken.lane });
    }

    /// Lets the id of a message that lies or lay at (`lane`, `seq`) lead to `spot`.
    pub(super) fn relocate(&mut self, kept: &Kept, lane: LaneId, seq: u64, spot: Spot) {
        self.ids.relocate(kept.given.as_ref(), kept.first_place(lane, seq), spot);
    }

    /// The backlog counts one message less of this lane's key.
    pub(super) fn uncount(&mut self, lane: LaneId) {
        self.backlog -= 1;
        if let Some(key) = self.lanes.find(lane).map(|state| state.key) {
            self.lanes.keys[key].backlog -= 1;
        }
    }

    /// The backlog counts one message more of this lane's key.
    pub(super) fn count(&mut self, lane: LaneId) {
        self.backlog += 1;
        if let Some(key) = self.lanes.find(lane).map(|state| state.key) {
            self.lanes.keys[key].backlog += 1;
        }
    }

    /// Ends a message for good, delivered or not: only its id, where the sender gave one, stays.
    /// Without a state it is not to be found by that either.
    pub(super) fn finish(
        &mut self,
        taken: Taken,
        attempts: u32,
        state: Option<Seen>,
        now: Timestamp,
    ) {
        self.uncount(taken.lane.id);
        self.remember(taken, attempts, state, now);
    }

    /// Remembers the id of a message that is no longer kept, where the sender gave one.
    pub(super) fn remember(
        &mut self,
        taken: Taken,
        attempts: u32,
        state: Option<Seen>,
        now: Timestamp,
    ) {
        let Taken { kept, lane, seq } = taken;
        let first = kept.first_place(lane.id, seq);
        let (accepted_at, expires_at) = (kept.accepted_at, kept.expires_at);
        let past: Option<Box<Past>> = kept.past;
        self.ids.settle(kept.given, first, || Gone {
            lane,
            state,
            accepted_at,
            expires_at,
            settled_at: now,
            attempts,
            past,
        });
    }
}
