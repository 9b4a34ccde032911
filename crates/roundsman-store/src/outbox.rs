//! The outbox: a table beside the store's own, which others fill within their own transactions.

use crate::{AcceptError, Answer, Bounds, Draft, Receipt, Timestamp};
use std::sync::Arc;

/// A table that applications insert messages into, where a store has one.
///
/// A row is accepted and deleted in one transaction, so that whatever crashes, its message
/// appears once.
pub trait Outbox: Send + Sync {
    /// The oldest rows that are visible and not marked, at most `most`, but for those whose
    /// [`account`](OutboxRow::account) is one of `without`; payloads are cut off behind
    /// `max_chars` characters. Never from a cursor: commits finish out of order.
    fn rows(
        &self,
        most: usize,
        max_chars: usize,
        without: Vec<Arc<str>>,
    ) -> Answer<'_, Vec<OutboxRow>>;

    /// Does as [`Store::accept`](crate::Store::accept), and deletes the rows of these numbers
    /// with it.
    ///
    /// # Errors
    /// As there, and [`Unavailable`](crate::StoreError::Unavailable) where one of the rows is no longer
    /// there: it was taken already, and is to be read anew. Nothing is accepted and no row deleted then.
    fn take(
        &self,
        batch: Vec<Draft>,
        bounds: Bounds,
        rows: Vec<u64>,
    ) -> Answer<'_, Vec<Receipt>, AcceptError>;

    /// Marks rows, by their numbers, with what is wrong with each: they are kept, and no longer read.
    fn mark(&self, faults: Vec<(u64, String)>) -> Answer<'_, ()>;
}

/// A row of an [`Outbox`], as it was written: nothing in it is checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number, which the database gave it.
    pub number: u64,
    /// The topic.
    pub topic: Arc<str>,
    /// The payload.
    pub payload: String,
    /// The event's name.
    pub event: Option<Arc<str>>,
    /// The key, its parts joined by `/`.
    pub key: Option<Arc<str>>,
    /// The sender's own id.
    pub id: Option<Arc<str>>,
    /// Not before this moment.
    pub deliver_at: Option<Timestamp>,
    /// Not after this moment.
    pub expires_at: Option<Timestamp>,
}

impl OutboxRow {
    /// Whom the message is charged to, as it is written: its key, or else its topic.
    #[must_use]
    pub fn account(&self) -> &Arc<str> {
        self.key.as_ref().unwrap_or(&self.topic)
    }
}
