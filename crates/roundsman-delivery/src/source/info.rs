//! What the source is told, and what it tells of itself.

use super::lane::Told;
use super::pick::Picked;
use crate::deliver::DeliverInfo;
use crate::{BusyKey, Dispatch, KeyReport};
use roundsman::StageRef;
use roundsman_store::{
    Ask, ClaimId, Endpoint, Fetched, Hint, Key, Lane, LaneId, StoreError, Timestamp,
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A slice of the lanes that have something ready.
pub(crate) type Walked = Result<Vec<Arc<Lane>>, StoreError>;

/// What the source is told.
#[derive(Debug)]
pub(crate) enum SourceInfo {
    /// News from the store.
    Hint(Hint),
    /// These lanes have something to do.
    Lanes(Vec<Arc<Lane>>),
    /// Messages were settled.
    Settled(Vec<Told>),
    /// A client joined a topic, and whether it acknowledges.
    Joined(Arc<str>, bool),
    /// A client left a topic.
    Left(Arc<str>, bool),
    /// A message of this lane was handed back: its endpoint is not to be tried before then.
    Parked(Endpoint, Timestamp, LaneId),
    /// An endpoint answers again.
    Opened(Endpoint),
    /// The store has written down a claim, or failed to.
    Claimed(Picked, Result<ClaimId, StoreError>),
    /// Enough time has passed since a large claim.
    Rested,
    /// The store has answered a fetch.
    Fetched(Vec<(Ask, u32)>, Result<Vec<Fetched>, StoreError>),
    /// The store has answered a walk.
    Walked(Walked),
    /// The same, for lanes that were passed over before.
    CaughtUp(Walked),
    /// Time has passed: look for overdue acknowledgements and idle lanes.
    Tick,
    /// Every so often: walk a lap although nothing says so.
    Lap,
    /// A key's rate may let it go on.
    Alarm,
    /// Services have ended.
    Served,
    /// Turns are dealt in another way from now on.
    Dispatch(Box<Dispatch>),
    /// Where the source tells the ends that are its own to tell.
    Downstream(StageRef<DeliverInfo>),
    /// Ask for nothing more.
    Drain,
    /// Whether a message is out.
    IsOut(LaneId, u64, oneshot::Sender<bool>),
    /// A message is to be taken back: whether it can be kept from being dispatched.
    Fence(LaneId, u64, oneshot::Sender<bool>),
    /// The store has answered for one behind a fence, and whether it is gone.
    Unfence(LaneId, u64, bool),
    /// The lanes that have something to do.
    Resident(oneshot::Sender<Vec<Arc<Lane>>>),
    /// The busiest keys.
    Busiest(usize, oneshot::Sender<Vec<BusyKey>>),
    /// Why a key waits.
    Explain(Key, oneshot::Sender<KeyReport>),
}

/// What the source holds, for whoever waits for it to come to rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) draining: bool,
    pub(crate) flying: usize,
    pub(crate) unacknowledged: usize,
}
