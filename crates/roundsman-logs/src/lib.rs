//! Logs that are there already, read as a group: records in order, given up once they are safe
//! elsewhere.
//!
//! ```text
//!  a log ─────► Log::next ──► records, in order ──► (whoever takes them in)
//!      ▲                                                    │
//!      └────────────── Log::done ◄── spots that are safe ───┘
//! ```
//!
//! * **Nothing is passed over.** What was read and is not [`done`](Log::done) comes again, first, to
//!   whoever opens the log next: after a crash, after a line was cut, after another took over.
//! * **One reader at a time** of what is one sequence, so that its order is kept: of a stream a second one
//!   waits until the first has ended, and each partition of a topic is one member's.
//! * **Nobody is pushed to.** A batch is read when it is asked for, and is bounded in records and bytes.
//! * **The log is others'.** Nothing is deleted from it and nothing written to it but how far the group is.
//!
//! [`Address`] says where a log is, [`Cluster`] how a Kafka is spoken to, [`Record`] is what is read, [`probe`] looks without touching.

mod address;
mod cluster;
mod error;
#[cfg(feature = "kafka")]
mod kafka;
mod log;
mod record;
mod redis;

pub use address::Address;
pub use cluster::Cluster;
pub use error::LogError;
pub use log::{Log, Opening, Start, probe};
pub use record::{Record, Spot};
