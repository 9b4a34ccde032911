//! Errors of a store, each with what it means for the caller.

use std::fmt;

/// Why a call to a store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached or cannot write just now; the same call may succeed later. What was
    /// asked is *unknown*: it may have been done.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// It has no room left; nothing was stored.
    #[error("the store is full: {0}")]
    Full(String),
    /// Another process has it open.
    #[error("{0}")]
    Locked(String),
    /// Another process has it open, and this one stands by until it is its turn; nothing was done.
    /// Holds who has it.
    #[error("another Roundsman has the store ({0}), and this one stands by")]
    StandsBy(String),
    /// It was made by a newer or a strange version, or is damaged. A person has to look.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
    /// It has been closed.
    #[error("the store is closed")]
    Closed,
    /// This kind of store cannot do that, and says why.
    #[error("this store cannot do that: {0}")]
    Unsupported(String),
}

/// Why a batch was not accepted. Nothing of it was stored, except with
/// [`StoreError::Unavailable`], where that is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// These drafts were refused, the rest would have been taken.
    #[error("{} of the messages were refused", .0.len())]
    Refused(Vec<Refusal>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One draft that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which, counted from 0.
    pub index: usize,
    /// `None`: its id is taken by a message that differs. Else the bound it would go past.
    pub bound: Option<Bound>,
}

/// A bound that a message would go past; see [`Bounds`](crate::Bounds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `max_backlog`.
    Backlog,
    /// `max_backlog_per_key`.
    BacklogPerKey,
    /// `max_held_per_topic`.
    HeldPerTopic,
    /// `max_ids`.
    Ids,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backlog => "max_backlog",
            Self::BacklogPerKey => "max_backlog_per_key",
            Self::HeldPerTopic => "max_held_per_topic",
            Self::Ids => "max_ids",
        })
    }
}
