//! Deliver: the stage between the source and the targets, which turns free slots into demand.
//!
//! Messages arrive as events, are handed to their rule's target in batches of one lane, and what
//! became of them comes back through the acknowledger as information and leaves as events for the
//! settle stage. Demand is this stage's own to ask: as many messages as there are slots free.

mod ended;
mod slots;
mod stage;

pub(crate) use ended::{Ended, Served};
pub(crate) use stage::{DeliverInfo, DeliverStage, Turn};
