//! The source: the producer that reads the store by lane and decides whose turn it is.
//!
//! ```text
//!   hints ─► Lanes ─── pick(demand) ──► claim ──► events
//!              ▲  │
//!    fetched ──┤  ├─► fetch      lanes that have room and more in the store
//!    settled ──┤  ├─► block      lanes that nobody is there for, or whose endpoint is parked
//!    joined  ──┤  ├─► attempt    endpoints that are to be tried again
//!    left    ──┤  └─► close      messages that expired or were not acknowledged in time
//!    parked  ──┤
//!    opened  ──┘
//! ```
//!
//! [`lanes::Lanes`] is pure: it is told what happened and asked what to do, and knows neither store nor
//! clock. A lane is *resident* while it has something to do; an idle one costs nothing. What is
//! in flight is remembered by lane and sequence until it is settled, so that a fetch never hands
//! the same record out twice and a lane that goes back knows how far.
//!
//! [`SourceStage`] is the thin shell: it turns the wants of the lanes into calls to the store and
//! their answers into events. Claims are written before anything is dispatched, one at a time, so
//! that what comes up meanwhile shares the next one.

mod acks;
mod ahead;
mod audience;
#[cfg(test)]
mod bounded;
mod bounds;
mod clerk;
mod fare;
mod fence;
mod info;
mod keys;
mod landing;
mod lane;
mod lanes;
mod needs;
mod parking;
mod pick;
mod reach;
mod reading;
mod running;
mod seats;
mod stage;
#[cfg(test)]
mod tests;
mod view;
mod walk;
mod why;
#[cfg(test)]
mod world;

pub(crate) use clerk::clerk;
pub(crate) use info::{Held, SourceInfo};
pub(crate) use lane::{Ending, Told};
pub(crate) use lanes::Limits;
pub(crate) use needs::Needs;
pub(crate) use stage::SourceStage;
