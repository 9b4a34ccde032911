//! Stages as seen from outside: every test plays one side of a subscription or both.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

mod conservation;
mod ending;
mod endings;
mod gate;
mod hooks;
mod hop;
mod kept;
mod middle;
mod order;
mod partitions;
mod pipelines;
mod play;
mod redelivery;
mod seeds;
mod spreading;
mod streaming;
mod supervision;
mod tuning;
mod weights;
mod workers;
