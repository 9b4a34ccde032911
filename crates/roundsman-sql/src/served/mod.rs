//! What stores in databases with a server of their own have in common: pure state, and one task
//! that writes.
//!
//! ```text
//!   accept claim settle block release promote walk           fetch           find probe
//!                          │                                   │                 │
//!  Served ─────────────────┼───────────────────────────────────┼─────────────────┤
//!                          ▼                                   ▼                 ▼
//!                    writer (a task)                     road connection   looking connection
//!       takes all calls that wait, then performs them
//!       on the Ledger ── wants ──► load ─┐
//!            ▲                           │
//!            └─────── absorb ◄───────────┘
//!       changes ──► BEGIN · few statements of many rows · COMMIT, in one round trip
//!       hints, then answers
//! ```
//!
//! * **One owner.** One connection writes, and holds a lock that the server keeps for as long as
//!   the connection lives. Whoever takes over from an owner that has fallen silent ends its
//!   connection first, and with it whatever it had not committed. So no transaction needs a
//!   fence of its own, sequences are visible in the order of commits, and memory can be trusted.
//! * **Others [stand](stand) by**, where every node that opens the store lets them: they look at the
//!   owner, and the first to see it fall silent succeeds it. Their handles are the same; the
//!   task behind them has no desk yet. What they accept meanwhile they [hand](handed) to the owner.
//! * **[`Ledger`](ledger::Ledger) is pure.** A call is performed on what is in memory. What is
//!   missing it [wants](wants), and is performed anew once that is loaded; what it
//!   [changed](changes) is written by statements that take arrays. In the steady state nothing has
//!   to be loaded: lanes, keys and the messages accepted lately are in bounded caches.
//! * **Rows that would change with every message are written late**: the counts of lanes and keys
//!   when they are to leave memory, the totals at the end; numbers are reserved in blocks. After
//!   a crash everything is counted anew. So nothing grows where a long transaction of somebody
//!   else keeps the server from cleaning up.
//! * **A failed group leaves nothing behind.** Its callers are told, the connection and the ledger
//!   are thrown away, and both are made anew, with growing pauses; whoever calls meanwhile is told why not.
//!
//! [`backend`] is what a database has to be able to do; the verbs of the contract have a file each.

mod accept;
mod accounts;
mod ages;
pub(crate) mod backend;
mod block;
mod call;
pub(crate) mod changes;
mod claim;
mod fill;
mod hand_on;
pub(crate) mod handed;
pub(crate) mod kept;
mod lanes;
mod ledger;
mod look;
mod message;
mod numbers;
mod operate;
mod outbox;
mod owner;
mod patience;
mod promise;
mod promote;
mod settle;
mod shown;
mod stand;
mod store;
pub(crate) mod wants;
mod writer;

pub(crate) use claim::ClaimRow;
pub(crate) use fill::fill;
pub(crate) use hand_on::hand_on;
pub(crate) use ledger::Opened;
pub(crate) use operate::ask;
pub(crate) use owner::{Holder, owner};
pub(crate) use promise::promise;
pub(crate) use store::Served;
