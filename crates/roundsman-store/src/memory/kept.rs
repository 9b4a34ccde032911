//! One message as the memory store keeps it: a record without what its place already says.

use crate::{Attempt, Failure, History, IdSalt, Lane, LaneId, MessageId, Record, Timestamp};
use bytes::Bytes;
use std::sync::Arc;

/// A message. Its lane and sequence are those of the place that it lies in.
#[derive(Debug)]
pub(super) struct Kept {
    /// The sender's id; `None`: the store made one.
    pub(super) given: Option<Arc<str>>,
    pub(super) event: Arc<str>,
    pub(super) payload: Bytes,
    pub(super) accepted_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    /// What most messages never have, out of the way of the others.
    pub(super) past: Option<Box<Past>>,
    /// The highest attempt that was claimed; under way while it is above the concluded ones.
    pub(super) claimed: u32,
    /// It was claimed to go alone.
    pub(super) alone: bool,
}

/// What happened to a message that did not simply pass through.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    /// The first place of a message that was moved, which its made id still names.
    pub(super) made: Option<(LaneId, u64)>,
    pub(super) history: History,
    /// Failed attempts, oldest first, at most [`Past::REMEMBERED`].
    pub(super) log: Vec<Attempt>,
}

impl Past {
    /// How many failed attempts of one message are remembered in words.
    const REMEMBERED: usize = 20;
}

impl Kept {
    pub(super) fn history(&self) -> History {
        self.past.as_ref().map(|past| past.history.clone()).unwrap_or_default()
    }

    pub(super) fn attempts(&self) -> u32 {
        self.past.as_ref().map_or(0, |past| past.history.attempts)
    }

    /// Whether an attempt has begun that nobody has concluded yet.
    pub(super) fn is_under_way(&self) -> bool {
        self.claimed > self.attempts()
    }

    /// Where a message that lies at (`lane`, `seq`) was put when it was accepted.
    pub(super) fn first_place(&self, lane: LaneId, seq: u64) -> (LaneId, u64) {
        self.past.as_ref().and_then(|past| past.made).unwrap_or((lane, seq))
    }

    /// Remembers the first place that a made id names, before it is put into another.
    pub(super) fn remember_place(&mut self, lane: LaneId, seq: u64) {
        if self.given.is_some() {
            return;
        }
        let past = self.past.get_or_insert_default();
        past.made.get_or_insert((lane, seq));
    }

    /// Writes down that `attempt` is over, or sent.
    pub(super) fn conclude(&mut self, attempt: u32, now: Timestamp) {
        let history = &mut self.past.get_or_insert_default().history;
        history.attempts = history.attempts.max(attempt);
        history.first_attempt_at.get_or_insert(now);
    }

    /// Writes down that `attempt` is over and failed, which was before it is written down.
    pub(super) fn fail(&mut self, attempt: u32, failure: Failure, now: Timestamp) {
        self.conclude(attempt, failure.at.min(now));
        let past = self.past.get_or_insert_default();
        past.history.failures = past.history.failures.saturating_add(1);
        if past.log.len() == Past::REMEMBERED {
            past.log.remove(0);
        }
        past.log.push(Attempt::failed(attempt, failure));
    }

    /// Writes down that the end of the process cut off the attempt under way.
    pub(super) fn cut(&mut self, now: Timestamp) {
        self.conclude(self.claimed, now);
        let history = &mut self.past.get_or_insert_default().history;
        history.cuts = history.cuts.saturating_add(1);
        if self.alone {
            history.cuts_alone = history.cuts_alone.saturating_add(1);
        }
    }

    /// Keeps what lookups made of the payload.
    pub(super) fn augment(&mut self, payload: Bytes) {
        self.payload = payload;
        self.past.get_or_insert_default().history.augmented = true;
    }

    /// Forgets what was tried and when it expires, as if it were new.
    pub(super) fn begin_anew(&mut self) {
        (self.expires_at, self.claimed, self.alone) = (None, 0, false);
        let made = self.past.take().and_then(|past| past.made);
        self.past = made.map(|_| Box::new(Past { made, ..Past::default() }));
    }

    pub(super) fn id(&self, lane: LaneId, seq: u64, salt: IdSalt) -> MessageId {
        match &self.given {
            Some(id) => MessageId::Given(id.clone()),
            None => {
                let (lane, seq) = self.first_place(lane, seq);
                MessageId::Made { salt, lane, seq }
            }
        }
    }

    /// The record, as the owner of the lane sees it.
    pub(super) fn record(&self, lane: &Arc<Lane>, seq: u64, salt: IdSalt) -> Record {
        let tried = self.past.as_ref().filter(|past| past.history != History::default());
        Record {
            lane: lane.clone(),
            seq,
            id: self.id(lane.id, seq, salt),
            event: self.event.clone(),
            payload: self.payload.clone(),
            accepted_at: self.accepted_at,
            expires_at: self.expires_at,
            history: tried.map(|past| Box::new(past.history.clone())),
        }
    }
}

#[cfg(test)]
impl Kept {
    /// Any message, that expires early.
    pub(super) fn sample() -> Self {
        Self {
            given: None,
            event: "message".into(),
            payload: Bytes::new(),
            accepted_at: Timestamp(0),
            expires_at: Some(Timestamp(9)),
            past: None,
            claimed: 0,
            alone: false,
        }
    }
}
