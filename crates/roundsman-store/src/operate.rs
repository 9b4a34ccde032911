//! What a person does to messages by hand: takes one back, looks through the dead, replays and drops them.

use crate::{Answer, DeadReason, Key, Lane, LaneId, Pattern, Sighting, Timestamp};
use bytes::Bytes;
use std::sync::Arc;

/// What an operator may do to a store. Apart from the road of a message, and in steps: no call
/// holds up the road for longer than a few hundred messages do.
pub trait Operate: Send + Sync {
    /// Takes back one message: it is gone, and only its id, where the sender gave one, remembered.
    ///
    /// `place` is where it was seen last ([`Sighting::place`]), `None` outside of its lane. One
    /// that lies elsewhere by now is left alone, so that whoever keeps it from being dispatched
    /// there can be sure of it. A head that its lane was waiting for ([`Block::Until`](crate::Block::Until))
    /// releases the lane.
    fn take_back<'a>(&'a self, id: &'a str, place: Option<(LaneId, u64)>) -> Answer<'a, TakenBack>;

    /// One step through the dead letters, in the order of their [`DeadLetter::cursor`].
    fn dead(&self, sweep: Sweep) -> Answer<'_, DeadPage>;

    /// One step of sending dead letters again. Each keeps its id and the moment it was accepted,
    /// starts at attempt 1 with its expiry and its history cleared, and comes as new: behind
    /// everything accepted since. Bounds do not refuse it.
    fn replay(&self, sweep: Sweep) -> Answer<'_, Swept>;

    /// One step of removing dead letters for good; senders' ids are remembered for 24 hours more.
    fn drop_dead(&self, sweep: Sweep) -> Answer<'_, Swept>;
}

/// What became of a [`Operate::take_back`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenBack {
    /// It is gone.
    Done {
        /// The lane that waited for it and goes on now.
        released: Option<Arc<Lane>>,
    },
    /// It is not there, or no longer; nothing changed. Looking it up tells.
    Elsewhere,
}

/// Which dead letters: those that pass every filter that is given; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Those with these ids.
    pub ids: Option<Vec<Arc<str>>>,
    /// Those charged to this key, or to one below it.
    pub key: Option<Key>,
    /// Those on these topics.
    pub topic: Option<Pattern>,
    /// Those given up on for this reason.
    pub reason: Option<DeadReason>,
    /// Those given up on at this moment or later.
    pub since: Option<Timestamp>,
    /// Those given up on before this moment.
    pub until: Option<Timestamp>,
}

impl DeadFilter {
    /// Whether a letter passes, but for its id.
    #[must_use]
    pub fn matches(&self, lane: (&Key, &str), reason: DeadReason, died_at: Timestamp) -> bool {
        let (key, topic) = lane;
        self.key.as_ref().is_none_or(|wanted| key.is_within(wanted))
            && self.topic.as_ref().is_none_or(|pattern| pattern.matches(topic))
            && self.reason.is_none_or(|wanted| wanted == reason)
            && self.since.is_none_or(|since| died_at >= since)
            && self.until.is_none_or(|until| died_at < until)
    }
}

/// One step through the dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Which of them.
    pub filter: DeadFilter,
    /// Only those behind this cursor; 0 at the start.
    pub after: u64,
    /// At most so many that pass the filter, and at least one.
    pub limit: usize,
}

impl Sweep {
    /// At most so many letters are looked at in one step, whether they pass or not: a step may
    /// find none and still name where to go on.
    pub const LOOKED_AT: usize = 2048;
    /// No further letter once these payload bytes are reached in one step.
    pub const BYTES: usize = 4 << 20;
    /// At most so many letters are changed in one step, whatever is asked for.
    pub const CHANGED: usize = 500;
}

/// A page of dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadPage {
    /// In the order of their cursors.
    pub letters: Vec<DeadLetter>,
    /// Where to go on; `None` where there is nothing more to look at.
    pub next: Option<u64>,
}

/// A message that was given up on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place among the dead letters, for [`Sweep::after`]: the sequence it had last.
    pub cursor: u64,
    /// Everything that is known of it; its [`settled_at`](Sighting::settled_at) is when it was given up on.
    pub sighting: Sighting,
    /// Its payload.
    pub payload: Bytes,
}

/// What one step of [`Operate::replay`] or [`Operate::drop_dead`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// The letters, each by its id with the lane that it lies in now, or lay in.
    pub done: Vec<(Arc<str>, Arc<Lane>)>,
    /// The lanes among them that have something to do now.
    pub lanes: Vec<Arc<Lane>>,
    /// Where to go on; `None` where there is nothing more to look at.
    pub next: Option<u64>,
}
