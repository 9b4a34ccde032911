//! Whose turn it is: equitable dispatching as pure state, without a clock, a lock or a task.
//!
//! Keys are paths, such as team, then user. Every level has an account among its siblings, and a
//! message is charged at every level of its path: a team shares its part among its users, and
//! gains nothing by having more of them. What ends where others go on is charged to a nameless
//! child of weight 1.
//!
//! ```text
//!   ready ──► New ─ a turn's credit spent ─► Old ◄──────┐      each ring, at every level, has two
//!               │                             │ lap: credit     lists (fq_codel, RFC 8290)
//!               └───────── start ◄────────────┘
//!                            │ charged an estimate
//!                            ▼
//!                         settle: what it really cost
//!
//!   Parked { cap, rate, reserve, barred }     in no list; what frees it brings it back
//! ```
//!
//! The algorithm is deficit round robin (Shreedhar and Varghese, 1995), paid afterwards as in
//! surplus round robin (Adiseshu, Parulkar and Varghese, 1996), with the two lists of fq_codel:
//!
//! * A key has **credit** for one turn, as large as a usual message times its weight. It is served
//!   until that is spent, and pays what its messages *really* cost once that is known. What it
//!   overspends is **debt**, which later laps repay; it keeps the debt when it runs out of work, as
//!   long as anybody waits. A lap in which everybody is in debt is not walked again and again: the
//!   laps it would take are given at once.
//! * A key that has just become ready is **new** and goes before old ones, once; then it is old.
//!   So who uses less than its share hardly waits, however many others have however much to do.
//! * Old keys are not starved by a stream of new ones: when those have had 64 usual turns' worth,
//!   one old key goes before them, and one in each second at the least ([`Policy::guard`],
//!   [`Policy::patience`]). Where all the old ones that are looked at are in debt, the turn repays
//!   some of it and is no more than that.
//! * A key that runs dry while others wait is a **ghost**: it keeps its place among the old ones,
//!   and is given credit there as if it had work, until it has a whole turn's. So it gains nothing
//!   by coming back as a new one, and loses nothing either: what it has left of its turn as a new
//!   one it may use until the lap comes to it.
//! * A key that has nothing to do costs **nothing**: its account goes when its debt is repaid.
//! * A key that may have no turn now is **parked**, in no list; nothing scans it.
//!
//! What is promised, for `n` slots, the largest cost `L` and a turn's credit `Q`: two keys that
//! have work all the time differ in what they were served, each divided by its weight, by at most
//! `2Q + 2(n + 1)L`, however long they run; a key within its share waits for a slot and for other
//! keys within theirs, not for the backlog of anybody; whoever has work and is not parked has a
//! turn at last.
//!
//! | file | has |
//! | --- | --- |
//! | `terms` | weights, caps, rates: what is said of keys |
//! | `node`, `book` | accounts, found by name, forgotten when done |
//! | `turns` | the two lists |
//! | `scheduler` | the interface |
//! | `choose` | whose turn it is |
//! | `service` | being charged, parked and freed |
//! | `standing` | why one waits |

mod book;
mod choose;
mod cost;
mod node;
mod scheduler;
mod service;
mod standing;
mod terms;
mod turns;

pub use self::{
    node::Parked,
    scheduler::{Account, Scheduler},
    standing::Standing,
    terms::{Policy, Terms, Weight},
};
pub use crate::rate::Rate;

#[cfg(test)]
mod tests;
