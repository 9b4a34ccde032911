//! The store against real servers: the suite that every store runs, and what only this one can do.
//!
//! The server is the one that `ROUNDSMAN_TEST_REDIS_URL` names; see `scripts/servers`. Tests that
//! kill a server, fill it or set it weaker start one of their own.

#![allow(clippy::unwrap_used, clippy::panic)] // In tests, also outside of `#[test]` functions.

mod away;
mod full;
mod lease;
mod own;
mod probe;
mod proxy;
mod scratch;
mod suite;
