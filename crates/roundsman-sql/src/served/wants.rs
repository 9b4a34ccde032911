//! What calls need to know that is not in memory yet, and what was found of it.

use super::handed::HandedRow;
use super::kept::Kept;
use crate::fate::Fate;
use crate::letter::Letter;
use roundsman_store::{Block, Endpoint, Fingerprint, Key, Lane, LaneId, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// Where a message is, or was: nothing else names it in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Spot {
    pub(crate) lane: LaneId,
    pub(crate) seq: u64,
}

/// What has to be loaded before the calls that asked for it can go on. All in one round trip.
#[derive(Debug, Default)]
pub(crate) struct Wants {
    /// Lanes by name.
    pub(crate) names: Vec<(Key, Arc<str>)>,
    /// Lanes by number.
    pub(crate) lanes: Vec<LaneId>,
    /// The lanes of these topics with what is in each.
    pub(crate) topics: Vec<Arc<str>>,
    /// The lanes that wait for these.
    pub(crate) waiting: Vec<Waiting>,
    /// The oldest message of each of these lanes.
    pub(crate) heads: Vec<LaneId>,
    /// A step through the dead letters.
    pub(crate) dead: Option<DeadAsk>,
    /// The accounts of keys.
    pub(crate) keys: Vec<Key>,
    /// What is known of ids.
    pub(crate) ids: Vec<Arc<str>>,
    /// Messages, in their lanes or out of them.
    pub(crate) messages: Vec<Spot>,
    /// The next lanes that have their turn: behind which, and how many.
    pub(crate) walk: Option<WalkAsk>,
    /// What is due.
    pub(crate) due: Option<DueAsk>,
    /// When the next will be.
    pub(crate) next: bool,
    /// So many rows of what was handed in.
    pub(crate) handed: Option<usize>,
    /// Whether these rows of the outbox are still there.
    pub(crate) outbox: Vec<u64>,
}

/// What lanes may wait for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Waiting {
    /// Someone to join this topic.
    Topic(Arc<str>),
    /// This endpoint, which is parked.
    Endpoint(Endpoint),
    /// Any endpoint that is parked.
    Endpoints,
}

impl Waiting {
    /// Whether a lane waits for this.
    pub(crate) fn is(&self, topic: &str, block: Option<Block>) -> bool {
        match (self, block) {
            (Self::Topic(wanted), Some(Block::Absent)) => **wanted == *topic,
            (Self::Endpoint(wanted), Some(Block::Parked(endpoint))) => *wanted == endpoint,
            (Self::Endpoints, Some(Block::Parked(_))) => true,
            _ => false,
        }
    }
}

/// Asks for lanes behind one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WalkAsk {
    pub(crate) after: Option<LaneId>,
    pub(crate) limit: usize,
}

/// Asks for dead letters behind one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeadAsk {
    pub(crate) after: u64,
    pub(crate) limit: usize,
    /// Only those with these ids.
    pub(crate) ids: Option<Vec<Arc<str>>>,
}

/// Asks for what is due at a moment.
#[derive(Clone, Debug)]
pub(crate) struct DueAsk {
    pub(crate) now: Timestamp,
    /// At most so many of each kind.
    pub(crate) limit: usize,
    /// At most so many expired ones: those under way come with them.
    pub(crate) expired: usize,
    /// How far the sweep through ids has come.
    pub(crate) ids_after: Arc<str>,
    /// How far the sweep through lanes has come; `None` while it rests.
    pub(crate) lanes_after: Option<LaneId>,
    /// Behind this sequence nothing can have outlived a default expiry.
    pub(crate) stale_upto: u64,
}

/// What was found of all that was wanted. What is not in here is not in the database.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// By name, by number, and by what they wait for.
    pub(crate) lanes: Vec<StoredLane>,
    /// Which of them wait for something that was asked about.
    pub(crate) waiting: Vec<LaneId>,
    pub(crate) heads: Vec<(LaneId, u64)>,
    pub(crate) letters: Vec<Letter>,
    /// Each lane of a topic, with how many messages it has.
    pub(crate) topics: Vec<(Arc<str>, LaneId, u64)>,
    pub(crate) accounts: Vec<StoredAccount>,
    pub(crate) ids: Vec<(Arc<str>, Known)>,
    pub(crate) messages: Vec<Kept>,
    pub(crate) walk: Vec<StoredLane>,
    pub(crate) due: Due,
    /// The moments at which lanes, schedule and the first messages that a sender let expire are due.
    pub(crate) until: Option<Timestamp>,
    pub(crate) later: Option<Timestamp>,
    pub(crate) expiries: Vec<(Timestamp, u64)>,
    pub(crate) handed: Vec<HandedRow>,
    /// How many of them are.
    pub(crate) outbox: usize,
}

/// A lane as its row says.
#[derive(Clone, Debug)]
pub(crate) struct StoredLane {
    pub(crate) lane: Arc<Lane>,
    pub(crate) ready: u64,
    pub(crate) later: u64,
    pub(crate) block: Option<Block>,
    pub(crate) turn: bool,
}

/// An account as its row says.
#[derive(Clone, Debug)]
pub(crate) struct StoredAccount {
    pub(crate) key: Key,
    pub(crate) backlog: u64,
    pub(crate) held: u64,
    /// It has a row.
    pub(crate) is_stored: bool,
}

/// What is due.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// Lanes blocked until now.
    pub(crate) lanes: Vec<StoredLane>,
    /// Messages whose moment has come, in its order.
    pub(crate) later: Vec<Kept>,
    /// Messages whose sender let them expire until now.
    pub(crate) expired: Vec<Kept>,
    /// One step of the sweep through ids.
    pub(crate) ids: Vec<(Arc<str>, Known)>,
    /// One step of the sweep through lanes: each with the oldest messages in it, of which those
    /// are here that the configuration let expire.
    pub(crate) swept: Vec<StoredLane>,
    pub(crate) stale: Vec<Kept>,
}

/// What is known of an id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// `None`: made here, and the message was moved.
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) spot: Spot,
    pub(crate) fate: Fate,
    pub(crate) settled: Option<Timestamp>,
}

impl Known {
    /// How long an id outlives its message.
    const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

    /// Whether it would be gone by now, had the sweep come by.
    pub(crate) fn is_forgotten(&self, now: Timestamp) -> bool {
        matches!(self.fate, Fate::Delivered | Fate::Expired | Fate::Gone)
            && self.settled.is_some_and(|at| at.after(Self::REMEMBERED) <= now)
    }
}

impl Wants {
    /// Whether there is nothing to load.
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            names,
            lanes,
            topics,
            waiting,
            heads,
            dead,
            keys,
            ids,
            messages,
            walk,
            due,
            next,
            handed,
            outbox,
        } = self;
        names.is_empty()
            && lanes.is_empty()
            && topics.is_empty()
            && waiting.is_empty()
            && heads.is_empty()
            && dead.is_none()
            && keys.is_empty()
            && ids.is_empty()
            && messages.is_empty()
            && walk.is_none()
            && due.is_none()
            && !next
            && handed.is_none()
            && outbox.is_empty()
    }
}
