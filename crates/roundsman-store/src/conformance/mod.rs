//! The suite that every store runs, one named test for each promise of the contract.
//!
//! A store shows how it is opened, and how it is opened again after its process ended without a
//! word ([`Harness`]); [`conformance!`](crate::conformance!) makes the tests. In `Cargo.toml`, under
//! `[dev-dependencies]`, the crate `roundsman-store` with the feature `conformance`; then a file in
//! `tests/` with three lines:
//!
//! ```
//! use roundsman_store::{Answer, Clock, MemoryStore, Store, conformance::Harness};
//! use std::sync::Arc;
//!
//! struct Memory;
//!
//! impl Harness for Memory {
//!     fn open(&self, clock: Arc<dyn Clock>) -> Answer<'_, Arc<dyn Store>> {
//!         Box::pin(async move { Ok(Arc::new(MemoryStore::new(clock)) as Arc<dyn Store>) })
//!     }
//! }
//!
//! roundsman_store::conformance!(Memory);
//! # fn main() {}
//! ```
//!
//! Each case gets a harness of its own and a clock that stands still. Cases know nothing but the
//! contract, so whatever fails here would surprise the engine. There is a file for each verb;
//! the sentence above each case is the promise, and [`claim`] says what a crash does to attempts.
//!
//! A store that cannot do something by its nature leaves a case out by its name, in
//! [`Harness::leaves_out`], and owes its users a sentence on it.

pub mod accept;
pub mod block;
pub mod bounds;
pub mod claim;
pub mod dead;
pub mod duplicate;
pub mod expire;
pub mod fetch;
pub mod hints;
pub mod inspect;
pub mod letters;
pub mod order;
pub mod reopen;
pub mod schedule;
pub mod settle;
pub mod take_back;
pub mod walk;

mod history;
mod model;
mod table;
mod trial;

pub use trial::{Harness, Trial, run};
