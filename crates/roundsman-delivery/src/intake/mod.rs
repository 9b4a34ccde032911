//! The intake's checks: what a message's fields may hold, each fault in words. Pure.

mod check;

pub use check::{check_event, check_id, check_times, check_topic, fault};
