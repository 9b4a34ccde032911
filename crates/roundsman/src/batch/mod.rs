//! Events gathered into batches: by count, by weight, by time, and by key.
//!
//! A batch belongs to one key and leaves when the first of these holds:
//!
//! | [`Cause`] | when |
//! | --- | --- |
//! | `Count` | it has as many events as it may |
//! | `Weight` | the next event would make it heavier than it may be: it leaves *before* that one |
//! | `Time` | its first event has waited as long as it may |
//! | `Flush` | the stage drains |
//!
//! So a weight is a ceiling and not a goal; only an event that is heavier by itself exceeds it,
//! alone in its batch. Within a key, order holds. A key with nothing open takes no memory.
//!
//! [`Open`] is the rule itself, without a clock or a task; [`Batching`] is the transform around it.

mod open;
mod stage;

pub use self::{
    open::{Batch, Bounds, Cause, Open},
    stage::{Batching, Tick, batching},
};
