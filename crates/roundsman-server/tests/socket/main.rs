//! The sockets, spoken to over real TCP by a plain WebSocket client: the protocol to the letter.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, missing_debug_implementations)]

mod ack;
mod chunk;
mod client;
mod close;
mod codec;
mod golden;
mod handshake;
mod house;
mod join;
mod limits;
mod slow;
mod token;
