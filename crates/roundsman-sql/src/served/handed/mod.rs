//! Messages that a node takes in while it stands by: handed to the owner through a table, and answered
//! through another.
//!
//! ```text
//!  POST ─► Served ─► Giver (a task) ── handed ──► Take (a call) ─► accept ─► commit
//!  202 ◄──────────── Giver ◄────────── answer ◄───────────────────────────────┘
//! ```
//!
//! A batch is accepted by the owner as any other, with its lane's order, its bounds and its ids, in the
//! transaction that deletes it from `handed` and inserts the `answer`. So what a sender is told is the same
//! at any node, and whoever was answered comes before whatever is sent after that. The road not
//! taken: a `202` once the row is committed. It is sooner by a commit, and two messages of one sender,
//! sent to two nodes one after the other, could be accepted in the other order; nor could a taken id or a
//! bound be told any more.
//!
//! A batch without an answer is unknown to its sender, as any is whose answer is lost. [`pack`] is
//! what the rows hold, [`give`] the side of a node that stands by, [`take`] that of the owner.

mod give;
mod pack;
mod take;

pub(crate) use give::Part;
pub(super) use give::{Giver, Mail};
pub(crate) use take::HandedRow;
pub(super) use take::porter;
