//! The dispatcher that routes each event to the partition it belongs to.

use std::{
    fmt,
    hash::{BuildHasher, Hash},
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::{
    Deliver, Dispatcher, Joining, Park, Partition,
    lane::{Full, Lane},
};
use crate::{Reason, SubscriptionId};

/// How many events a partition may have waiting before the producer is asked for no more.
const WAITING: usize = 1000;

/// Gives each event to the one consumer of its partition, in order.
///
/// A consumer names its partition with [`Outlet::partition`](crate::Outlet::partition); one that
/// names none, one that does not exist, or one that is taken, is refused, and nobody else
/// notices. Events of a partition without a consumer wait for it, and so do those of one whose
/// consumer left.
///
/// # When a partition is slow
///
/// It never stops the others where one of three things holds. What waits is in memory up to
/// [`waiting`](Self::waiting) for each partition (one dispatch may exceed that, which is never more
/// than was asked for).
///
/// - The producer chooses: it gives a partition no more than
///   [`Emitter::demand_of`](crate::Emitter::demand_of) says. Then nothing waits here at all, and
///   what a slow partition has not asked for stays where it is safe.
/// - It cannot choose, as an iterator cannot, and what is beyond goes to a [`park`](Self::park) from
///   which it comes back in order.
/// - Likewise, and it is handed to [`spill`](Self::spill), never to come back.
///
/// Without any of these the next event may be for the full partition, and there is nowhere to put
/// it: nothing more is wanted until that has room.
///
/// An event that the routing gives no partition is dropped, and costs nobody any demand.
///
/// ```
/// use roundsman::{Subscribe, dispatch::ByPartition, from_iter, streams::EventStream};
/// use futures_util::{StreamExt, TryStreamExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let parity = ByPartition::named(["even", "odd"], |n: &usize| Some(n % 2));
/// let numbers = roundsman::producer(from_iter(0..10)).dispatcher(parity).spawn();
/// let odd = numbers.outlet.partition("odd");
/// let odd = EventStream::new().subscribe(&odd, Subscribe::default())?;
/// let odd: Vec<usize> = odd.take(5).try_collect().await.map_err(|why| why.to_string())?;
/// assert_eq!(odd, [1, 3, 5, 7, 9]);
/// # Ok(())
/// # }
/// ```
pub struct ByPartition<E, R> {
    route: R,
    lanes: Vec<Lane<E>>,
    by_name: FxHashMap<Partition, usize>,
    by_subscription: FxHashMap<SubscriptionId, usize>,
    /// All demand there is; zero in lanes where events wait.
    open: usize,
    waiting: usize,
    held: usize,
    /// How many lanes have as many events waiting as they may.
    full: usize,
    when_full: Full<E>,
    /// The lanes that the dispatch that is going on has something for.
    touched: Vec<usize>,
    /// How many events were ever dispatched; numbers those that wait.
    dispatched: u64,
    queues: Queues,
}

/// How many events wait in each partition of a [`ByPartition`], readable while it runs.
#[derive(Clone, Debug)]
pub struct Queues(Arc<[AtomicUsize]>);

impl Queues {
    /// How many events wait in this partition; none in one that does not exist.
    #[must_use]
    pub fn waiting(&self, partition: usize) -> usize {
        self.0.get(partition).map_or(0, |queue| queue.load(Relaxed))
    }

    /// How many wait in each, in the order of the partitions.
    pub fn all(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().map(|queue| queue.load(Relaxed))
    }

    fn set(&self, partition: usize, events: usize) {
        if let Some(queue) = self.0.get(partition) {
            queue.store(events, Relaxed);
        }
    }
}

/// [`ByPartition`] over `n` partitions, each event to the one its hash falls on: equal events go
/// the same way.
///
/// ```
/// use roundsman::{Subscribe, dispatch::by_hash, from_iter};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let names = roundsman::producer(from_iter(["ann", "bob", "ann"])).dispatcher(by_hash(2)).spawn();
/// for partition in 0..2 {
///     let tasks = roundsman::supervisor(|_name: &str| async { Ok(()) }).spawn();
///     tasks.inlet.subscribe(&names.outlet.partition(partition), Subscribe::default())?;
/// }
/// names.stage.ended().await; // each name had one and the same consumer
/// # Ok(())
/// # }
/// ```
pub fn by_hash<E: Hash>(n: usize) -> ByPartition<E, impl Fn(&E) -> Option<usize>> {
    ByPartition::new(n, move |event: &E| {
        // The high bits are the good ones of this hash; a remainder would use the low.
        usize::try_from((u128::from(FxBuildHasher.hash_one(event)) * n as u128) >> 64).ok()
    })
}

impl<E, R: Fn(&E) -> Option<usize>> ByPartition<E, R> {
    /// Partitions `0..n`; `route` gives each event's, or nothing to drop it.
    ///
    /// An event routed to a number that does not exist is dropped too, with a warning.
    pub fn new(n: usize, route: R) -> Self {
        Self::with_names((0..n).map(Partition::Number), route)
    }

    /// Partitions by name; `route` gives the place in the list of names.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>, route: R) -> Self {
        Self::with_names(names.into_iter().map(Partition::from), route)
    }

    /// Lets `events` wait in each partition, 1000 unless told otherwise.
    #[must_use]
    pub fn waiting(mut self, events: usize) -> Self {
        self.waiting = events.max(1);
        self
    }

    /// Hands what a full partition has no room for to `spill`, with the partition's number: it is
    /// the caller's from there on. The other partitions go on.
    #[must_use]
    pub fn spill(mut self, spill: impl FnMut(usize, E) + Send + 'static) -> Self {
        self.when_full = Full::Spill(Box::new(spill));
        self
    }

    /// Parks what a full partition has no room for, and takes it back when the partition has come
    /// that far: all of it is still delivered, in order. The other partitions go on.
    #[must_use]
    pub fn park(mut self, park: impl Park<E> + 'static) -> Self {
        self.when_full = Full::Park(Box::new(park));
        self
    }

    /// Counters of what waits in each partition, to be kept before the dispatcher is given away.
    ///
    /// ```
    /// use roundsman::{ByPartition, from_iter};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let by_parity = ByPartition::new(2, |n: &usize| Some(n % 2)).waiting(100);
    /// let queues = by_parity.queues();
    /// let numbers = roundsman::producer(from_iter(0..10)).dispatcher(by_parity).spawn();
    /// assert_eq!(queues.all().collect::<Vec<_>>(), [0, 0]); // nobody has asked yet
    /// # drop(numbers);
    /// # }
    /// ```
    #[must_use]
    pub fn queues(&self) -> Queues {
        self.queues.clone()
    }

    fn with_names(names: impl Iterator<Item = Partition>, route: R) -> Self {
        let names: Vec<_> = names.collect();
        Self {
            route,
            lanes: names.iter().map(|_| Lane::new()).collect(),
            queues: Queues(names.iter().map(|_| AtomicUsize::new(0)).collect()),
            by_name: names.into_iter().zip(0..).collect(),
            by_subscription: FxHashMap::default(),
            open: 0,
            waiting: WAITING,
            held: 0,
            full: 0,
            when_full: Full::Hold,
            touched: Vec::new(),
            dispatched: 0,
        }
    }

    /// The number of the partition that a new subscription is for.
    fn claimed(&self, joining: &Joining<E>) -> Result<usize, Reason> {
        let refuse = |why: String| Reason::Refused(Arc::from(why));
        let Some(name) = &joining.place.partition else {
            return Err(refuse("the subscription names no partition, and must".to_owned()));
        };
        let Some(&number) = self.by_name.get(name) else {
            return Err(refuse(format!("there is no partition {name}")));
        };
        if self.lanes[number].subscription.is_some() {
            return Err(refuse(format!("partition {name} has a consumer already")));
        }
        Ok(number)
    }

    /// Gives each lane its share of what came.
    fn share_out(&mut self, events: Vec<E>) {
        let even = events.len().div_ceil(self.lanes.len().max(1));
        for event in events {
            let Some(number) = (self.route)(&event) else { continue };
            let Some(lane) = self.lanes.get_mut(number) else {
                tracing::warn!(partition = number, "an event for a partition that does not exist");
                continue;
            };
            if lane.arriving.is_empty() {
                self.touched.push(number);
                lane.arriving.reserve(even);
            }
            lane.arriving.push(event);
        }
    }

    /// Delivers of a lane's share what it has demand for, and has the rest wait.
    fn arrive(&mut self, number: usize, dispatch: u64, deliver: Deliver<'_, E>) {
        let lane = &mut self.lanes[number];
        if let Some((subscription, events)) = lane.deliverable() {
            self.open -= events.len();
            deliver(subscription, events);
        }
        if !lane.arriving.is_empty() {
            self.count(number, |lane, waiting, full| lane.keep(number, dispatch, waiting, full));
        }
    }

    /// Delivers what waits in a lane, as far as there is demand.
    fn unqueue(&mut self, number: usize, deliver: Deliver<'_, E>) {
        let lane = &self.lanes[number];
        if lane.demand > 0
            && lane.waiting() > 0
            && let Some(subscription) = lane.subscription
        {
            let events = self.count(number, |lane, waiting, full| lane.take(number, waiting, full));
            self.open -= events.len();
            deliver(subscription, events);
        }
    }

    /// Changes what waits in a lane, and keeps the counts true.
    fn count<T>(
        &mut self,
        number: usize,
        change: impl FnOnce(&mut Lane<E>, usize, &mut Full<E>) -> T,
    ) -> T {
        let lane = &mut self.lanes[number];
        self.held -= lane.waiting();
        self.full -= usize::from(lane.is_full);
        let answer = change(lane, self.waiting, &mut self.when_full);
        self.held += lane.waiting();
        self.full += usize::from(lane.is_full);
        self.queues.set(number, lane.waiting());
        answer
    }
}

