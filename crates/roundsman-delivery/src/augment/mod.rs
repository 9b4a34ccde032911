//! Augment: stages between source and deliver that add to messages what they lack.
//!
//! ```text
//!                     ┌───────────── one stage for each augmentation ─────────────┐
//!  source ═turns═►    │ value at its pointer ─► kept answer? ───────────┐         │ ═turns═► deliver
//!                     │        │ none: passes        │ no               ▼         │
//!                     │        └──────────┐     Desk: gathered,   put into payload│
//!                     │                   │     once, bounded ─► Lookup ─┘        │
//!                     │                   └──────────► Order: as it came ─────────│
//!                     └──────────── handed back, failed, dead ──────info──────────┘
//! ```
//!
//! The parts are pure: [`desk`] gathers what is wanted into queries and holds `concurrency` and, by
//! [`pace`], `rate`; [`circuit`] says whether the source is asked at all; [`order`] lets messages
//! leave each lane as they came; [`pointer`] finds and puts values in payloads as they are written,
//! and [`add`] decides what becomes of a message.
//! [`cache`] keeps answers. [`stage`] is the thin shell around them, and [`lookup`] the one trait
//! behind which a source is; [`ending`] is what follows from the end of a query. What is looked up and what is found is JSON, and here only bytes.
//!
//! **Demand.** Deliver asks the source by way of the first of these stages for as many messages as
//! it has slots, so that what waits for a lookup counts as in flight, and costs no more memory than
//! that. The source stage takes messages that need lookups out of pools of their own, by what they
//! need, and never more than leaves slots to the others: a slow source slows its own messages, up to
//! the store, and nothing else.
//!
//! **Failure.** A query for several values that failed is asked again in halves, so that one value
//! that the source cannot bear fails alone. A message whose query failed takes the same road to the store as one whose
//! delivery failed. A source that goes on failing is left alone; it is an endpoint like that of a
//! webhook, and the lanes that need it are parked until a try is answered.

mod add;
mod cache;
mod circuit;
mod desk;
mod ending;
mod lookup;
mod order;
mod pace;
mod pointer;
mod scan;
mod settings;
mod stage;

pub use lookup::{Finding, Found, Lookup, Value};
pub use pointer::Pointer;
pub use settings::{Augment, OnFailure, OnMissing, Shape};
pub(crate) use stage::{AugmentInfo, AugmentStage};
