//! What calls have changed and a transaction has to write.
//!
//! Each message is in here at most once, so that the order of statements does not matter for it;
//! a call that would touch one again has the changes written first.

use super::kept::Kept;
use super::wants::Spot;
use crate::fate::Fate;
use bytes::Bytes;
use roundsman_store::{Block, Counts, DeadReason, Fingerprint, Key, Lane, LaneId, Timestamp};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Accepted.
    pub(crate) new: Vec<NewMessage>,
    /// No longer kept.
    pub(crate) gone: Vec<Gone>,
    /// Tried, and where they were.
    pub(crate) tried: Vec<Tried>,
    /// Out of their lanes until a moment.
    pub(crate) put_off: Vec<PutOff>,
    /// Back in their lanes, behind all others.
    pub(crate) back: Vec<Back>,
    /// To the dead letters. They are among those gone, too.
    pub(crate) buried: Vec<Buried>,
    /// Out of the dead letters, into their lanes again as if they were new.
    pub(crate) replayed: Vec<Replayed>,
    /// Dead letters, by their sequence, that are gone.
    pub(crate) dead_gone: Vec<u64>,
    pub(crate) ids_forgotten: Vec<Arc<str>>,
    pub(crate) ids_new: Vec<NewId>,
    pub(crate) ids_moved: Vec<NewId>,
    pub(crate) ids_settled: Vec<SettledId>,
    pub(crate) lanes_gone: Vec<LaneId>,
    pub(crate) lanes_new: Vec<LaneChange>,
    pub(crate) lanes: Vec<LaneChange>,
    pub(crate) accounts: Vec<(Key, u64, u64)>,
    pub(crate) accounts_gone: Vec<Key>,
    pub(crate) claims: Vec<(u64, bool, Vec<u8>)>,
    pub(crate) claims_gone: Vec<u64>,
    /// Rows of the outbox that are accepted, and those that cannot be, with why not.
    pub(crate) outbox_taken: Vec<u64>,
    pub(crate) outbox_marked: Vec<(u64, String)>,
    /// Rows of what was handed in that are accepted or refused, and what their nodes are told.
    pub(crate) handed_gone: Vec<u64>,
    pub(crate) answers: Vec<Answer>,
    /// Numbers up to these are used, or may be.
    pub(crate) numbers: Option<(u64, u64)>,
    /// Everything that may be written late has been: the totals.
    pub(crate) exact: Option<Counts>,
}

/// What a node is told of what it handed in.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) node: u64,
    pub(crate) ticket: u64,
    pub(crate) answer: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct NewMessage {
    pub(crate) kept: Kept,
    pub(crate) event: Arc<str>,
    pub(crate) payload: Bytes,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) spot: Spot,
    pub(crate) is_later: bool,
    /// When its sender let it expire.
    pub(crate) named: Option<Timestamp>,
}

#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) spot: Spot,
    pub(crate) is_later: bool,
    pub(crate) past: Vec<u8>,
    /// What lookups made of the payload.
    pub(crate) payload: Option<Bytes>,
}

#[derive(Debug)]
pub(crate) struct PutOff {
    pub(crate) spot: Spot,
    /// It waits outside already.
    pub(crate) is_later: bool,
    pub(crate) due: Timestamp,
    pub(crate) past: Vec<u8>,
    pub(crate) payload: Option<Bytes>,
    pub(crate) named: Option<Timestamp>,
}

#[derive(Debug)]
pub(crate) struct Back {
    pub(crate) spot: Spot,
    pub(crate) seq: u64,
    pub(crate) id: Arc<str>,
    pub(crate) named: Option<Timestamp>,
}

#[derive(Debug)]
pub(crate) struct Buried {
    pub(crate) spot: Spot,
    pub(crate) is_later: bool,
    pub(crate) lane: Arc<Lane>,
    pub(crate) past: Vec<u8>,
    pub(crate) reason: DeadReason,
    pub(crate) at: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) dead: u64,
    pub(crate) spot: Spot,
    pub(crate) id: Arc<str>,
}

#[derive(Debug)]
pub(crate) struct NewId {
    pub(crate) id: Arc<str>,
    /// `None`: made here.
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) spot: Spot,
    pub(crate) key: Key,
    pub(crate) topic: Arc<str>,
    pub(crate) accepted: Timestamp,
    pub(crate) expires: Option<Timestamp>,
}

#[derive(Debug)]
pub(crate) struct SettledId {
    pub(crate) id: Arc<str>,
    pub(crate) fate: Fate,
    pub(crate) at: Timestamp,
    pub(crate) past: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(crate) struct LaneChange {
    pub(crate) lane: Arc<Lane>,
    pub(crate) ready: u64,
    pub(crate) later: u64,
    pub(crate) block: Option<Block>,
    pub(crate) turn: bool,
}

impl Changes {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            new,
            gone,
            tried,
            put_off,
            back,
            buried: _,
            replayed,
            dead_gone,
            ids_forgotten,
            ids_new,
            ids_moved: _,
            ids_settled,
            lanes_gone,
            lanes_new,
            lanes,
            accounts,
            accounts_gone,
            claims,
            claims_gone,
            outbox_taken,
            outbox_marked,
            handed_gone,
            answers: _,
            numbers,
            exact,
        } = self;
        new.is_empty()
            && gone.is_empty()
            && tried.is_empty()
            && put_off.is_empty()
            && back.is_empty()
            && replayed.is_empty()
            && dead_gone.is_empty()
            && ids_forgotten.is_empty()
            && ids_new.is_empty()
            && ids_settled.is_empty()
            && lanes_gone.is_empty()
            && lanes_new.is_empty()
            && lanes.is_empty()
            && accounts.is_empty()
            && accounts_gone.is_empty()
            && claims.is_empty()
            && claims_gone.is_empty()
            && outbox_taken.is_empty()
            && outbox_marked.is_empty()
            && handed_gone.is_empty()
            && numbers.is_none()
            && exact.is_none()
    }
}
