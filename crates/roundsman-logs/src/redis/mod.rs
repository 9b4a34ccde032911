//! A stream of Redis or Valkey, read by a consumer group.
//!
//! The group has one consumer, whatever process that is: a lease says which. What was delivered and
//! not acknowledged is pending on the server, and whoever opens the stream begins with that.
//! What is pending with consumers that do nothing any more is claimed.

mod lease;
mod line;
mod probe;
mod stream;

pub(crate) use probe::probe;
pub(crate) use stream::Stream;
