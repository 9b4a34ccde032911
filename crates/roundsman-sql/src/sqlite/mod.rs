//! The store in one SQLite file: one thread writes and groups commits, two threads read, one moves.
//!
//! ```text
//!            accept claim settle block release promote        walk fetch        find counts dead
//!            take_back replay drop_dead
//!                          │                                      │                  │
//!  SqliteStore ────────────┼──────────────────────────────────────┼──────────────────┤
//!                          ▼                                      ▼                  ▼
//!                  writer thread                              road thread      looking thread
//!         takes all calls that wait, then                  own connection,     own connection,
//!         BEGIN · each call · books · COMMIT               query only          query only
//!         hints, then answers
//!                          │
//!                       Ledger: connection + Books (lanes, keys, totals; bounded caches) + Claims
//! ```
//!
//! * **An answer comes after the commit of what it says**, and the commit after its sync: the
//!   file is in WAL mode with `synchronous=FULL`. While one group is being synced the next one
//!   gathers, so that durability costs latency and hardly any throughput.
//! * **A refused batch leaves nothing behind**: [`accept`] checks everything before it writes.
//! * **A failed group leaves nothing behind either.** Whatever fails in it, all its calls are
//!   told, the ledger is thrown away as a whole, caches with it, and opened anew from the file:
//!   after a failed sync neither the connection nor anything derived from it can be believed.
//! * **Nothing is in memory for a message that waits.** The books cache lanes and keys, bounded;
//!   the claims know the messages in flight, which demand bounds.
//! * **Which messages are in which lane is written late**, some thousand at a time and by lane, since
//!   each lane is a page of its own; see [`road`]. Until then readers find them in [`young`].
//! * **One process.** A lock of the operating system on a file beside it keeps others out; see
//!   [`lock`]. The claims and the books rely on it.
//! * **Nobody waits for a move from the WAL into the file.** A thread of its own does the bulk of it
//!   beside the writer, and the writer the little that came since; see [`mover`].
//! * **A full disk can be emptied.** Some room is set aside ([`reserve`]), and given up when a commit
//!   finds none: from then on all goes on but accepting.
//!
//! Readers are apart from the writer and from each other, so that a slow look-up holds up nobody;
//! their transactions are one call long, since a long one would keep the WAL from being reset.

mod accept;
mod accounts;
mod block;
mod books;
mod call;
mod claim;
mod create;
mod disk;
mod error;
mod expire;
mod fetch;
mod ids;
mod inspect;
mod lanes;
mod ledger;
mod lock;
mod message;
mod mover;
mod open;
mod operate;
mod probe;
mod promote;
mod reader;
mod recover;
mod reserve;
mod road;
mod row;
mod schema;
mod settle;
mod store;
mod take;
#[cfg(test)]
mod tests;
mod writer;
mod young;

pub use store::SqliteStore;
