//! The whole state as a row of plain parts, and the state from them again.
//!
//! What comes out is the same state to every verb, down to which lane is forgotten next and which
//! one is looked at first for something expired: a store that performs the rest of its journal on
//! it comes to where it was.

use super::ids::{Gone, Spot};
use super::kept::{Kept, Past};
use super::state::{DeadLetter, Scheduled, State};
use crate::{
    Attempt, Block, ClaimId, DeadReason, Fingerprint, History, IdSalt, Lane, LaneId, State as Seen,
    Timestamp,
};
use bytes::Bytes;
use std::sync::Arc;

/// One part of a state, in the order in which [`MemoryState::restore`](State::restore) wants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// What made ids begin with, and the numbers given last: of a record, a lane, a claim.
    Head(IdSalt, (u64, u64, ClaimId)),
    /// A lane that is known. All of them come before the messages.
    Lane(Arc<Lane>),
    /// A message. Those of a lane come in order.
    Message(Box<SavedMessage>),
    /// An id whose message is gone, in the order of settling.
    Gone(Box<SavedGone>),
    /// What else is known of a lane, behind the messages.
    Rest(SavedLane),
    /// A lane that ran empty, in the order in which they are forgotten.
    Idle(LaneId),
}

/// A message with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedMessage {
    /// The lane that it lies in or belongs to.
    pub lane: Arc<Lane>,
    /// Its sequence there.
    pub seq: u64,
    /// Where it lies.
    pub place: SavedPlace,
    /// The sender's id, where there is one.
    pub id: Option<(Arc<str>, Fingerprint)>,
    /// Its event's name.
    pub event: Arc<str>,
    /// Its payload.
    pub payload: Bytes,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// What happened to it.
    pub past: Option<Box<SavedPast>>,
    /// The highest attempt that was claimed, and whether to go alone.
    pub claimed: (u32, bool),
}

/// Where a message lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedPlace {
    /// In its lane.
    Lane,
    /// In the schedule, until this moment.
    Schedule(Timestamp),
    /// Among the dead, for this reason, since this moment.
    Dead(DeadReason, Timestamp),
}

/// What happened to a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedPast {
    /// The first place of a message that was moved, which its made id names.
    pub made: Option<(LaneId, u64)>,
    /// What was tried, in numbers.
    pub history: History,
    /// What failed, in words.
    pub log: Vec<Attempt>,
}

/// What is remembered of a message that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedGone {
    /// The sender's id.
    pub id: (Arc<str>, Fingerprint),
    /// Its lane.
    pub lane: Arc<Lane>,
    /// How it ended; `None` where it is not to be found.
    pub state: Option<Seen>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it would have expired.
    pub expires_at: Option<Timestamp>,
    /// When it was settled.
    pub settled_at: Timestamp,
    /// How many attempts it took.
    pub attempts: u32,
    /// What happened to it.
    pub past: Option<Box<SavedPast>>,
}

/// What is known of a lane beside its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedLane {
    /// Which.
    pub id: LaneId,
    /// Why it waits.
    pub block: Option<Block>,
    /// When to look for something expired in it.
    pub expiring_at: Option<Timestamp>,
    /// The newest expiry that came in.
    pub last_expiry: Option<Timestamp>,
    /// Whether expiries ascend from the head.
    pub expires_in_order: bool,
}

impl State {
    /// Hands out every part, in order.
    pub fn save(&self, mut give: impl FnMut(Saved)) {
        give(Saved::Head(self.salt, self.numbers()));
        let lanes = self.lanes.all();
        for state in &lanes {
            give(Saved::Lane(state.lane.clone()));
        }
        for state in &lanes {
            for (seq, kept) in state.records.after(0) {
                give(self.save_message(kept, &state.lane, seq, SavedPlace::Lane));
            }
        }
        for ((due, seq), waiting) in &self.schedule {
            let place = SavedPlace::Schedule(*due);
            give(self.save_message(&waiting.kept, &waiting.lane, *seq, place));
        }
        for (seq, letter) in &self.dead {
            let place = SavedPlace::Dead(letter.reason, letter.died_at);
            give(self.save_message(&letter.kept, &letter.lane, *seq, place));
        }
        for (id, fingerprint, gone) in self.ids.gone() {
            give(save_gone((id.clone(), fingerprint), gone));
        }
        for state in &lanes {
            give(Saved::Rest(SavedLane {
                id: state.lane.id,
                block: state.block,
                expiring_at: state.expiring_at,
                last_expiry: state.last_expiry,
                expires_in_order: state.expires_in_order,
            }));
        }
        self.lanes.idle().for_each(|id| give(Saved::Idle(id)));
    }

