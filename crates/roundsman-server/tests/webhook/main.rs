//! Webhooks against receivers of every kind: well-behaved, slow, broken, hostile, away.

#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(unreachable_pub, missing_debug_implementations)]

mod address;
mod hostile;
mod house;
mod outage;
mod parking;
mod receiver;
mod sharing;
mod standard;
mod status;
