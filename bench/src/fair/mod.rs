//! Fairness on the real thing: quiet keys beside noisy ones, over webhooks that have twenty slots.
//!
//! ```text
//!  wires ── POST /v1/messages ──► server, 20 slots ── POST ──► receiver: exponential, 10 ms
//!    quiet: one message a second and key        noisy: a backlog from the start
//! ```
//!
//! A wait is from the moment that the server says a message was accepted, its commit included, to
//! its arrival here: both clocks are this machine's. The bound is what the best scheduler could do
//! that never takes a slot back: while there is a backlog every slot is busy, and a message of a
//! quiet key waits for one of them to end, and for other quiet ones.
//!
//! | file | has |
//! | --- | --- |
//! | `play` | the plays: who takes part, with what, for how long |
//! | `wire` | what sends |
//! | `hooks`, `book` | what receives, and what it notes |
//! | `stage` | one play from the start of its server to its end |
//! | `verdict` | bounds, aims, and what was reached |

mod book;
mod hooks;
mod play;
mod stage;
mod verdict;
mod wire;

pub(crate) use play::Play;
pub(crate) use stage::run;

/// Requests at once, of the rule and to its host.
const SLOTS: u32 = 20;
/// What the receiver takes for one on average.
const SERVICE: std::time::Duration = std::time::Duration::from_millis(10);
