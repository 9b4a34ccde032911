//! Rates: no more than so many events in so long, smoothly, of all or of each key.
//!
//! ```text
//!   a a b a ─► [ a: wait · b: open ] ─► b a . a . a        each key at its own pace, in order
//! ```
//!
//! [`Rate`] is the rule itself, without a clock or a task: a bucket that fills evenly and holds a
//! few turns, so that there is no window at whose edge twice as much goes. [`Pacing`] is the
//! transform around it. What it holds back counts as demand that is used up: at most `max_demand`
//! of each subscription wait in it, and behind that the producer waits.

mod bucket;
mod stage;

pub use self::{
    bucket::{Bucket, Rate},
    stage::{Pace, Pacing, pacing},
};
