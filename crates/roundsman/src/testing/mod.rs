//! Stages for tests: a producer that does what the test says, and a consumer that tells it all.
//!
//! Both sides of a subscription can be played: [`Script`] stands where a producer would, emits
//! what the test sends it and reports what it was asked for; [`Probe`] stands where a consumer
//! would, and reports every batch as it came. Neither sleeps or polls: what a stage did is
//! awaited.
//!
//! ```
//! use roundsman::{Mode, Subscribe, testing::{Probe, Saw, Script, Step}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (script, mut script_saw) = Script::new();
//! let (probe, mut probe_saw) = Probe::new(Mode::Automatic);
//! let producer = roundsman::producer(script).spawn();
//! let consumer = roundsman::consumer(probe).spawn();
//! consumer.inlet.subscribe(&producer.outlet, Subscribe::default().max_demand(10))?;
//!
//! assert_eq!(script_saw.demand().await, 10);
//! producer.stage.info(Step::Emit(vec![1, 2, 3])).map_err(|_| "the producer has ended")?;
//! assert_eq!(probe_saw.batch().await, [1, 2, 3]);
//! # Ok(())
//! # }
//! ```
//!
//! # Time held still
//!
//! Rates, batches by time, back-off and deadlines read tokio's clock, and tokio's test runtime
//! holds it: with `start_paused` (feature `test-util` of tokio, for tests only) it stands still
//! while any stage has work, moves to the next timer when none has, and moves by hand with
//! [`tokio::time::advance`](https://docs.rs/tokio/latest/tokio/time/fn.advance.html). There is no
//! second clock to hand in, so a stage under test is the stage that runs.
//!
//! ```
//! use roundsman::{Mode, Subscribe, batch::batching, testing::{Probe, Script, Step}};
//! use tokio::time::{Duration, Instant};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (script, _) = Script::new();
//! let producer = roundsman::producer(script).spawn();
//! let hourly = batching(|_: &u32| ()).events(100).wait(Duration::from_secs(3600));
//! let batches = roundsman::transform(hourly).spawn();
//! let (probe, mut saw) = Probe::new(Mode::Automatic);
//! let consumer = roundsman::consumer(probe).spawn();
//! consumer.inlet.subscribe(&batches.outlet, Subscribe::default())?;
//! batches.inlet.subscribe(&producer.outlet, Subscribe::default())?;
//!
//! let begin = Instant::now();
//! producer.stage.info(Step::Emit(vec![1, 2])).map_err(|_| "the producer has ended")?;
//! assert_eq!(saw.batch().await[0].events, [1, 2]); // an hour later, at once
//! assert_eq!(begin.elapsed(), Duration::from_secs(3600));
//! # Ok(())
//! # }
//! ```

mod probe;
mod saw;
mod script;

pub use self::{
    probe::Probe,
    saw::{Saw, Seen},
    script::Script,
};

use tokio::sync::oneshot;

use crate::{Reason, SubscriptionId};

/// What a test tells a [`Script`] or a [`Probe`] to do.
#[derive(Debug)]
pub enum Step<E> {
    /// Emit these; a probe cannot, and ends.
    Emit(Vec<E>),
    /// Ask for more on a manual subscription.
    Ask(SubscriptionId, usize),
    /// Return this from the handler.
    Return(Reason),
    /// Panic with this text.
    Panic(String),
    /// Say that everything before this has been handled.
    Sync(oneshot::Sender<()>),
    /// Do nothing but report it, under this number.
    Note(u64),
}
