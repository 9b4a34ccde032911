//! A consumer that starts one task for each event.
//!
//! ```text
//!   events ──►  ┌ supervisor ────────────┐
//!               │  task  task  task  …   │   at most max_demand of a subscription at once
//!   ◄── ask(n)  └───┬─────┬──────────────┘
//!                   ▼     ▼  ended: counted, and asked for again once min_demand have
//! ```
//!
//! It asks for `max_demand` when subscribed. Each task that ends makes room for one event; when
//! at least `min_demand` places are free it asks for exactly as many. So with 10 and 8 between 2
//! and 10 tasks run, and with a minimum of 0 every end is an ask. A task that is started again
//! keeps its place.
//!
//! A task that fails or panics harms no other. Unless told otherwise it is gone;
//! [`SupervisorPlan::restart_failed`] starts it again with the same event, and ends the
//! supervisor when that happens too often. Tasks outlive the producer their events came from.
//!
//! Tasks that need something of their own, a connection for instance, share a few of them, set up
//! once and torn down at the end: [`workers`].
//!
//! How the supervisor itself ends: drained, it waits for its tasks and ends; stopped or failed,
//! it gives them what [`Shutdown`] says. The runtime's end ends all.

mod child;
mod plan;
mod tasks;
mod worker;

pub use self::{
    child::ChildId,
    plan::{Shutdown, SupervisorPlan, SupervisorStage, supervisor},
    worker::{Worker, workers},
};
