//! How demand is counted, on both sides of a subscription. Pure arithmetic: no channel, no clock.
//!
//! ```text
//!   consumer                                   producer
//!   Ledger: d events asked and not yet come    Debt: events asked of the handler, not yet emitted
//!      │  ask(n) ──────────────────────────────►  the dispatcher adds n to what it wants
//!      │                                          wanted − debt − buffered  is new: handle_demand
//!      ◄─────────────────────────────── events ┘  whatever is emitted pays the debt
//! ```
//!
//! The consumer's side ([`Ledger`]) cuts what arrives into slices and says after which slice to
//! ask again. The producer's side ([`Debt`]) holds the one number that keeps demand conserved
//! when consumers come, leave, or throw events away: what the handler has been asked for and has
//! not met. It never depends on which dispatcher is at work, so no dispatcher can get it wrong.
//! Where a consumer has several producers with weights, turns say whose events it handles next.

mod debt;
mod ledger;
#[cfg(test)]
mod model;
mod turn;

pub use self::ledger::{Ledger, Slice};
pub(crate) use self::{
    debt::Debt,
    turn::{Turn, Turns},
};
