//! The transform that batches, and the timer that closes what has waited long enough.

use std::{fmt, hash::Hash};

use tokio::{
    task::AbortHandle,
    time::{Duration, Instant, sleep_until},
};

use super::{Batch, Bounds, Open};
use crate::{Emitter, Reason, StageRef, SubscriptionId, Transform};

/// Gathers events by what `key` gives of them: up to 100 of any weight, for up to a second.
///
/// ```
/// use roundsman::{EventStream, Subscribe, batch::batching, from_iter};
/// use futures_util::TryStreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let words = ["a", "bb", "cc", "d", "e"];
/// let words = roundsman::producer(from_iter(words)).spawn();
/// let by_length = roundsman::transform(batching(|word: &&str| word.len()).events(2)).spawn();
/// let out = EventStream::new().subscribe(&by_length.outlet, Subscribe::default())?;
/// by_length.inlet.subscribe(&words.outlet, Subscribe::default())?;
///
/// let batches: Vec<_> = out.try_collect().await.map_err(|why| why.to_string())?;
/// let events: Vec<_> = batches.into_iter().map(|batch| batch.events).collect();
/// assert_eq!(events, [vec!["bb", "cc"], vec!["a", "d"], vec!["e"]]); // the last as it drained
/// # Ok(())
/// # }
/// ```
pub fn batching<E, K>(key: impl Fn(&E) -> K + Send + 'static) -> Batching<E, K>
where
    E: Send + 'static,
    K: Clone + Eq + Hash + Send + 'static,
{
    let bounds = Bounds { events: 100, weight: usize::MAX, wait: Duration::from_secs(1) };
    Batching {
        key: Box::new(key),
        weigh: Box::new(|_| 0),
        bounds,
        open: Open::new(bounds),
        me: None,
        timer: None,
    }
}

/// The [`Transform`] that [`batching`] makes; it emits [`Batch`]es.
///
/// A batch whose time has come is emitted whether or not anybody asks for it yet.
pub struct Batching<E, K> {
    key: Box<dyn Fn(&E) -> K + Send>,
    weigh: Box<dyn Fn(&E) -> usize + Send>,
    bounds: Bounds,
    open: Open<K, E>,
    me: Option<StageRef<Tick>>,
    timer: Option<Timer>,
}

/// Sent by the stage to itself when a batch is due.
#[derive(Debug)]
pub struct Tick(());

/// The task that waits until a batch is due; it goes with the stage.
struct Timer {
    at: Instant,
    task: AbortHandle,
}

impl<E, K> Batching<E, K>
where
    E: Send + 'static,
    K: Clone + Eq + Hash + Send + 'static,
{
    /// At most so many events in a batch; at least 1.
    #[must_use]
    pub fn events(mut self, events: usize) -> Self {
        self.bounds.events = events.max(1);
        self.with_bounds()
    }

    /// At most so heavy a batch, by what `weigh` gives of each event.
    #[must_use]
    pub fn weight(mut self, weight: usize, weigh: impl Fn(&E) -> usize + Send + 'static) -> Self {
        self.bounds.weight = weight;
        self.weigh = Box::new(weigh);
        self.with_bounds()
    }

    /// At most so long from the first event of a batch to its end.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.bounds.wait = wait;
        self.with_bounds()
    }

    fn with_bounds(mut self) -> Self {
        self.open = Open::new(self.bounds);
        self
    }

    /// Sees to it that a tick comes when the next batch is due, and no earlier one.
    fn set_timer(&mut self) {
        let due = self.open.next_due();
        if self.timer.as_ref().map(|timer| timer.at) == due {
            return;
        }
        self.timer = due.zip(self.me.clone()).map(|(at, me)| {
            let wait = async move {
                sleep_until(at).await;
                // Fails only when the stage has ended.
                drop(me.info(Tick(())));
            };
            Timer { at, task: tokio::spawn(wait).abort_handle() }
        });
    }
}

impl<E, K> Transform for Batching<E, K>
where
    E: Send + 'static,
    K: Clone + Eq + Hash + Send + 'static,
{
    type In = E;
    type Out = Batch<K, E>;
    type Info = Tick;

    async fn started(&mut self, me: &StageRef<Tick>) -> Result<(), Reason> {
        self.me = Some(me.clone());
        Ok(())
    }

    async fn handle_events(
        &mut self,
        events: Vec<E>,
        _: SubscriptionId,
        out: &mut Emitter<'_, Self::Out>,
    ) -> Result<(), Reason> {
        let now = Instant::now();
        for event in events {
            let (key, weight) = ((self.key)(&event), (self.weigh)(&event));
            self.open.push(&key, event, weight, now, |batch| out.emit(batch));
        }
        self.set_timer();
        Ok(())
    }

    async fn handle_info(
        &mut self,
        _: Tick,
        out: &mut Emitter<'_, Self::Out>,
    ) -> Result<(), Reason> {
        let now = Instant::now();
        while let Some(batch) = self.open.pop_due(now) {
            out.emit(batch);
        }
        self.set_timer();
        Ok(())
    }

    async fn handle_drain(&mut self, out: &mut Emitter<'_, Self::Out>) -> Result<(), Reason> {
        out.emit_batch(self.open.flush());
        Err(Reason::Normal)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<E, K> fmt::Debug for Batching<E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batching").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}
