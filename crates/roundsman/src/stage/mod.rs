//! Stages: producers, transforms and consumers, and what runs them.
//!
//! A stage is one task with one mailbox, and handles one thing at a time. What reaches it from
//! outside is mail: events and partings from its producers, asks from its consumers, infos from
//! whoever holds a [`StageRef`]. All of it is in one order, so an info sent after events is
//! handled after them, and a producer's end comes after the last events it sent.
//!
//! ```text
//!             Inlet                    StageRef                   Outlet
//!   events, partings │  ▲ asks          │ infos, stop      asks, joins │  ▲ events
//!                    ▼  │               ▼                              ▼  │
//!              ┌─ inbound ─────────── behaviour ──────────────────── outbound ─┐
//!              │  subscriptions       your handlers      debt, dispatcher,     │
//!              │  ledgers, queue                         buffer, subscribers   │
//!              └───────────────────────────────────────────────────────────────┘
//! ```
//!
//! How a stage ends:
//!
//! | what happens | what the stage does |
//! | --- | --- |
//! | a handler returns `Err(Reason::Normal)` | lets its buffer leave, then ends |
//! | a handler returns another error, or panics | ends at once |
//! | a permanent subscription ends in an orderly way, or [`StageRef::drain`] | drains: asks nothing more, handles what was sent, calls `handle_drain`, lets its buffer leave, ends |
//! | a permanent or transient one ends otherwise | ends at once, for the same reason |
//! | [`StageRef::stop`] | ends at once |
//! | [`StageRef::kill`], or its runtime shuts down | ends as [`Reason::Killed`](crate::Reason::Killed) |
//!
//! In each case `terminate` has run (but for the last), peers are told the reason, and
//! [`StageRef::ended`] returns it.

mod behaviour;
mod consumer;
mod emitter;
mod gate;
mod handle;
pub(crate) mod inbound;
mod mail;
mod outbound;
mod plan;
pub(crate) mod port;
mod producer;
mod run;
mod transform;

pub use self::{
    consumer::Consumer,
    emitter::{Asker, Emitter},
    gate::DemandMode,
    handle::{Inlet, Outlet, StageRef},
    plan::{
        ConsumerPlan, ConsumerStage, ProducerPlan, ProducerStage, TransformPlan, TransformStage,
        consumer, producer, transform,
    },
    producer::Producer,
    transform::Transform,
};
