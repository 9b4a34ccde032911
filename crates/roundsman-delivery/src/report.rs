//! What is told of keys: why one waits, and which are the busiest.

use roundsman_store::Timestamp;
use std::time::Duration;

/// Why a key's messages wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyReport {
    /// Accepted and not yet settled, of this very key.
    pub backlog: u64,
    /// Of them, those that wait for somebody to join.
    pub held: u64,
    /// With their targets; this and what follows are of all keys that begin with this one.
    pub in_flight: u64,
    /// Read already, waiting for their turn.
    pub waiting: u64,
    /// How long the oldest of those has been here.
    pub waited: Option<Duration>,
    /// It has a turn to come.
    pub ready: bool,
    /// What else it waits for.
    pub parked: Vec<Wait>,
    /// What it was served beyond its share and pays back first, in units of the charge.
    pub debt: u64,
    /// About how many turns of others come before its own.
    pub turns_ahead: u64,
}

impl KeyReport {
    /// Adds a reason, once.
    pub(crate) fn add(&mut self, wait: Wait) {
        if !self.parked.contains(&wait) {
            self.parked.push(wait);
        }
    }
}

/// What messages wait for that is not their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// As many of the key are in flight as may be.
    Cap,
    /// The key has had its turns for now.
    Rate,
    /// The slots that are left are kept for others.
    Reserve,
    /// As many wait for an acknowledgement as may.
    Window,
    /// A failed attempt is tried again at this moment.
    Backoff {
        /// When.
        until: Timestamp,
    },
    /// Nobody has joined.
    Absent,
    /// What they are for does not answer.
    Endpoint,
    /// As many are on their way to the same endpoint as may be.
    Slots,
}

/// One of the busiest keys, or a path that several keys begin with: all of them together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusyKey {
    /// Its written form.
    pub key: String,
    /// With their targets.
    pub in_flight: u64,
    /// Read already, waiting for their turn.
    pub waiting: u64,
    /// How long the oldest of those has been here.
    pub waited: Duration,
}
