//! The store against real servers: the suite that every store runs, and what only this one can do.
//!
//! The server is the one that `ROUNDSMAN_TEST_REDIS_URL` names; see `scripts/servers`. Those that
//! need one of their own start it.

#![allow(clippy::unwrap_used)] // In tests, also outside of `#[test]` functions.

mod scratch;
mod suite;
