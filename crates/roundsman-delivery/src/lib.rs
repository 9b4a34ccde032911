//! The engine: the road of a message, on any store and to any target.
//!
//! ```text
//!  accept ─► intake ─► store ──hint──► source ═events═► augment ═► deliver ═outcomes═► settle ─► store
//!                                       ▲  ▲               │         │  ▲               │
//!                                       │  │            lookup       │  └─ acknowledger │
//!                                       │  └── sent ─────────────────┤                  │
//!         joined, left, parked, opened ─┘                            ▼                  │
//!                                                                 target        settled ┘ (back to source)
//! ```
//!
//! Time, targets, lookups and the store come in as arguments; there is no socket, no file and no clock here.
//! [`Node`] is the way in.

mod augment;
mod deliver;
mod dispatch;
mod error;
mod feed;
pub mod intake;
mod metrics;
mod node;
mod patience;
mod report;
mod retry;
mod rule;
mod settle;
mod source;
mod target;
mod upstream;

pub use augment::{Augment, Finding, Found, Lookup, OnFailure, OnMissing, Pointer, Shape, Value};
pub use dispatch::{Charge, Dispatch, ShareError};
pub use error::IntakeError;
pub use feed::{Event, Happening, Seen, Watch};
pub use metrics::{AugmentMetrics, Histogram, Metrics, Snapshot, StageSnapshot};
pub use node::{DrainReport, Node, NodeBuilder, Settings, TakeBack};
pub use report::{BusyKey, KeyReport, Wait};
pub use retry::{Retry, Verdict};
pub use roundsman_store::Pattern;
pub use rule::{Ack, Offline, Order, Rule, Rules, To};
pub use target::{Acknowledger, Batch, Fate, Message, Slot, Target, Trouble};
