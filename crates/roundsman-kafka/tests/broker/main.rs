//! Against a real Kafka, which `ROUNDSMAN_TEST_KAFKA_URL` names.

#![allow(clippy::unwrap_used, clippy::panic)] // In tests, also outside of `#[test]` functions.

mod access;
mod broker;
mod conformance;
mod crash;
mod url;
