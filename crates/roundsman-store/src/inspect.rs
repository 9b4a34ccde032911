//! Looking into a store: one message, and how many there are.

use crate::{Answer, DeadReason, Failure, History, IdSalt, Key, LaneId, Timestamp};
use std::sync::Arc;

/// What a store lets one see. Apart from the road of a message, and slower.
pub trait Inspect: Send + Sync {
    /// One message by its id, also one that is settled while its id is remembered, or dead. One
    /// that was taken back or dropped from the dead letters is not found.
    fn find<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Sighting>>;

    /// How many there are of each kind. Costs the same however many there are.
    fn counts(&self) -> Answer<'_, Counts>;

    /// How many there are of one key.
    fn key_counts<'a>(&'a self, key: &'a Key) -> Answer<'a, KeyCounts>;

    /// What the ids that this store makes begin with.
    fn salt(&self) -> IdSalt;
}

/// How many messages there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accepted and not yet settled: ready, in flight, held, scheduled and retrying together.
    pub backlog: u64,
    /// Of them, those whose `deliver_at` or next attempt is to come, out of their lanes.
    pub scheduled: u64,
    /// Of them, those in lanes where nobody is there.
    pub held: u64,
    /// Given up on and kept.
    pub dead: u64,
    /// Senders' ids remembered.
    pub ids: u64,
}

/// How many messages there are of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCounts {
    /// Accepted and not yet settled.
    pub backlog: u64,
    /// Of them, those in lanes where nobody is there.
    pub held: u64,
}

/// One message, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Its id.
    pub id: Arc<str>,
    /// What has become of it, as far as the store knows: it says [`State::Ready`] of one that is
    /// in flight, since claims live in their owner's memory.
    pub state: State,
    /// Its topic.
    pub topic: Arc<str>,
    /// Whom it is charged to.
    pub key: Key,
    /// Its event's name; empty once it is settled.
    pub event: Arc<str>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it is due, while [`State::Scheduled`] or [`State::Retrying`].
    pub due_at: Option<Timestamp>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it was settled, where it is.
    pub settled_at: Option<Timestamp>,
    /// What was tried so far.
    pub history: History,
    /// Why each attempt failed, oldest first; at most the last 20.
    pub attempts: Vec<Attempt>,
    /// Why it was given up on, where it was.
    pub reason: Option<DeadReason>,
    /// Its lane and sequence, while it is kept in one.
    pub place: Option<(LaneId, u64)>,
}

/// One failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, counted from 1.
    pub number: u32,
    /// When the failure was found out.
    pub at: Timestamp,
    /// What went wrong.
    pub what: Arc<str>,
    /// The status that the target answered with, where it did.
    pub status: Option<u16>,
    /// What it answered; at most [`Failure::ANSWER`] bytes.
    pub answer: Option<Arc<str>>,
}

impl Attempt {
    /// Attempt `number`, which failed so.
    #[must_use]
    pub fn failed(number: u32, failure: Failure) -> Self {
        let Failure { at, what, status, answer } = failure;
        Self { number, at, what, status, answer }
    }
}

/// The states of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Its `deliver_at` is to come.
    Scheduled,
    /// Waiting for its turn.
    Ready,
    /// Waiting for someone to join.
    Held,
    /// Handed out, not settled.
    InFlight,
    /// Waiting for its next attempt.
    Retrying,
    /// The target took it.
    Delivered,
    /// Given up on, kept.
    Dead,
    /// Too old.
    Expired,
}

impl State {
    /// The word for it, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Held => "held",
            Self::InFlight => "in_flight",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Expired => "expired",
        }
    }
}
