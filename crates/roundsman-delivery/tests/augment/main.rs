//! Augmentation on a running node: what is added, together, in order, within bounds, whatever fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity)]

mod adding;
mod failing;
mod source;
#[path = "../support/mod.rs"]
mod support;
mod together;
mod waiting;
mod world;
