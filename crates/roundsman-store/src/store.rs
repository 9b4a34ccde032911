//! The store contract: what a place that keeps messages must do, eight functions and a few small types.

use crate::{
    AcceptError, Block, Bounds, ClaimId, Draft, Endpoint, Guarantee, Inspect, Lane, LaneId,
    Operate, Outbox, Receipt, Record, Settled, Settlement, StoreError, Timestamp,
};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What a call to a store returns: boxed, so that a store can be used as an object. Calls come in
/// batches, so the box is paid once a batch.
pub type Answer<'a, T, E = StoreError> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// A place that keeps messages.
///
/// **Who calls it.** One engine for each opening; its intake calls [`accept`](Self::accept) from
/// many tasks at once, its source is the only reader, its settle stage the only one that settles.
///
/// **Who implements it.** Every function takes a batch and is done when the batch is durable, as
/// far as [`probe`](Self::probe) promises; concurrent calls share commits. Claims are the owner's:
/// the store never hides a claimed record from [`fetch`](Self::fetch), the owner's cursors do.
///
/// # Cancel safety
/// Dropping a future leaves the outcome *unknown*, never half of a batch.
pub trait Store: Inspect + Operate {
    /// Makes a batch durable, as a whole or not at all, and answers each draft in order.
    ///
    /// Sequences grow in the order of commits, and [`Hint`]s come in that order too. A draft whose
    /// id is known and whose fingerprint is the same is a duplicate (also of an earlier one in the
    /// same batch): nothing is stored for it, and it is no reason to refuse. One whose `deliver_at`
    /// is not past goes to the schedule; one already expired is accepted and counted as expired
    /// when it comes up.
    ///
    /// # Errors
    /// [`AcceptError::Refused`] names every draft at fault, whether for a conflicting id or for a
    /// bound; conflicts take precedence over bounds. Nothing is stored then.
    fn accept(&self, batch: Vec<Draft>, bounds: Bounds) -> Answer<'_, Vec<Receipt>, AcceptError>;

    /// The next lanes in id order after `after` that have records and are not blocked, at most
    /// `limit`. Costs the same however many lanes are blocked.
    fn walk(&self, after: Option<LaneId>, limit: usize) -> Answer<'_, Vec<Arc<Lane>>>;

    /// The oldest records of each of several lanes after a sequence, whether the lane is blocked
    /// or not. A lane that is unknown by now answers with none.
    fn fetch(&self, asks: Vec<Ask>) -> Answer<'_, Vec<Fetched>>;

    /// Writes down that these attempts are about to begin, as one small row. Done before the
    /// first of them is dispatched, so that after a crash they count as cut off.
    fn claim(&self, claim: Claim) -> Answer<'_, ClaimId>;

    /// Writes down what became of attempts, and answers each in order.
    fn settle(&self, batch: Vec<Settlement>) -> Answer<'_, Vec<Settled>>;

    /// Blocks lanes as a whole. A lane without records is not blocked (it has nothing to wait
    /// with, and would never be forgotten).
    fn block(&self, lanes: Vec<(LaneId, Block)>) -> Answer<'_, ()>;

    /// Releases lanes, and answers those of them that have records.
    fn release(&self, which: Release) -> Answer<'_, Vec<Arc<Lane>>>;

    /// Does what is due by the store's clock: moves scheduled and retried records into their
    /// lanes, releases lanes blocked until now, removes expired records of waiting lanes, forgets
    /// old ids. Bounded work; `again` says that there is more to do at once.
    fn promote(&self) -> Answer<'_, Promoted>;

    /// What *accepted* means on this store as it is set.
    fn probe(&self) -> Answer<'_, Guarantee>;

    /// The shards that are this opening's to read, and its epoch. Changes come as hints.
    fn ownership(&self) -> Ownership;

    /// Takes the stream of hints; `None` the second time.
    fn hints(&self) -> Option<Hints>;

    /// The table that applications insert messages into, where the store has one.
    fn outbox(&self) -> Option<&dyn Outbox> {
        None
    }

    /// Stops, durably; calls after it fail with [`StoreError::Closed`].
    fn close(&self) -> Answer<'_, ()>;
}

/// One lane's share of a [`Store::fetch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The lane.
    pub lane: LaneId,
    /// Only records behind this sequence; 0 for all.
    pub after: u64,
    /// At most so many records, and at least one where there is one.
    pub limit: usize,
    /// No further record once these payload bytes are reached.
    pub max_bytes: usize,
}

/// One lane's answer to a [`Store::fetch`].
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The lane.
    pub lane: LaneId,
    /// Its records, oldest first.
    pub records: Vec<Record>,
    /// There are more behind the last.
    pub more: bool,
}

/// Attempts that are about to begin.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// Which messages, by lane and sequence, with the number of the attempt.
    pub members: Vec<Claimed>,
    /// The one member goes alone because the process ended under it before.
    pub alone: bool,
}

/// One message of a [`Claim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Its lane.
    pub lane: LaneId,
    /// Its sequence there.
    pub seq: u64,
    /// The attempt, counted from 1.
    pub attempt: u32,
}

/// Which lanes a [`Store::release`] is about.
#[derive(Clone, Debug)]
pub enum Release {
    /// Those of this topic that wait because nobody was there.
    Topic(Arc<str>),
    /// These, whatever they wait for.
    Lanes(Vec<LaneId>),
    /// Those that wait because this endpoint is parked.
    Endpoint(Endpoint),
    /// Those that wait because any endpoint is parked: which are lives in the memory of a node,
    /// and a new one does not know.
    Endpoints,
}

/// What a [`Store::promote`] did.
#[derive(Clone, Debug, Default)]
pub struct Promoted {
    /// Lanes that have something to do now.
    pub lanes: Vec<Arc<Lane>>,
    /// Records that expired where they waited.
    pub expired: u64,
    /// When the next one falls due, where that is known.
    pub next: Option<Timestamp>,
    /// More is due already.
    pub again: bool,
}

/// The shards that one opening of a store may read, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Grows with each opening; fences what an earlier one settles late.
    pub epoch: u64,
    /// The shards; all of them while there is one node.
    pub shards: Vec<u16>,
}

/// News from a store. Carries latency, not safety: a lost one delays a message until the next walk.
#[derive(Clone, Debug)]
pub enum Hint {
    /// These were just committed, in order; none of them lies in a blocked lane.
    Fresh(Vec<Fresh>),
    /// These lanes may have something to do.
    Lanes(Vec<Arc<Lane>>),
    /// Something was missed: walk.
    Walk,
}

/// A record that was just committed.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// The record before it in its lane that is still kept: 0 where there is none, `None` where
    /// the store does not know. Whoever has read up to there needs no read to go on with this one.
    pub previous: Option<u64>,
    /// The record.
    pub record: Record,
}

/// The stream of [`Hint`]s of one opening.
pub type Hints = mpsc::Receiver<Hint>;
