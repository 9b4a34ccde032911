//! What a database with a server of its own has to be able to do.

use super::changes::Changes;
use super::claim::ClaimRow;
use super::handed::Part;
use super::ledger::Opened;
use super::owner::Holder;
use super::wants::{Loaded, Wants};
use roundsman_store::{
    Ask, DeadPage, Fetched, Guarantee, IdSalt, OutboxRow, Sighting, StoreError, Sweep, Timestamp,
};
use std::future::Future;
use std::sync::Arc;

/// A kind of database, and where this one is.
///
/// Whatever fails on a connection, it is thrown away and another made.
pub(crate) trait Backend: Send + Sync + 'static {
    type Candidate: Candidate<Writer = Self::Writer>;
    type Writer: Write;
    type Reader: Read;
    type Hand: Hand;

    /// What `?schema=` names.
    const KIND: &'static str;

    /// What it is called in messages to people: never with a password.
    fn name(&self) -> &str;

    /// The same, with what `?schema=` says.
    fn place(&self) -> String;

    /// A connection that may become the owner's.
    fn stand(&self) -> impl Future<Output = Result<Self::Candidate, StoreError>> + Send;

    /// A connection that reads.
    fn read(&self) -> impl Future<Output = Result<Self::Reader, StoreError>> + Send;

    /// A connection that hands in.
    fn hand(&self) -> impl Future<Output = Result<Self::Hand, StoreError>> + Send;
}

/// A connection by which a node that stands by hands messages to the owner.
pub(crate) trait Hand: Send + 'static {
    /// Puts parts of batches into the table, all or none. They need not outlive the server: nobody
    /// was told anything yet.
    fn put(
        &mut self,
        node: u64,
        parts: Vec<Part>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The answers for this node, by ticket.
    fn answers(
        &mut self,
        node: u64,
    ) -> impl Future<Output = Result<Vec<(u64, Vec<u8>)>, StoreError>> + Send;

    /// Removes the answers of these tickets.
    fn forget(
        &mut self,
        node: u64,
        tickets: Vec<u64>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A connection that may become the owner's.
pub(crate) trait Candidate: Send + 'static {
    type Writer;

    /// Who has the store, or had it last.
    fn look(&mut self) -> impl Future<Output = Result<Holder, StoreError>> + Send;

    /// Takes the lock if nobody has it, and answers whether it did.
    fn lock(&mut self) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Ends the connection that holds the lock, and with it what it has not committed.
    fn evict(&mut self, lock: u64) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Says that the owner is alive.
    fn beat(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// With the lock taken: makes the tables or brings them up to date, and counts what is in them.
    /// Without an `epoch` it is a new opening, that begins a new one; with one, the owner comes
    /// back, and is refused if there has been another since.
    fn begin(
        self,
        epoch: Option<u64>,
        shares: bool,
    ) -> impl Future<Output = Result<(Self::Writer, Opened), StoreError>> + Send;
}

/// The one connection that writes. While it lives nobody else can be the owner, so that what it
/// commits is fenced without a word in any transaction.
pub(crate) trait Write: Send + 'static {
    /// Loads what is wanted.
    fn load(&mut self, wants: &Wants) -> impl Future<Output = Result<Loaded, StoreError>> + Send;

    /// Writes changes into the transaction that is open, or begins one; commits it with `commit`.
    fn write(
        &mut self,
        changes: Changes,
        commit: bool,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The claims that are open.
    fn claims(&mut self) -> impl Future<Output = Result<Vec<ClaimRow>, StoreError>> + Send;

    /// Says that the owner is alive, and removes answers that nobody has fetched.
    fn beat(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Says that the owner leaves, and lets the lock go.
    fn end(self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A connection that reads what is committed.
pub(crate) trait Read: Send + 'static {
    fn fetch(
        &mut self,
        asks: Vec<Ask>,
        salt: IdSalt,
    ) -> impl Future<Output = Result<Vec<Fetched>, StoreError>> + Send;

    fn find(
        &mut self,
        id: Arc<str>,
        salt: IdSalt,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Sighting>, StoreError>> + Send;

    /// A page of dead letters.
    fn dead(
        &mut self,
        sweep: Sweep,
        salt: IdSalt,
    ) -> impl Future<Output = Result<DeadPage, StoreError>> + Send;

    /// The oldest rows of the outbox; see [`Outbox::rows`](roundsman_store::Outbox::rows).
    fn outbox(
        &mut self,
        most: usize,
        max_chars: usize,
        without: Vec<Arc<str>>,
    ) -> impl Future<Output = Result<Vec<OutboxRow>, StoreError>> + Send;

    fn probe(&mut self) -> impl Future<Output = Result<Guarantee, StoreError>> + Send;
}
