//! The transform that holds events back to a rate, and the timer that lets the next one go.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    fmt,
    hash::Hash,
};

use rustc_hash::FxHashMap;
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::{Bucket, Rate};
use crate::{Emitter, Mode, Reason, Side, StageRef, Subscribe, SubscriptionId, Transform};

/// Holds events to `rate`, each key that `key` gives to its own; with `|_| ()` all together.
///
/// ```
/// use futures_util::TryStreamExt;
/// use roundsman::{EventStream, Subscribe, from_iter, rate::{Rate, pacing}};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let begun = tokio::time::Instant::now();
/// let ten_a_second = Rate::new(10, 1_000_000, 1).ok_or("no rate")?;
/// let numbers = roundsman::producer(from_iter(0..50)).spawn();
/// let paced = roundsman::transform(pacing(ten_a_second, |_: &i32| ())).spawn();
/// let out = EventStream::new().subscribe(&paced.outlet, Subscribe::default())?;
/// paced.inlet.subscribe(&numbers.outlet, Subscribe::default())?;
///
/// let all: Vec<_> = out.try_collect().await.map_err(|why| why.to_string())?;
/// assert_eq!(all, (0..50).collect::<Vec<_>>());
/// assert!(begun.elapsed() >= Duration::from_millis(4900));
/// # Ok(())
/// # }
/// ```
pub fn pacing<E, K>(rate: Rate, key: impl Fn(&E) -> K + Send + 'static) -> Pacing<E, K>
where
    E: Send + 'static,
    K: Clone + Eq + Hash + Send + 'static,
{
    Pacing {
        rate,
        key: Box::new(key),
        cost: Box::new(|_| 1),
        begun: Instant::now(),
        keys: FxHashMap::default(),
        due: BinaryHeap::new(),
        numbered: 0,
        held: 0,
        draining: false,
        me: None,
        timer: None,
    }
}

/// The [`Transform`] that [`pacing`] makes.
///
/// Order holds within a key. A key that is held back fills the demand of its subscription in the
/// end, and then its producer waits with everything: choose `max_demand` for that.
pub struct Pacing<E, K> {
    rate: Rate,
    key: Box<dyn Fn(&E) -> K + Send>,
    cost: Box<dyn Fn(&E) -> u64 + Send>,
    begun: Instant,
    keys: FxHashMap<K, Waiting<E>>,
    /// When keys with something waiting may go on; ties in the order in which they came.
    due: BinaryHeap<Reverse<Due<K>>>,
    numbered: u64,
    held: usize,
    draining: bool,
    me: Option<StageRef<Pace>>,
    timer: Option<Timer>,
}

/// What a [`Pacing`] is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Goes by this rate from now on, also with what waits.
    Rate(Rate),
    /// Sent by the stage to itself when something is due.
    Tick,
}

/// One key that is not at rest.
struct Waiting<E> {
    bucket: Bucket,
    events: VecDeque<(E, SubscriptionId)>,
}

/// A key whose next event may go at a moment.
struct Due<K> {
    at: Instant,
    number: u64,
    key: K,
}

/// The task that waits until something is due; it goes with the stage.
struct Timer {
    at: Instant,
    task: AbortHandle,
}

