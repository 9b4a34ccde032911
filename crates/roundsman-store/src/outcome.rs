//! Outcomes: what became of one attempt, and the store's answer to each.

use crate::{LaneId, Timestamp};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// The number of one claimed batch, within one opening of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId(pub u64);

/// One outcome, on its way to the store.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Which message.
    pub which: Which,
    /// The claim under which it was in flight, if it was.
    pub claim: Option<ClaimId>,
    /// What became of it.
    pub outcome: Outcome,
}

/// How a settlement names its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// By its place, with the attempt that is being settled. An older attempt than the record's
    /// own is stale and changes nothing.
    At {
        /// The lane.
        lane: LaneId,
        /// The sequence.
        seq: u64,
        /// The attempt, counted from 1.
        attempt: u32,
    },
    /// By its id, as a client acknowledges it, whatever the attempt: only if it is on this topic,
    /// and has been out. What was never handed to anybody is nobody's to acknowledge.
    Id {
        /// The id as the client wrote it.
        id: Arc<str>,
        /// The topic it must be on.
        topic: Arc<str>,
    },
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target took it: it is gone, and its id, where the sender gave one, remembered.
    Delivered,
    /// It is written and waits for an acknowledgement: kept, the attempt remembered, and no
    /// longer cut off by the end of the process.
    Sent,
    /// Handed back without fault: kept in its place, ready, the attempt used up, no failure counted.
    Released,
    /// It failed and is tried again.
    Retry {
        /// Not before this moment.
        at: Timestamp,
        /// Whether it keeps its place in the lane or leaves it.
        place: Place,
        /// What went wrong.
        failure: Failure,
        /// What lookups made of the payload: kept in its place from now on, so that every further
        /// attempt sends the same bytes.
        payload: Option<Bytes>,
    },
    /// Given up on: kept among the dead letters.
    Dead {
        /// Why.
        reason: DeadReason,
        /// What went wrong last, where something did.
        failure: Option<Failure>,
    },
    /// Too old: gone, counted.
    Expired,
    /// Nobody was there and the rule says not to hold: gone, counted.
    Dropped,
}

/// Where a message waits for its next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At its place: the lane is blocked until then ([`Block::Until`](crate::Block::Until)),
    /// unless the moment has come already.
    Keep,
    /// Out of the lane, which goes on; when due it comes back behind what was accepted since.
    Leave,
}

/// What went wrong with one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When it was found out.
    pub at: Timestamp,
    /// In words, for the person who looks the message up.
    pub what: Arc<str>,
    /// The status that the target answered with, where it did.
    pub status: Option<u16>,
    /// What it answered, the first [`Failure::ANSWER`] bytes of it.
    pub answer: Option<Arc<str>>,
}

impl Failure {
    /// At most so many bytes of an answer are kept, and of the words for what went wrong.
    pub const ANSWER: usize = 1024;

    /// A failure in words, without an answer.
    #[must_use]
    pub fn new(at: Timestamp, what: impl Into<Arc<str>>) -> Self {
        Self { at, what: what.into(), status: None, answer: None }
    }

    /// The same with what the target answered: cut to [`Failure::ANSWER`] bytes, and whatever is
    /// no UTF-8 in it replaced.
    ///
    /// ```
    /// use roundsman_store::{Failure, Timestamp};
    ///
    /// let failure = Failure::new(Timestamp(0), "it answered 500").answered(500, b"out of order");
    /// assert_eq!((failure.status, failure.answer.as_deref()), (Some(500), Some("out of order")));
    /// ```
    #[must_use]
    pub fn answered(self, status: u16, body: &[u8]) -> Self {
        let body = &body[..body.len().min(Self::ANSWER)];
        let words = String::from_utf8_lossy(body);
        // A replacement is longer than what it replaces.
        let words = &words[..words.floor_char_boundary(Self::ANSWER)];
        let answer = (!words.is_empty()).then(|| words.into());
        Self { status: Some(status), answer, ..self }
    }
}

/// Why a message was given up on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadReason {
    /// As many failed attempts as the configuration allows.
    Attempts,
    /// Too long since the first attempt.
    Age,
    /// The process ended twice more while this message was alone in flight.
    Crash,
    /// The target refused it for good.
    Refused,
    /// What it should have been augmented with was missing, and the rule says dead.
    Augment,
    /// The target says that it is gone for good.
    Gone,
}

impl DeadReason {
    /// Every reason there is.
    pub const ALL: [Self; 6] =
        [Self::Attempts, Self::Age, Self::Crash, Self::Refused, Self::Augment, Self::Gone];

    /// The word for it, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Age => "age",
            Self::Crash => "crash",
            Self::Refused => "refused",
            Self::Augment => "augment",
            Self::Gone => "gone",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The store's answer to one settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Written down; where the message is, or was until now.
    Done {
        /// Its lane.
        lane: LaneId,
        /// Its sequence there.
        seq: u64,
        /// Since when it had been accepted.
        accepted_at: Timestamp,
    },
    /// A newer attempt is under way, or the message belongs to another node by now; nothing changed.
    Stale,
    /// There is no such message any more (or not on that topic); nothing changed.
    Unknown,
}
