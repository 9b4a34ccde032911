//! Stages that exchange events under demand: it flows up, events flow down, nothing is pushed.
//!
//! A [`Producer`] emits when it is asked, a [`Consumer`] asks and takes, a [`Transform`] does
//! both. Each is one task with one mailbox; events travel in batches. A consumer asks for
//! `max_demand` events and again when it has handled enough of them ([`Subscribe`]), so what is
//! under way is bounded, and a slow consumer slows only what it alone consumes.
//!
//! ```
//! use roundsman::{
//!     Asker, Cancel, Consumer, Emitter, Producer, Reason, Subscribe, SubscriptionId, Transform,
//! };
//! use tokio::sync::oneshot;
//!
//! /// Counts up to a limit, as fast as it is asked.
//! struct Counter { next: u64, limit: u64 }
//!
//! impl Producer for Counter {
//!     type Event = u64;
//!     type Info = ();
//!
//!     async fn handle_demand(&mut self, n: usize, out: &mut Emitter<'_, u64>) -> Result<(), Reason> {
//!         let end = self.limit.min(self.next + n as u64);
//!         out.extend(self.next..end);
//!         self.next = end;
//!         if end == self.limit { Err(Reason::Normal) } else { Ok(()) } // done: the rest still leaves
//!     }
//! }
//!
//! struct Double;
//!
//! impl Transform for Double {
//!     type In = u64;
//!     type Out = u64;
//!     type Info = ();
//!
//!     async fn handle_events(
//!         &mut self, events: Vec<u64>, _from: SubscriptionId, out: &mut Emitter<'_, u64>,
//!     ) -> Result<(), Reason> {
//!         out.extend(events.into_iter().map(|n| n * 2));
//!         Ok(())
//!     }
//! }
//!
//! /// Adds up what comes; tells the sum to whoever asks.
//! struct Sum(u64);
//!
//! impl Consumer for Sum {
//!     type Event = u64;
//!     type Info = oneshot::Sender<u64>;
//!
//!     async fn handle_events(
//!         &mut self, events: Vec<u64>, _from: SubscriptionId, _out: &mut Asker<'_>,
//!     ) -> Result<(), Reason> {
//!         self.0 += events.into_iter().sum::<u64>();
//!         Ok(())
//!     }
//!
//!     async fn handle_info(
//!         &mut self, reply: oneshot::Sender<u64>, _out: &mut Asker<'_>,
//!     ) -> Result<(), Reason> {
//!         reply.send(self.0).map_err(|_| Reason::failed("nobody waits for the sum"))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let counter = roundsman::producer(Counter { next: 0, limit: 10_000 }).spawn();
//! let double = roundsman::transform(Double).spawn();
//! let sum = roundsman::consumer(Sum(0)).merge(1000).spawn();
//!
//! // From the end to the beginning, so that nothing flows before it has somewhere to go.
//! let terms = Subscribe::default().max_demand(100).min_demand(50);
//! sum.inlet.subscribe(&double.outlet, terms.cancel(Cancel::Temporary))?;
//! double.inlet.subscribe(&counter.outlet, terms)?;
//!
//! assert_eq!(double.stage.ended().await, Reason::Normal); // its producer ended, so it drained
//! let (reply, answer) = oneshot::channel();
//! sum.stage.info(reply).map_err(|_| "the consumer has ended")?; // behind the last events
//! assert_eq!(answer.await?, 99_990_000);
//! assert_eq!(sum.stage.counts().taken, 10_000);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go on
//!
//! `docs/stages.md` in the repository is a guide from a counter to a fan-out with partitions.
//!
//! | to | see |
//! | --- | --- |
//! | know how a stage lives and ends, and how a pipeline drains | [`stage`] |
//! | wait for a pipeline's end with totals, or drain it under one deadline | [`Pipeline`] |
//! | choose how much is under way, pause it, or change it | [`Subscribe`], [`Inlet`] |
//! | give events to all, by partition, or by a rule of one's own | [`dispatch`] |
//! | run a task an event, so many at once | [`supervisor`](mod@supervisor) |
//! | gather events by count, weight, time and key | [`batch`] |
//! | begin with an iterator or a stream, and end in one | [`streams`] |
//! | make stages anew when they fail, until it is too often | [`keep()`] |
//! | hold events to a rate, all together or each key by itself | [`rate`] |
//! | let many keys take turns | [`fair`] |
//! | test a stage by playing the other side | [`testing`] |
//!
//! Nothing here does I/O, and nothing is global: stages are values that hold each other by
//! [`Inlet`] and [`Outlet`]. Events in a stage that fails are lost with it, unless its
//! subscription is a redelivering one ([`Outlet::redelivering`]); who needs more keeps them elsewhere
//! until they are settled.

pub mod batch;
pub mod demand;
pub mod dispatch;
pub mod fair;
pub mod rate;
pub mod stage;
pub mod streams;
pub mod supervisor;
pub mod testing;

mod buffer;
mod counts;
mod keep;
mod mailbox;
mod pipeline;
mod reason;
mod subscribe;

/// The guide: its programs are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/stages.md")]
mod guide {}

pub use self::{
    buffer::Keep,
    counts::Counts,
    dispatch::{Broadcast, ByDemand, ByPartition, ByTurns, Dispatcher},
    keep::{Kept, Restarts, keep},
    pipeline::{AnyStage, Ending, Pipeline, Report},
    reason::Reason,
    stage::{
        Asker, Consumer, DemandMode, Emitter, Inlet, Outlet, Producer, StageRef, Transform,
        consumer, producer, transform,
    },
    streams::{EventStream, from_iter, from_stream},
    subscribe::{Cancel, Mode, Parting, Side, Subscribe, SubscribeError, SubscriptionId},
    supervisor::supervisor,
};
