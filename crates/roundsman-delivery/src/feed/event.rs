//! What happens to messages, as whoever watches sees it.

use roundsman_store::{DeadReason, Failure, Key, Outcome, Timestamp};
use std::sync::Arc;

/// Something that happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was seen here.
    pub at: Timestamp,
    /// The message's id; `None` where it was dispatched before anybody watched.
    pub id: Option<Arc<str>>,
    /// Whom the message is charged to.
    pub key: Key,
    /// Its topic.
    pub topic: Arc<str>,
    /// What happened.
    pub what: Happening,
}

/// What happens to messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It was accepted.
    Accepted,
    /// It was handed to its target.
    Dispatched {
        /// The number of this sending, counted from 1.
        attempt: u32,
    },
    /// It was written, and waits for its acknowledgement.
    Sent,
    /// It was delivered.
    Delivered,
    /// It was handed back unharmed: nobody was there, or its endpoint does not answer.
    Released,
    /// An attempt failed, and there is another.
    Failed {
        /// Why.
        failure: Failure,
        /// When it is tried again.
        again_at: Timestamp,
    },
    /// It was given up on.
    Dead {
        /// Why.
        reason: DeadReason,
        /// What went wrong last, where something did.
        failure: Option<Failure>,
    },
    /// It grew too old.
    Expired,
    /// Nobody was there, and the rule says not to hold.
    Dropped,
    /// It was taken back.
    TakenBack,
    /// It was dead, and is sent again.
    Replayed,
    /// It was dead, and is gone for good.
    DeadDropped,
}

impl Happening {
    /// Whether nothing more happens to the message, unless it is sent again by hand.
    pub(super) fn is_an_end(&self) -> bool {
        matches!(self, Self::Delivered | Self::Dead { .. } | Self::Expired | Self::Dropped)
    }
}

impl From<&Outcome> for Happening {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Delivered => Self::Delivered,
            Outcome::Sent => Self::Sent,
            Outcome::Released => Self::Released,
            Outcome::Retry { at, failure, .. } => {
                Self::Failed { failure: failure.clone(), again_at: *at }
            }
            Outcome::Dead { reason, failure } => {
                Self::Dead { reason: *reason, failure: failure.clone() }
            }
            Outcome::Expired => Self::Expired,
            Outcome::Dropped => Self::Dropped,
        }
    }
}
