//! Drafts (messages going in) and records (messages coming out).

use crate::{Key, KeyError, Lane, MessageId, Timestamp};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// A message on its way in, checked already.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What clients join; 1 to 255 bytes.
    pub topic: Arc<str>,
    /// Whom it is charged to.
    pub key: Key,
    /// Its event's name; 1 to 255 bytes.
    pub event: Arc<str>,
    /// A JSON object, as the sender wrote it. The store never looks inside.
    pub payload: Bytes,
    /// The sender's own id, and what tells whether a second sending is the same message.
    pub id: Option<(Arc<str>, Fingerprint)>,
    /// Not before this moment.
    pub deliver_at: Option<Timestamp>,
    /// Not after this moment.
    pub expires_at: Option<Timestamp>,
    /// Nobody has joined its topic and it will be held: [`Bounds::held_per_topic`] applies.
    pub held: bool,
}

impl Draft {
    /// A message with nothing but a topic and a payload (a JSON object): charged to its topic,
    /// with the event `message`, to be sent at once.
    ///
    /// ```
    /// use roundsman_store::Draft;
    ///
    /// let draft = Draft::new("user:42", r#"{"n":1}"#)?;
    /// assert_eq!(draft.key.as_str(), "user:42");
    /// let named = Draft { event: "push".into(), ..draft };
    /// assert_eq!(&*named.topic, "user:42");
    /// # Ok::<(), roundsman_store::KeyError>(())
    /// ```
    ///
    /// # Errors
    /// The topic is empty or longer than 255 bytes, and so no key.
    pub fn new(topic: &str, payload: impl Into<Bytes>) -> Result<Self, KeyError> {
        Ok(Self {
            topic: topic.into(),
            key: Key::from_parts([topic])?,
            event: "message".into(),
            payload: payload.into(),
            id: None,
            deliver_at: None,
            expires_at: None,
            held: false,
        })
    }
}

/// Tells whether two sendings of one id are the same message: the first 16 bytes of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// The fingerprint of these fields, in this order, each with its length.
    #[must_use]
    pub fn of(fields: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for field in fields {
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field);
        }
        let mut first = [0; 16];
        first.copy_from_slice(&hash.finalize()[..16]);
        Self(first)
    }
}

/// How much a store takes, checked inside [`Store::accept`](crate::Store::accept).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Messages accepted and not yet settled. Once nine tenths are taken, the rest is only for
    /// keys that have fewer than 1,000.
    pub backlog: u64,
    /// The same, of one key.
    pub backlog_per_key: u64,
    /// Messages of one topic that wait for someone to join it.
    pub held_per_topic: u64,
    /// Senders' ids remembered.
    pub ids: u64,
    /// When messages that name no `expires_at` expire, from acceptance or from `deliver_at`.
    pub expires_after: Option<Duration>,
}

impl Bounds {
    /// Keys with fewer messages than this may use the last tenth of the backlog.
    pub const SMALL_KEY: u64 = 1000;

    /// No bounds at all, and nothing expires.
    pub const NONE: Self = Self {
        backlog: u64::MAX,
        backlog_per_key: u64::MAX,
        held_per_topic: u64::MAX,
        ids: u64::MAX,
        expires_after: None,
    };
}

/// The answer to one draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its id: the sender's, or one made here.
    pub id: MessageId,
    /// It had been accepted before; nothing was stored.
    pub duplicate: bool,
}

/// A message as it is kept.
#[derive(Clone, Debug)]
pub struct Record {
    /// The lane it is in.
    pub lane: Arc<Lane>,
    /// Its place in the lane; grows with acceptance across the whole store.
    pub seq: u64,
    /// Its id.
    pub id: MessageId,
    /// Its event's name.
    pub event: Arc<str>,
    /// The payload as the sender wrote it.
    pub payload: Bytes,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it expires, whether the sender said so or the configuration did.
    pub expires_at: Option<Timestamp>,
    /// What was tried before; `None` where nothing was.
    pub history: Option<Box<History>>,
}

impl Record {
    /// The number of the next attempt, counted from 1.
    #[must_use]
    pub fn next_attempt(&self) -> u32 {
        self.history.as_ref().map_or(1, |history| history.attempts.saturating_add(1))
    }

    /// Whether it is too old to be sent at `now`.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// What was tried with a message so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Sendings, of every kind.
    pub attempts: u32,
    /// Those that count towards the limit.
    pub failures: u32,
    /// Those that the end of the process cut off.
    pub cuts: u32,
    /// Those of them that were cut off while the message was alone in flight.
    pub cuts_alone: u32,
    /// When the first was.
    pub first_attempt_at: Option<Timestamp>,
    /// The payload is what lookups made of it ([`Outcome::Retry`](crate::Outcome::Retry)): they
    /// are not asked again.
    pub augmented: bool,
}

impl History {
    /// After so many cut-off attempts a message is dispatched alone.
    pub const CUTS_UNTIL_ALONE: u32 = 3;
    /// After so many of them alone it is dead.
    pub const CUTS_ALONE_UNTIL_DEAD: u32 = 2;

    /// Whether the process ended under this message so often that it has to go alone.
    #[must_use]
    pub fn goes_alone(&self) -> bool {
        self.cuts >= Self::CUTS_UNTIL_ALONE
    }
}
