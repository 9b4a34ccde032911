//! The dispatcher that routes each event to the partition it belongs to.

use std::{
    collections::VecDeque,
    fmt,
    hash::{BuildHasher, Hash},
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::{Deliver, Dispatcher, Joining, Partition};
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
/// A partition that is slower than its share has its events wait here while the others go on.
/// They go on until it has as many waiting as [`waiting`](Self::waiting) allows (one dispatch
/// may exceed that); then, since the next event may be for it, nothing more is wanted, unless
/// there is somewhere to [`spill`](Self::spill) to.
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
    spill: Option<Spill<E>>,
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

type Spill<E> = Box<dyn FnMut(usize, E) + Send>;

/// [`ByPartition`] over `n` partitions, each event to the one its hash falls on: equal events go
/// the same way.
pub fn by_hash<E: Hash>(n: usize) -> ByPartition<E, impl Fn(&E) -> Option<usize>> {
    ByPartition::new(n, move |event: &E| {
        // The high bits are the good ones of this hash; a remainder would use the low.
        usize::try_from((u128::from(FxBuildHasher.hash_one(event)) * n as u128) >> 64).ok()
    })
}

/// A partition. Either it has demand or it has events waiting, never both.
struct Lane<E> {
    subscription: Option<SubscriptionId>,
    demand: usize,
    queue: VecDeque<E>,
    /// How many of those in the queue came with each dispatch, by how many events went before it.
    runs: VecDeque<(u64, usize)>,
    /// To be delivered at the end of the dispatch that is going on.
    ready: Vec<E>,
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

    /// Hands what a full partition has no room for to `spill`, with the partition's number,
    /// instead of holding up the others.
    #[must_use]
    pub fn spill(mut self, spill: impl FnMut(usize, E) + Send + 'static) -> Self {
        self.spill = Some(Box::new(spill));
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
            spill: None,
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

    fn route(&mut self, event: E, dispatch: u64) {
        let Some(number) = (self.route)(&event) else { return };
        let Some(lane) = self.lanes.get_mut(number) else {
            tracing::warn!(partition = number, "an event for a partition that does not exist");
            return;
        };
        if lane.ready.len() < lane.demand {
            if lane.ready.is_empty() {
                self.touched.push(number);
            }
            lane.ready.push(event);
            return;
        }
        if let Some(spill) = &mut self.spill
            && lane.queue.len() >= self.waiting
        {
            spill(number, event);
            return;
        }
        lane.queue.push_back(event);
        match lane.runs.back_mut() {
            Some((same, n)) if *same == dispatch => *n += 1,
            _ => lane.runs.push_back((dispatch, 1)),
        }
        self.held += 1;
        self.queues.set(number, lane.queue.len());
        self.full += usize::from(lane.queue.len() == self.waiting);
    }

    /// Delivers what waits in a lane, as far as there is demand.
    fn unqueue(&mut self, number: usize, deliver: Deliver<'_, E>) {
        let lane = &mut self.lanes[number];
        let n = lane.demand.min(lane.queue.len());
        if n > 0
            && let Some(subscription) = lane.subscription
        {
            let was_full = lane.queue.len() >= self.waiting;
            let events = lane.take(n);
            self.queues.set(number, lane.queue.len());
            self.full -= usize::from(was_full && lane.queue.len() < self.waiting);
            self.held -= n;
            lane.demand -= n;
            self.open -= n;
            deliver(subscription, events);
        }
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
        if self.full > 0 && self.spill.is_none() { 0 } else { self.open }
    }

    fn dispatch(&mut self, events: Vec<E>, deliver: Deliver<'_, E>) {
        let dispatch = self.dispatched;
        self.dispatched += events.len() as u64;
        for event in events {
            self.route(event, dispatch);
        }
        for number in self.touched.drain(..) {
            let lane = &mut self.lanes[number];
            let next = Vec::with_capacity(lane.ready.len());
            let ready = mem::replace(&mut lane.ready, next);
            lane.demand -= ready.len();
            self.open -= ready.len();
            if let Some(subscription) = lane.subscription {
                deliver(subscription, ready);
            }
        }
    }

    /// They wait in their partition, before what waits there already.
    fn take_back(&mut self, subscription: SubscriptionId, events: Vec<E>) -> Vec<E> {
        let Some(&number) = self.by_subscription.get(&subscription) else { return events };
        let lane = &mut self.lanes[number];
        let was_full = lane.queue.len() >= self.waiting;
        self.held += events.len();
        lane.runs.push_front((0, events.len()));
        for event in events.into_iter().rev() {
            lane.queue.push_front(event);
        }
        self.queues.set(number, lane.queue.len());
        self.full += usize::from(!was_full && lane.queue.len() >= self.waiting);
        Vec::new()
    }

    fn held(&self, before: u64) -> usize {
        if self.held == 0 || before >= self.dispatched {
            return self.held;
        }
        let runs = self.lanes.iter().flat_map(|lane| &lane.runs);
        runs.filter(|(dispatch, _)| *dispatch < before).map(|(_, n)| n).sum()
    }
}

impl<E> Lane<E> {
    fn new() -> Self {
        Self {
            subscription: None,
            demand: 0,
            queue: VecDeque::new(),
            runs: VecDeque::new(),
            ready: Vec::new(),
        }
    }

    /// The oldest `n` of the queue.
    fn take(&mut self, n: usize) -> Vec<E> {
        let mut left = n;
        while let Some((_, run)) = self.runs.front_mut()
            && left > 0
        {
            let of_this = left.min(*run);
            left -= of_this;
            *run -= of_this;
            if *run == 0 {
                self.runs.pop_front();
            }
        }
        self.queue.drain(..n).collect()
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
