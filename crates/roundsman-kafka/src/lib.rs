//! The store in Apache Kafka: a journal in one topic, and in memory what follows from it.
//!
//! ```text
//!          accept claim settle block release promote            fetch dead
//!          find counts take_back replay drop_dead                   │              walk
//!                          │                                       │               │
//!  KafkaStore ─────────────┼────────────────────────────────────────┼───────────────┤
//!                          ▼                                       ▼               ▼
//!                  writer thread                              reader thread   ┌─ state ─┐
//!        takes all calls that wait, performs them ───────────────── on ──────►│ lanes,  │
//!        on the state, appends one record that says so,       reads what is   │ ids,    │
//!        waits until it is safe, announces, answers           not cached      │ places  │
//!                          │                                       │         └─────────┘
//!                          ▼            PREFIX.journal             │
//!                ───────────────────────────────────────────────────────────►
//!                 verbs │ verbs │ carried │ checkpoint │ verbs │ open │ verbs
//! ```
//!
//! * **One topic of one partition**, so that there is one order: sequences grow with commits, and a
//!   record, which holds whole batches, is there as a whole or not at all.
//! * **The state is made by performing the journal** ([`replay`]): the verbs of the contract on the state
//!   that the memory store is made of, with a payload's [`place`] in its stead. Nobody's backlog
//!   hides anybody else's, since the lanes are in memory; what they hold is in Kafka.
//! * **One owner** ([`owner`]). A second is refused while the first lives. It begins with an `open`; what a former one writes after that is void,
//!   and it notices with its next record, which does not lie where it should.
//! * **An answer comes after its record is safe.** If one is not confirmed, everything that was
//!   performed is thrown away, and the journal is read again.
//! * **The journal stays short** ([`compact`]): the state is written out now and then, payloads that
//!   lie far back are copied forward, and what is before both is deleted.

mod call;
mod chunks;
mod cluster;
mod codec;
mod compact;
mod config;
mod entry;
mod error;
#[cfg(test)]
mod golden;
mod journal;
mod knock;
mod owner;
mod part;
mod perform;
mod place;
mod probe;
mod reader;
mod replay;
mod scan;
mod store;
mod topic;
mod verb;
mod writer;

pub use config::KafkaConfig;
pub use store::KafkaStore;