    /// Puts one part into its place, in a state that was new.
    pub fn restore(&mut self, part: Saved) {
        match part {
            Saved::Head(salt, numbers) => {
                self.salt = salt;
                self.skip_to(numbers);
            }
            Saved::Lane(lane) => self.lanes.restore(&lane),
            Saved::Message(message) => self.restore_message(*message),
            Saved::Gone(gone) => self.restore_gone(*gone),
            Saved::Rest(rest) => {
                let order = (rest.last_expiry, rest.expires_in_order);
                self.lanes.restore_rest(rest.id, rest.block, rest.expiring_at, order);
            }
            Saved::Idle(id) => self.lanes.restore_idle(id),
        }
    }

    /// Shows every payload that is kept, to be replaced by what means the same.
    pub fn payloads(&mut self, mut show: impl FnMut(&mut Bytes)) {
        self.lanes.each_mut(|kept| show(&mut kept.payload));
        self.schedule.values_mut().for_each(|waiting| show(&mut waiting.kept.payload));
        self.dead.values_mut().for_each(|letter| show(&mut letter.kept.payload));
    }

    fn save_message(&self, kept: &Kept, lane: &Arc<Lane>, seq: u64, place: SavedPlace) -> Saved {
        let fingerprint = |id: &Arc<str>| Some((id.clone(), self.ids.find(id)?.fingerprint));
        Saved::Message(Box::new(SavedMessage {
            lane: lane.clone(),
            seq,
            place,
            id: kept.given.as_ref().and_then(fingerprint),
            event: kept.event.clone(),
            payload: kept.payload.clone(),
            accepted_at: kept.accepted_at,
            expires_at: kept.expires_at,
            past: kept.past.as_deref().map(save_past),
            claimed: (kept.claimed, kept.alone),
        }))
    }

    fn restore_message(&mut self, message: SavedMessage) {
        let SavedMessage { lane, seq, place, id, event, payload, .. } = message;
        let (given, fingerprint) = id.unzip();
        let past = message.past.map(|past| Box::new(restore_past(*past)));
        let made = past.as_ref().and_then(|past| past.made);
        let (claimed, alone) = message.claimed;
        let (accepted_at, expires_at) = (message.accepted_at, message.expires_at);
        let kept = Kept {
            given: given.clone(),
            event,
            payload,
            accepted_at,
            expires_at,
            past,
            claimed,
            alone,
        };
        let spot = match place {
            SavedPlace::Lane => Spot::Lane(lane.id, seq),
            SavedPlace::Schedule(due) => Spot::Schedule(due, seq),
            SavedPlace::Dead(..) => Spot::Dead(seq),
        };
        if let (Some(id), Some(fingerprint)) = (given, fingerprint) {
            self.ids.insert(id, fingerprint, spot);
        } else if let Some(made) = made {
            self.ids.relocate(None, made, spot);
        }
        match place {
            SavedPlace::Lane => self.lanes.push(lane.id, seq, kept),
            SavedPlace::Schedule(due) => {
                self.lanes.enter_schedule(lane.id);
                self.schedule.insert((due, seq), Scheduled { kept, lane: lane.clone() });
            }
            SavedPlace::Dead(reason, died_at) => {
                self.dead.insert(seq, DeadLetter { kept, lane, reason, died_at });
                return;
            }
        }
        self.count(lane.id);
    }

    fn restore_gone(&mut self, gone: SavedGone) {
        let (id, fingerprint) = gone.id;
        let fate = Gone {
            lane: gone.lane,
            state: gone.state,
            accepted_at: gone.accepted_at,
            expires_at: gone.expires_at,
            settled_at: gone.settled_at,
            attempts: gone.attempts,
            past: gone.past.map(|past| Box::new(restore_past(*past))),
        };
        self.ids.restore_gone(id, fingerprint, fate);
    }
}

fn save_past(past: &Past) -> Box<SavedPast> {
    let Past { made, history, log } = past.clone();
    Box::new(SavedPast { made, history, log })
}

fn restore_past(past: SavedPast) -> Past {
    let SavedPast { made, history, log } = past;
    Past { made, history, log }
}

fn save_gone(id: (Arc<str>, Fingerprint), gone: &Gone) -> Saved {
    Saved::Gone(Box::new(SavedGone {
        id,
        lane: gone.lane.clone(),
        state: gone.state,
        accepted_at: gone.accepted_at,
        expires_at: gone.expires_at,
        settled_at: gone.settled_at,
        attempts: gone.attempts,
        past: gone.past.as_deref().map(save_past),
    }))
}