impl<E: Send, R: Fn(&E) -> Option<usize> + Send> Dispatcher<E> for ByPartition<E, R> {
    fn subscribe(&mut self, joining: &Joining<E>) -> Result<(), Reason> {
        let number = self.claimed(joining)?;
        self.lanes[number].subscription = Some(joining.subscription);
        self.by_subscription.insert(joining.subscription, number);
        Ok(())
    }

    fn cancel(&mut self, subscription: SubscriptionId) {
        if let Some(number) = self.by_subscription.remove(&subscription) {
            let lane = &mut self.lanes[number];
            lane.subscription = None;
            self.open -= mem::take(&mut lane.demand);
        }
    }

    fn ask(&mut self, subscription: SubscriptionId, n: usize, deliver: Deliver<'_, E>) {
        if let Some(&number) = self.by_subscription.get(&subscription) {
            self.lanes[number].demand += n;
            self.open += n;
            self.unqueue(number, deliver);
        }
    }

    fn wanted(&self) -> usize {
        if self.full > 0 && matches!(self.when_full, Full::Hold) { 0 } else { self.open }
    }

    fn wanted_of(&self, partition: usize, before: &mut dyn Iterator<Item = &E>) -> usize {
        let demand = self.lanes.get(partition).map_or(0, |lane| lane.demand);
        demand.saturating_sub(before.filter(|event| (self.route)(event) == Some(partition)).count())
    }

    fn dispatch(&mut self, events: Vec<E>, deliver: Deliver<'_, E>) {
        let dispatch = self.dispatched;
        self.dispatched += events.len() as u64;
        self.share_out(events);
        let mut touched = mem::take(&mut self.touched);
        for number in touched.drain(..) {
            self.arrive(number, dispatch, deliver);
        }
        self.touched = touched;
    }

    /// They wait in their partition, before what waits there already.
    fn take_back(&mut self, subscription: SubscriptionId, events: Vec<E>) -> Vec<E> {
        let Some(&number) = self.by_subscription.get(&subscription) else { return events };
        self.count(number, |lane, _, _| lane.put_back(events));
        Vec::new()
    }

    fn held(&self, before: u64) -> usize {
        if self.held == 0 || before >= self.dispatched {
            return self.held;
        }
        self.lanes.iter().map(|lane| lane.held(before)).sum()
    }
}

impl<E, R> fmt::Debug for ByPartition<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByPartition")
            .field("partitions", &self.lanes.len())
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}
