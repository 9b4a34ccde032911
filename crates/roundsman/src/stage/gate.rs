//! The start gate of a producer: what comes while it accumulates, held in order.

use std::collections::VecDeque;

use crate::{
    Reason, SubscriptionId,
    stage::{behaviour::Behaviour, run::Machine},
};

/// Whether a producer's demand reaches its handler.
///
/// ```
/// use roundsman::{DemandMode, EventStream, Subscribe, from_iter};
/// use futures_util::TryStreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let numbers = roundsman::producer(from_iter(0..3)).accumulate().spawn();
/// let stream = EventStream::new().subscribe(&numbers.outlet, Subscribe::default())?;
/// numbers.set_demand_mode(DemandMode::Forward); // whoever is to be there is there
/// let all: Vec<_> = stream.try_collect().await.map_err(|why| why.to_string())?;
/// assert_eq!(all, [0, 1, 2]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DemandMode {
    /// It does.
    #[default]
    Forward,
    /// Asks, emitted events and infos in order are held, in the order they came, until the
    /// producer is told to forward. For consumers that are to begin together.
    Accumulate,
}

/// Something that waits for the gate to open.
pub(crate) enum Held<E> {
    Ask(SubscriptionId, usize),
    Events(Vec<E>),
    /// The oldest of the infos that wait with the machine.
    Info,
}

/// Held things in order; open where there is no list.
pub(crate) struct Gate<E> {
    held: Option<VecDeque<Held<E>>>,
}

impl<E> Gate<E> {
    pub(crate) fn new(mode: DemandMode) -> Self {
        let mut gate = Self { held: None };
        if mode == DemandMode::Accumulate {
            gate.close();
        }
        gate
    }

    /// Closing it twice changes nothing.
    pub(crate) fn close(&mut self) {
        self.held.get_or_insert_default();
    }

    pub(crate) fn open(&mut self) -> VecDeque<Held<E>> {
        self.held.take().unwrap_or_default()
    }

    /// Holds `what` if the gate is closed, or gives it back.
    #[inline]
    pub(crate) fn hold(&mut self, what: Held<E>) -> Option<Held<E>> {
        match &mut self.held {
            Some(held) => {
                held.push_back(what);
                None
            }
            None => Some(what),
        }
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.held.is_some()
    }

    pub(crate) fn held_events(&self) -> impl Iterator<Item = &E> {
        self.held.iter().flatten().flat_map(|held| match held {
            Held::Events(events) => events.as_slice(),
            _ => &[],
        })
    }

    #[inline]
    pub(crate) fn events(&self) -> usize {
        let count = |held: &Held<E>| if let Held::Events(events) = held { events.len() } else { 0 };
        self.held.iter().flatten().map(count).sum()
    }
}

impl<B: Behaviour> Machine<B> {
    pub(crate) async fn set_mode(&mut self, mode: DemandMode) -> Result<(), Reason> {
        match mode {
            DemandMode::Accumulate => self.outbound.gate.close(),
            DemandMode::Forward => self.replay().await?,
        }
        Ok(())
    }

    /// Lets what was held happen, one thing after the other: asks are not added up.
    async fn replay(&mut self) -> Result<(), Reason> {
        for held in self.outbound.gate.open() {
            match held {
                Held::Ask(subscription, n) => self.outbound.ask(subscription, n),
                Held::Events(events) => self.outbound.replay(events),
                Held::Info => {
                    if let Some(info) = self.gated.pop_front() {
                        self.mark(info);
                    }
                }
            }
            self.advance().await?;
        }
        Ok(())
    }
}
