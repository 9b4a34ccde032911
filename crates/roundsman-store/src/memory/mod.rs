//! The store that keeps messages in the memory of its process: the reference for every other.
//!
//! It promises nothing beyond the life of the process, and everything else that the contract
//! says: order within a lane, bounds, ids, schedules, retries, dead letters. The
//! conformance suite passes here first.
//!
//! ```text
//!  MemoryStore ──► Shared ──► State (one lock)        Hints (a second, taken before the first is let go)
//!                              ├─ lanes      queues of records by lane · the ready set · blocks · expiries
//!                              │   └─ accounts  counts of each key and each topic
//!                              ├─ schedule   records that are due later, by moment
//!                              ├─ ids        what became of a sender's id · where a moved message is
//!                              └─ dead       letters that were given up on
//! ```
//!
//! `State` is plain data with plain methods, one file for each verb of the contract (`accept`,
//! `fetch`, `claim`, `settle`, `block`, `promote`, `inspect`, `operate`); only `store` knows of locks, clocks
//! and futures. Every call costs by its batch, never by the backlog: sequences ascend within a
//! lane, so that a queue and a binary search do where one would think of a tree.
//!
//! `State` goes by the name of `MemoryState` outside: a store that keeps a journal of its verbs performs them on one, saves
//! it now and then (`saved`), and counts after a crash what was cut off (`recover`).
//!
//! A message is in exactly one place: in a lane, in the schedule, or dead.

mod accept;
mod accounts;
mod block;
mod claim;
mod fetch;
mod hints;
mod ids;
mod inspect;
mod kept;
mod lanes;
mod operate;
mod promote;
mod queue;
mod recover;
mod saved;
mod settle;
mod state;
mod store;

pub use accept::Accepted;
pub use saved::{Saved, SavedGone, SavedLane, SavedMessage, SavedPast, SavedPlace};
pub use state::State as MemoryState;
pub use store::MemoryStore;