impl<E, K> Pacing<E, K>
where
    E: Send + 'static,
    K: Clone + Eq + Hash + Send + 'static,
{
    /// Each event takes as many turns as `cost` gives of it; one otherwise.
    #[must_use]
    pub fn cost(mut self, cost: impl Fn(&E) -> u64 + Send + 'static) -> Self {
        self.cost = Box::new(cost);
        self
    }

    /// Lets go what may go of one key at `now`, and notes when it may go on.
    fn let_go(&mut self, key: K, now: Instant, out: &mut Emitter<'_, E>) {
        let Some(waiting) = self.keys.get_mut(&key) else { return };
        let since = now - self.begun;
        while let Some((event, _)) = waiting.events.front() {
            if let Err(wait) = waiting.bucket.take(self.rate, since, (self.cost)(event)) {
                self.numbered += 1;
                self.due.push(Reverse(Due { at: now + wait, number: self.numbered, key }));
                return;
            }
            if let Some((event, from)) = waiting.events.pop_front() {
                self.held -= 1;
                out.emit(event);
                out.ask(from, 1);
            }
        }
    }

    /// Lets go everything that is due.
    fn run(&mut self, out: &mut Emitter<'_, E>) {
        let now = Instant::now();
        while self.due.peek().is_some_and(|Reverse(due)| due.at <= now) {
            if let Some(Reverse(due)) = self.due.pop() {
                self.let_go(due.key, now, out);
            }
        }
        self.forget(now);
        self.set_timer();
    }

    /// Forgets keys at rest, once they are many beside those that are not.
    fn forget(&mut self, now: Instant) {
        if self.keys.len() > 64 && self.keys.len() > self.due.len() * 2 {
            let since = now - self.begun;
            self.keys.retain(|_, it| !it.events.is_empty() || !it.bucket.is_full(since));
        }
    }

    fn set_timer(&mut self) {
        let next = self.due.peek().map(|Reverse(due)| due.at);
        if self.timer.as_ref().map(|timer| timer.at) == next {
            return;
        }
        self.timer = next.zip(self.me.clone()).map(|(at, me)| {
            let wait = async move {
                sleep_until(at).await;
                // Fails only when the stage has ended.
                let _ = me.info(Pace::Tick);
            };
            Timer { at, task: tokio::spawn(wait).abort_handle() }
        });
    }

    /// Another rate: whatever waits is looked at again.
    fn change(&mut self, rate: Rate, out: &mut Emitter<'_, E>) {
        self.rate = rate;
        let now = Instant::now();
        for Reverse(due) in std::mem::take(&mut self.due).into_sorted_vec().into_iter().rev() {
            self.let_go(due.key, now, out);
        }
    }

    fn is_done(&self) -> Result<(), Reason> {
        if self.draining && self.held == 0 { Err(Reason::Normal) } else { Ok(()) }
    }
}

impl<E, K> Transform for Pacing<E, K>
where
    E: Send + 'static,
    K: Clone + Eq + Hash + Send + 'static,
{
    type In = E;
    type Out = E;
    type Info = Pace;

    async fn started(&mut self, me: &StageRef<Pace>) -> Result<(), Reason> {
        self.me = Some(me.clone());
        Ok(())
    }

    /// Asks by itself: an event is made up for when it leaves, not when it came.
    async fn handle_subscribe(
        &mut self,
        side: Side,
        subscription: SubscriptionId,
        terms: &Subscribe,
        out: &mut Emitter<'_, E>,
    ) -> Result<Mode, Reason> {
        if side == Side::Consumer {
            return Ok(Mode::Automatic);
        }
        out.ask(subscription, terms.max());
        Ok(Mode::Manual)
    }

    async fn handle_events(
        &mut self,
        events: Vec<E>,
        from: SubscriptionId,
        out: &mut Emitter<'_, E>,
    ) -> Result<(), Reason> {
        let now = Instant::now();
        for event in events {
            let key = (self.key)(&event);
            let waiting = self.keys.entry(key.clone()).or_insert_with(Waiting::new);
            let is_first = waiting.events.is_empty();
            waiting.events.push_back((event, from));
            self.held += 1;
            if is_first {
                self.let_go(key, now, out);
            }
        }
        self.run(out);
        Ok(())
    }

    async fn handle_info(&mut self, pace: Pace, out: &mut Emitter<'_, E>) -> Result<(), Reason> {
        match pace {
            Pace::Rate(rate) => self.change(rate, out),
            Pace::Tick => {}
        }
        self.run(out);
        self.is_done()
    }

    /// What waits leaves at its pace before the stage ends.
    async fn handle_drain(&mut self, _: &mut Emitter<'_, E>) -> Result<(), Reason> {
        self.draining = true;
        self.is_done()
    }
}

impl<E> Waiting<E> {
    fn new() -> Self {
        Self { bucket: Bucket::default(), events: VecDeque::new() }
    }
}

impl<K> PartialEq for Due<K> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl<K> Eq for Due<K> {}

impl<K> PartialOrd for Due<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Due<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<E, K> fmt::Debug for Pacing<E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pacing")
            .field("rate", &self.rate)
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}
