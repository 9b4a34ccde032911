//! Who gets the next events: the [`Dispatcher`] trait and those that come with the library.
//!
//! A dispatcher is plain state: it knows who asked for how much and deals events out. It does not
//! know the buffer, the producer's handler, or what was asked upstream; the stage keeps those
//! and rests on two rules, which hold for every dispatcher:
//!
//! 1. [`wanted`](Dispatcher::wanted) is how many events it can place *now*. Only that many are
//!    ever handed to it, so it never has to give any back.
//! 2. New upstream demand is worked out from `wanted` alone (see [`demand`](crate::demand)). A
//!    dispatcher that throws an event away simply still wants as much as before, and the stage
//!    asks again for it.
//!
//! Returning leftovers and released demand from each call, as other designs do, makes every
//! dispatcher keep books that must agree with the stage's, and they drift.
//!
//! | dispatcher | an event goes to |
//! | --- | --- |
//! | [`ByDemand`] | the consumer that has asked for most |
//! | [`Broadcast`] | every consumer, or every one whose selector picks it |
//! | [`ByPartition`] | the consumer of the partition it belongs to |
//! | [`ByTurns`] | as [`ByDemand`]; which event is next, keys decide by taking turns |

mod broadcast;
mod by_demand;
mod by_partition;
mod by_turns;
mod lane;
mod park;
mod place;

pub use self::{
    broadcast::Broadcast,
    by_demand::ByDemand,
    by_partition::{ByPartition, Queues, by_hash},
    by_turns::ByTurns,
    park::Park,
    place::{Partition, Place, Selector},
};

use crate::{Reason, SubscriptionId};

/// What a dispatcher learns about a new subscription.
#[derive(Debug)]
pub struct Joining<E> {
    /// The subscription, by the producer's id.
    pub subscription: SubscriptionId,
    /// The consuming stage; equal for two subscriptions of one stage.
    pub consumer: StageId,
    /// The `max_demand` of its terms.
    pub max_demand: usize,
    /// What of the events it is for.
    pub place: Place<E>,
}

/// Tells stages apart while they live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StageId(pub(crate) usize);

impl StageId {
    /// An id with this number, for tests of a dispatcher of one's own.
    #[must_use]
    pub fn from_number(number: usize) -> Self {
        Self(number)
    }
}

/// Where a dispatcher puts the events that are for a subscription.
pub type Deliver<'a, E> = &'a mut (dyn FnMut(SubscriptionId, Vec<E>) + Send);

/// Decides which consumer gets which events.
///
/// # For the one who implements it
///
/// Keep `wanted` cheap: the stage looks at it after every message. Hand events on in the `Vec`
/// they came in where they all go one way; nothing is copied then.
///
/// ```
/// use roundsman::{
///     Dispatcher, Mode, Reason, Subscribe, SubscriptionId, dispatch::{Deliver, Joining}, from_iter,
///     testing::Probe,
/// };
///
/// /// All to the one consumer that came first; others get nothing.
/// #[derive(Default)]
/// struct First { who: Option<SubscriptionId>, demand: usize }
///
/// impl<E: Send> Dispatcher<E> for First {
///     fn subscribe(&mut self, joining: &Joining<E>) -> Result<(), Reason> {
///         self.who.get_or_insert(joining.subscription);
///         Ok(())
///     }
///
///     fn cancel(&mut self, subscription: SubscriptionId) {
///         if self.who == Some(subscription) {
///             *self = Self::default();
///         }
///     }
///
///     fn ask(&mut self, subscription: SubscriptionId, n: usize, _: Deliver<'_, E>) {
///         self.demand += if self.who == Some(subscription) { n } else { 0 };
///     }
///
///     fn wanted(&self) -> usize {
///         self.demand
///     }
///
///     fn dispatch(&mut self, events: Vec<E>, deliver: Deliver<'_, E>) {
///         self.demand -= events.len();
///         if let Some(who) = self.who {
///             deliver(who, events);
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let numbers = roundsman::producer(from_iter(0..3)).dispatcher(First::default()).spawn();
/// let (probe, mut saw) = Probe::new(Mode::Automatic);
/// let consumer = roundsman::consumer(probe).spawn();
/// consumer.inlet.subscribe(&numbers.outlet, Subscribe::default())?;
/// assert_eq!(saw.events(3).await, [0, 1, 2]);
/// # Ok(())
/// # }
/// ```
pub trait Dispatcher<E>: Send {
    /// Takes in a new subscription, with a demand of 0.
    ///
    /// # Errors
    /// The subscription is cancelled for the reason; the producer lives on.
    fn subscribe(&mut self, joining: &Joining<E>) -> Result<(), Reason>;

    /// Forgets a subscription and what it asked for. Unknown ones are none of its business.
    fn cancel(&mut self, subscription: SubscriptionId);

    /// A consumer asks for `n` more events; what is held for it may be delivered at once.
    fn ask(&mut self, subscription: SubscriptionId, n: usize, deliver: Deliver<'_, E>);

    /// How many events it can place now.
    fn wanted(&self) -> usize;

    /// How many events of a partition its consumer wants, beyond those `before` that are on their
    /// way to here; all that is wanted, where there are no partitions.
    fn wanted_of(&self, partition: usize, before: &mut dyn Iterator<Item = &E>) -> usize {
        let _ = partition;
        self.wanted().saturating_sub(before.count())
    }

    /// Places all of `events`, in order; there are never more than [`wanted`](Self::wanted).
    fn dispatch(&mut self, events: Vec<E>, deliver: Deliver<'_, E>);

    /// A consumer did not finish these, the oldest first, and is about to be cancelled; it asked
    /// for its unfinished events to be given to another. Returns those that are to go to the front
    /// of the stage's buffer, to be dispatched anew; all of them unless a dispatcher keeps its own
    /// order.
    fn take_back(&mut self, subscription: SubscriptionId, events: Vec<E>) -> Vec<E> {
        let _ = subscription;
        events
    }

    /// How many of the first `before` events ever dispatched it still holds itself.
    ///
    /// A message that must not overtake events waits until those before it are gone.
    fn held(&self, before: u64) -> usize {
        let _ = before;
        0
    }
}

/// A dispatcher chosen at run time.
impl<E> Dispatcher<E> for Box<dyn Dispatcher<E>> {
    fn subscribe(&mut self, joining: &Joining<E>) -> Result<(), Reason> {
        (**self).subscribe(joining)
    }

    fn cancel(&mut self, subscription: SubscriptionId) {
        (**self).cancel(subscription);
    }

    fn ask(&mut self, subscription: SubscriptionId, n: usize, deliver: Deliver<'_, E>) {
        (**self).ask(subscription, n, deliver);
    }

    fn wanted(&self) -> usize {
        (**self).wanted()
    }

    fn wanted_of(&self, partition: usize, before: &mut dyn Iterator<Item = &E>) -> usize {
        (**self).wanted_of(partition, before)
    }

    fn dispatch(&mut self, events: Vec<E>, deliver: Deliver<'_, E>) {
        (**self).dispatch(events, deliver);
    }

    fn take_back(&mut self, subscription: SubscriptionId, events: Vec<E>) -> Vec<E> {
        (**self).take_back(subscription, events)
    }

    fn held(&self, before: u64) -> usize {
        (**self).held(before)
    }
}
