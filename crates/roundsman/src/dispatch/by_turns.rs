//! The fair dispatcher: keys take turns, however much each has to say.

use std::{collections::VecDeque, fmt, hash::Hash};

use rustc_hash::FxHashMap;

use super::{ByDemand, Deliver, Dispatcher, Joining};
use crate::{
    Reason, SubscriptionId,
    fair::{Account, Policy, Scheduler, Terms},
};

/// How many events may wait for their turn.
const WAITING: usize = 1000;

/// Gives the next events to whoever has asked for most, as [`ByDemand`]; which ones those are, the
/// keys decide by taking turns, within their weights.
///
/// The producer is asked for [`waiting`](Self::waiting) events more than were asked for here, so
/// that there is something to choose from: as far as that reaches, one key's many do not keep
/// the few of another waiting. Events of one key stay in order. Who holds more than that somewhere
/// else does better to ask a [`Scheduler`] whose event to take from there.
///
/// ```
/// use roundsman::{Subscribe, dispatch::ByTurns, from_iter, streams::EventStream};
/// use futures_util::{StreamExt, TryStreamExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Ninety of one user, and behind them two of another.
/// let events = (0..90).map(|n| ("noisy", n)).chain([("quiet", 1), ("quiet", 2)]);
/// let turns = ByTurns::new(|event: &(&str, i32)| event.0);
/// let events = roundsman::producer(from_iter(events)).dispatcher(turns).spawn();
/// let terms = Subscribe::default().max_demand(4).min_demand(2);
/// let stream = EventStream::new().subscribe(&events.outlet, terms)?;
/// let first: Vec<_> = stream.take(8).try_collect().await.map_err(|why| why.to_string())?;
/// assert!(first.contains(&("quiet", 2)), "{first:?}");
/// # Ok(())
/// # }
/// ```
pub struct ByTurns<E, P> {
    path: Told<E, Vec<P>>,
    cost: Told<E, u64>,
    turns: Scheduler<P>,
    /// Events that wait for their turn, with their numbers.
    queues: FxHashMap<Account, VecDeque<(u64, E)>>,
    held: usize,
    waiting: usize,
    /// How many events were ever dispatched; numbers those that wait.
    dispatched: u64,
    consumers: ByDemand,
}

/// What is said of an event.
type Told<E, T> = Box<dyn Fn(&E) -> T + Send>;

impl<E, P: Clone + Eq + Hash> ByTurns<E, P> {
    /// Keys of one part, as `key` says; every event costs the same.
    pub fn new(key: impl Fn(&E) -> P + Send + 'static) -> Self {
        Self::nested(move |event| vec![key(event)])
    }

    /// Keys that are paths, widest part first: a team's part is shared by its users.
    pub fn nested(path: impl Fn(&E) -> Vec<P> + Send + 'static) -> Self {
        Self {
            path: Box::new(path),
            cost: Box::new(|_| COST),
            turns: Scheduler::new(Policy::new(Terms::FREE), u32::MAX),
            queues: FxHashMap::default(),
            held: 0,
            waiting: WAITING,
            dispatched: 0,
            consumers: ByDemand::new(),
        }
    }

    /// Lets keys pay what `cost` says of an event, its size for instance, in place of one each.
    #[must_use]
    pub fn cost(mut self, cost: impl Fn(&E) -> u64 + Send + 'static) -> Self {
        self.cost = Box::new(cost);
        self
    }

    /// Goes by this policy. What takes time to tell is no use here: an event is served once it is
    /// dispatched, so that caps are never reached, and there is no clock for rates.
    #[must_use]
    pub fn policy(mut self, policy: Policy<P>) -> Self {
        self.turns.set_policy(policy);
        self
    }

    /// Lets so many events wait here, 1000 unless told otherwise.
    #[must_use]
    pub fn waiting(mut self, events: usize) -> Self {
        self.waiting = events.max(1);
        self
    }

    fn push(&mut self, event: E) {
        let path = (self.path)(&event);
        let account = self.turns.open(self.turns.root(), &path);
        let queue = self.queues.entry(account).or_default();
        if !queue.is_empty() {
            // It is open already, as long as something of it waits.
            self.turns.close(account);
        }
        queue.push_back((self.dispatched, event));
        self.turns.ready(account, 0);
        self.held += 1;
        self.dispatched += 1;
    }

    fn pull(&mut self) -> Option<E> {
        let account = self.turns.next(0)?;
        let queue = self.queues.get_mut(&account)?;
        let (_, event) = queue.pop_front()?;
        let is_last = queue.is_empty();
        let charged = self.turns.start(account, Some((self.cost)(&event)), 0);
        self.turns.settle(account, charged, charged, 0);
        if is_last {
            self.queues.remove(&account);
            self.turns.rest(account);
            self.turns.close(account);
        }
        self.held -= 1;
        Some(event)
    }

    /// As many as were asked for, in turns.
    fn deal(&mut self, deliver: Deliver<'_, E>)
    where
        ByDemand: Dispatcher<E>,
    {
        let n = Dispatcher::<E>::wanted(&self.consumers).min(self.held);
        let events: Vec<E> = (0..n).map_while(|_| self.pull()).collect();
        if !events.is_empty() {
            self.consumers.dispatch(events, deliver);
        }
    }
}

/// What an event costs where nothing else is said.
const COST: u64 = 1000;

impl<E, P: Clone + Eq + Hash + Send + Sync> Dispatcher<E> for ByTurns<E, P>
where
    E: Send,
{
    fn subscribe(&mut self, joining: &Joining<E>) -> Result<(), Reason> {
        self.consumers.subscribe(joining)
    }

    fn cancel(&mut self, subscription: SubscriptionId) {
        Dispatcher::<E>::cancel(&mut self.consumers, subscription);
    }

    fn ask(&mut self, subscription: SubscriptionId, n: usize, deliver: Deliver<'_, E>) {
        self.consumers.ask(subscription, n, deliver);
        self.deal(deliver);
    }

    fn wanted(&self) -> usize {
        let asked = Dispatcher::<E>::wanted(&self.consumers);
        // Nobody is there: nothing is fetched for them to choose from.
        if asked == 0 && self.held == 0 {
            0
        } else {
            (asked + self.waiting).saturating_sub(self.held)
        }
    }

    fn dispatch(&mut self, events: Vec<E>, deliver: Deliver<'_, E>) {
        events.into_iter().for_each(|event| self.push(event));
        self.deal(deliver);
    }

    fn held(&self, before: u64) -> usize {
        if before >= self.dispatched {
            return self.held;
        }
        let numbers = self.queues.values().flatten().map(|(number, _)| *number);
        numbers.filter(|number| *number < before).count()
    }
}

impl<E, P> fmt::Debug for ByTurns<E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByTurns")
            .field("held", &self.held)
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}
