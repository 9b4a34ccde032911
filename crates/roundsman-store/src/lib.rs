//! What a store of messages promises, and the store that keeps them in memory.
//!
//! A store makes messages durable ([`Store::accept`]), reads them *by lane* so that nobody's
//! backlog hides anybody else's ([`Store::walk`], [`Store::fetch`]), remembers which attempts are
//! under way with one small row a batch ([`Store::claim`]), and writes down what became of each
//! message ([`Store::settle`]).
//!
//! ```text
//!              accept                    fetch + claim                 settle
//!  draft ───────────────► ready ─────────────────────► in flight ───────────────► delivered, gone
//!     │ deliver_at         ▲ ▲                            │  │
//!     └────► scheduled ────┘ │  promote, when due         │  ├─ sent: waits for an acknowledgement
//!                            ├────────── released ────────┘  ├─ retry at: in its place, or moved
//!                            └────────── retrying ◄──────────┤
//!                                                            └─ dead · expired · dropped
//! ```
//!
//! A person may interfere ([`Operate`]): take one back that is not in flight, look through the dead
//! letters, replay or drop them.
//!
//! The unit of reading, of order and of waiting is the [`Lane`]: a key and a topic together. A
//! lane that has to wait (nobody there, a retrying head) is *blocked* as a whole: one small row,
//! never a write for each message, and no walk visits it.
//!
//! The module `conformance` (behind the feature of that name) is the suite that every store runs.

mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod guarantee;
mod hints;
mod id;
mod inspect;
mod key;
mod lane;
mod memory;
mod operate;
mod outbox;
mod outcome;
mod pattern;
mod record;
mod store;

pub use clock::{Clock, HeldClock, SystemClock, Timestamp};
pub use error::{AcceptError, Bound, Refusal, StoreError};
pub use guarantee::Guarantee;
pub use hints::HintSender;
pub use id::{IdSalt, MessageId};
pub use inspect::{Attempt, Counts, Inspect, KeyCounts, Sighting, State};
pub use key::{Key, KeyError};
pub use lane::{Block, Endpoint, Lane, LaneId, SHARDS, shard_of};
pub use memory::{
    Accepted, MemoryState, MemoryStore, Saved, SavedGone, SavedLane, SavedMessage, SavedPast,
    SavedPlace,
};
pub use operate::{DeadFilter, DeadLetter, DeadPage, Operate, Sweep, Swept, TakenBack};
pub use outbox::{Outbox, OutboxRow};
pub use outcome::{ClaimId, DeadReason, Failure, Outcome, Place, Settled, Settlement, Which};
pub use pattern::Pattern;
pub use record::{Bounds, Draft, Fingerprint, History, Receipt, Record};
pub use store::{
    Answer, Ask, Claim, Claimed, Fetched, Fresh, Hint, Hints, Ownership, Promoted, Release, Store,
};
