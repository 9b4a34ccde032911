//! What a handler holds while it runs: where it emits, and where it asks.

use std::fmt;

use crate::{Reason, SubscriptionId, stage::outbound::Outbound};

/// What a handler wants done at its producers once it has returned.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) asks: Vec<(SubscriptionId, usize)>,
    pub(crate) cancels: Vec<(SubscriptionId, Reason)>,
}

impl Wishes {
    pub(crate) fn is_empty(&self) -> bool {
        self.asks.is_empty() && self.cancels.is_empty()
    }

    /// Asks in a row at one producer are one message to it.
    fn ask(&mut self, subscription: SubscriptionId, n: usize) {
        match self.asks.last_mut() {
            Some((last, asked)) if *last == subscription => *asked += n,
            _ => self.asks.push((subscription, n)),
        }
    }
}

/// Where a handler of a producer or transform puts events.
///
/// Events leave when the handler returns, or at [`flush`](Self::flush). Emitting is always
/// possible, asked for or not: what no consumer wants yet is buffered.
pub struct Emitter<'a, E> {
    outbound: &'a mut Outbound<E>,
    wishes: &'a mut Wishes,
}

impl<'a, E: Send> Emitter<'a, E> {
    pub(crate) fn new(outbound: &'a mut Outbound<E>, wishes: &'a mut Wishes) -> Self {
        Self { outbound, wishes }
    }

    /// The asking half alone, for a consumer: there is nothing it could emit.
    pub(crate) fn asker(&mut self) -> Asker<'_> {
        Asker { wishes: self.wishes }
    }

    /// Emits one event.
    pub fn emit(&mut self, event: E) {
        self.outbound.fresh.push(event);
    }

    /// Emits a batch; where nothing else was emitted before, it travels on as it is.
    pub fn emit_batch(&mut self, mut events: Vec<E>) {
        let fresh = &mut self.outbound.fresh;
        if fresh.is_empty() {
            *fresh = events;
        } else {
            fresh.append(&mut events);
        }
    }

    /// Sends off what was emitted so far, for a handler that goes on for long.
    pub fn flush(&mut self) {
        self.outbound.flush();
    }

    /// How many more events consumers would take now, beyond those emitted already.
    #[must_use]
    pub fn demand(&self) -> usize {
        self.outbound.wanted().saturating_sub(self.outbound.fresh.len())
    }

    /// How many more events of a partition its consumer has asked for, beyond all emitted so far.
    ///
    /// For producers that can choose, such as one that reads a store: who gives each partition of a
    /// [`ByPartition`](crate::ByPartition) no more than this never has a slow one stop the others,
    /// and nothing waits for it in memory. A producer that asks here is asked again for what it
    /// could not give to one that has left. Sends off what was emitted so far, as
    /// [`flush`](Self::flush) does. With another dispatcher it is what [`demand`](Self::demand) says.
    ///
    /// ```
    /// use roundsman::{ByPartition, Emitter, Producer, Reason, Subscribe, streams::EventStream};
    /// use futures_util::{StreamExt, TryStreamExt};
    ///
    /// /// Orders of many users, a queue for each, numbered from 0.
    /// struct Orders { next: Vec<u64> }
    ///
    /// impl Producer for Orders {
    ///     type Event = (usize, u64);
    ///     type Info = ();
    ///
    ///     async fn handle_demand(
    ///         &mut self, _: usize, out: &mut Emitter<'_, (usize, u64)>,
    ///     ) -> Result<(), Reason> {
    ///         for (user, next) in self.next.iter_mut().enumerate() {
    ///             for _ in 0..out.demand_of(user) {
    ///                 out.emit((user, *next));
    ///                 *next += 1;
    ///             }
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let by_user = ByPartition::new(2, |order: &(usize, u64)| Some(order.0));
    /// let orders = roundsman::producer(Orders { next: vec![0, 0] }).dispatcher(by_user).spawn();
    /// // User 0 takes nothing; user 1 goes on for as long as it likes.
    /// let stuck = EventStream::new().subscribe(&orders.outlet.partition(0), Subscribe::default())?;
    /// let user = orders.outlet.partition(1);
    /// let user = EventStream::new().subscribe(&user, Subscribe::default().max_demand(10))?;
    /// let taken: Vec<_> = user.take(100_000).try_collect().await.map_err(|why| why.to_string())?;
    /// assert_eq!(taken.last(), Some(&(1, 99_999)));
    /// # drop(stuck);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn demand_of(&mut self, partition: usize) -> usize {
        self.outbound.wanted_of(partition)
    }

    /// How many events wait in the stage for somebody to ask for them.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.outbound.held()
    }

    /// Asks a producer for `n` more events, on a manual subscription.
    pub fn ask(&mut self, subscription: SubscriptionId, n: usize) {
        self.wishes.ask(subscription, n);
    }

    /// Ends a subscription with a producer; events already on their way are still handled.
    pub fn cancel(&mut self, subscription: SubscriptionId, reason: Reason) {
        self.wishes.cancels.push((subscription, reason));
    }
}

impl<E: Send> Extend<E> for Emitter<'_, E> {
    fn extend<I: IntoIterator<Item = E>>(&mut self, events: I) {
        let fresh = &mut self.outbound.fresh;
        if fresh.is_empty() {
            // In one piece, where it is known how many there are.
            *fresh = events.into_iter().collect();
        } else {
            fresh.extend(events);
        }
    }
}

impl<E: Send> fmt::Debug for Emitter<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter")
            .field("demand", &self.demand())
            .field("buffered", &self.buffered())
            .finish()
    }
}

/// Where a consumer's handler asks for more.
#[derive(Debug)]
pub struct Asker<'a> {
    wishes: &'a mut Wishes,
}

impl Asker<'_> {
    /// Asks a producer for `n` more events, on a manual subscription.
    pub fn ask(&mut self, subscription: SubscriptionId, n: usize) {
        self.wishes.ask(subscription, n);
    }

    /// Ends a subscription; events already on their way are still handled.
    pub fn cancel(&mut self, subscription: SubscriptionId, reason: Reason) {
        self.wishes.cancels.push((subscription, reason));
    }
}
