//! Messages out of logs that are there already: the real binary, real servers of logs, and a receiver
//! of webhooks that writes down what arrives.
//!
//! The servers are those of `scripts/servers`, and ones of a test's own where they are killed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[cfg(feature = "kafka")]
mod access;
#[path = "../binary/mod.rs"]
mod binary;
#[cfg(feature = "kafka")]
#[path = "../../../roundsman-kafka/tests/broker/broker.rs"]
mod broker;
#[cfg(feature = "kafka")]
mod kafka;
mod redis;
#[path = "../crash/wire.rs"]
#[allow(dead_code)]
mod wire;
mod world;
