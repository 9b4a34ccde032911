//! The feed: what happens to the messages of a key, live, for whoever watches it.
//!
//! While nobody watches it costs a look at one number. A watcher that does not keep up loses
//! events, never more than that, and is told how many. What a stage knows of a message is its lane
//! and sequence; the names that belong to them are learned as they come by, bounded, and forgotten
//! when the last watcher leaves.

mod event;
mod teller;
mod watch;

pub use event::{Event, Happening};
pub(crate) use teller::Feed;
pub use watch::{Seen, Watch};
