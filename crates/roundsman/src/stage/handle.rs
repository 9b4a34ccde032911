//! What is held of a running stage: its inlet, its outlet, and the stage itself.

use std::{fmt, sync::Arc};

use crate::{
    Counts, Reason, Subscribe, SubscribeError, SubscriptionId,
    dispatch::{Partition, Place},
    stage::port::{Downstream, Told, Tuning, Upstream},
};

/// A running stage: told things, stopped, watched. Clones are the same stage.
///
/// Dropping handles never ends a stage; it ends when it is told to, when a handler says so, or
/// when a permanent subscription of it ends.
///
/// ```
/// use roundsman::{Mode, Reason, Subscribe, from_iter, testing::{Probe, Step}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (probe, mut saw) = Probe::new(Mode::Automatic);
/// let consumer = roundsman::consumer(probe).spawn();
/// let numbers = roundsman::producer(from_iter(0..5)).spawn();
/// consumer.inlet.subscribe(&numbers.outlet, Subscribe::default())?;
/// saw.events(5).await;
/// let stage = &consumer.stage;
/// assert!(stage.counts().taken == 5 || stage.reason().is_none());
/// let _ = stage.info(Step::Note(1)); // comes back if it has ended
/// stage.drain();
/// assert_eq!(stage.ended().await, Reason::Normal);
/// # Ok(())
/// # }
/// ```
pub struct StageRef<Info> {
    pub(crate) told: Arc<dyn Told<Info>>,
}

impl<Info> StageRef<Info> {
    /// Sends a message to the stage's `handle_info`; never waits.
    ///
    /// To get an answer, put a [`tokio::sync::oneshot::Sender`] in the message.
    ///
    /// # Errors
    /// The stage has ended; the message comes back.
    pub fn info(&self, message: Info) -> Result<(), Info> {
        self.told.info(message)
    }

    /// Sends a message that is handled only after all events the stage holds now have gone.
    ///
    /// # Errors
    /// The stage has ended; the message comes back.
    pub fn info_in_order(&self, message: Info) -> Result<(), Info> {
        self.told.info_in_order(message)
    }

    /// Tells the stage to stop asking, finish what it has, and end with [`Reason::Normal`].
    ///
    /// A producer's handler is not asked again. A stage that takes events cancels its
    /// subscriptions and handles what was already sent to it. Then `handle_drain` runs, which may
    /// keep the stage until work under way is done; then the buffered events leave as they are
    /// asked for, and then the stage ends. Draining a pipeline begins at its producers: the end
    /// of a producer drains the stages behind it that hold permanent subscriptions.
    pub fn drain(&self) {
        self.told.drain();
    }

    /// Ends the stage as soon as it has handled the mail before this; what it buffers is lost.
    pub fn stop(&self, reason: Reason) {
        self.told.stop(reason);
    }

    /// Drops the stage at the next point where it waits, whatever it does; `terminate` does not run.
    ///
    /// For one that a stop does not reach, as its handler waits for what never comes. It ends as
    /// [`Reason::Killed`], and its peers are told.
    pub fn kill(&self) {
        self.told.shared().kill();
    }

    /// Waits until the stage has ended and says why. All its peers have been told by then.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it; the reason can be asked for again.
    pub async fn ended(&self) -> Reason {
        self.told.shared().ended().await
    }

    /// Why the stage ended, or nothing while it runs.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.told.shared().ended.get().cloned()
    }

    /// How much it holds and has done.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.told.shared().counts()
    }
}

impl<Info> Clone for StageRef<Info> {
    fn clone(&self) -> Self {
        Self { told: Arc::clone(&self.told) }
    }
}

impl<Info> fmt::Debug for StageRef<Info> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StageRef")
            .field("counts", &self.counts())
            .field("ended", &self.reason())
            .finish()
    }
}

/// Copies a batch; a pointer, so that only those who want copies need events that can be cloned.
pub(crate) type Copied<E> = fn(&[E]) -> Vec<E>;

/// The side of a producer or transform that consumers subscribe to.
pub struct Outlet<E> {
    pub(crate) port: Arc<dyn Upstream<E>>,
    pub(crate) place: Place<E>,
    /// How to copy a batch, where what a consumer does not finish comes back.
    pub(crate) copy: Option<Copied<E>>,
}

impl<E> Outlet<E> {
    /// The same outlet, for subscriptions to one partition of a
    /// [`ByPartition`](crate::dispatch::ByPartition) dispatcher; others take no notice.
    #[must_use]
    pub fn partition(&self, partition: impl Into<Partition>) -> Self {
        let mut narrowed = self.clone();
        narrowed.place.partition = Some(partition.into());
        narrowed
    }

    /// The same outlet, for subscriptions that get only what `picks` picks, from a
    /// [`Broadcast`](crate::dispatch::Broadcast) dispatcher; others take no notice.
    #[must_use]
    pub fn select(&self, picks: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        let mut narrowed = self.clone();
        narrowed.place.selector = Some(Arc::new(picks));
        narrowed
    }
}

impl<E: Clone> Outlet<E> {
    /// The same outlet, for subscriptions whose unfinished events come back: at least once
    /// instead of at most once, as long as the producer lives.
    ///
    /// When the consumer ends, what it was sent and had not handled, the batch it was handling
    /// included, goes to the front of the producer's buffer, in order, and from there to whoever
    /// asks. It is handled twice if the handler had done a part of it. A batch is copied before it
    /// is handled; that is the price. Handled is what `handle_events` has returned `Ok` for; a
    /// consumer that passes events on has let go of them. A producer that is done waits until its
    /// redelivering consumers have handled everything, and for others to come where they did not.
    ///
    /// A buffer that is full gives these events up like any others. A producer that fails or is
    /// stopped takes them along.
    ///
    /// ```
    /// use roundsman::{Subscribe, from_iter, testing::Probe};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let numbers = roundsman::producer(from_iter(0..3)).spawn();
    /// let again = numbers.outlet.redelivering();
    /// let broken = roundsman::supervisor(|_: i32| async { Ok(()) }).spawn();
    /// broken.stop(roundsman::Reason::failed("before it handled anything"));
    /// let _ = broken.inlet.subscribe(&again, Subscribe::default());
    ///
    /// let (probe, mut saw) = Probe::new(roundsman::Mode::Automatic);
    /// let sound = roundsman::consumer(probe).spawn();
    /// sound.inlet.subscribe(&again, Subscribe::default())?;
    /// assert_eq!(saw.events(3).await, [0, 1, 2]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn redelivering(&self) -> Self {
        let mut narrowed = self.clone();
        narrowed.copy = Some(<[E]>::to_vec);
        narrowed
    }
}

impl<E> Clone for Outlet<E> {
    fn clone(&self) -> Self {
        Self { port: Arc::clone(&self.port), place: self.place.clone(), copy: self.copy }
    }
}

impl<E> fmt::Debug for Outlet<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("place", &self.place).finish_non_exhaustive()
    }
}

/// The side of a consumer or transform that takes events.
///
/// ```
/// use roundsman::{Mode, Subscribe, from_iter, testing::Probe};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let numbers = roundsman::producer(from_iter(0_u64..)).spawn();
/// let (probe, mut saw) = Probe::new(Mode::Automatic);
/// let consumer = roundsman::consumer(probe).spawn();
/// let inlet = &consumer.inlet;
/// let subscription = inlet.subscribe(&numbers.outlet, Subscribe::default().max_demand(10))?;
/// saw.events(100).await;
/// inlet.set_demand(subscription, 50, 25)?; // it is faster than was thought
/// inlet.pause(subscription);
/// inlet.resume(subscription);
/// saw.events(100).await;
/// consumer.stage.drain();
/// assert_eq!(consumer.stage.ended().await, roundsman::Reason::Normal);
/// # Ok(())
/// # }
/// ```
pub struct Inlet<E> {
    pub(crate) port: Arc<dyn Downstream<E>>,
}

impl<E: Send + 'static> Inlet<E> {
    /// Makes a subscription; events flow as soon as both stages have seen it.
    ///
    /// Returns at once with the consumer's id of it. That is no proof that the producer takes
    /// it: what happens if it has ended is the matter of [`Subscribe::cancel`].
    ///
    /// # Errors
    /// The terms contradict each other, or the consumer has ended.
    pub fn subscribe(
        &self,
        producer: &Outlet<E>,
        terms: Subscribe,
    ) -> Result<SubscriptionId, SubscribeError> {
        terms.check()?;
        self.port.subscribe(producer.clone(), terms, None).ok_or(SubscribeError::ConsumerEnded)
    }

    /// Makes a subscription that takes the place of another, which is cancelled for `reason`.
    ///
    /// The end of the old one does not end the consumer, whatever its terms. That there is no
    /// old one any more is no error.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe); the old one is left as it is then.
    pub fn resubscribe(
        &self,
        old: SubscriptionId,
        reason: Reason,
        producer: &Outlet<E>,
        terms: Subscribe,
    ) -> Result<SubscriptionId, SubscribeError> {
        terms.check()?;
        let replaces = Some((old, reason));
        self.port.subscribe(producer.clone(), terms, replaces).ok_or(SubscribeError::ConsumerEnded)
    }

    /// Ends a subscription; events already on their way are still handled.
    pub fn cancel(&self, subscription: SubscriptionId, reason: Reason) {
        self.port.cancel(subscription, reason);
    }

    /// Asks for nothing more on a subscription until it is resumed.
    ///
    /// What was asked for already may still come, and is handled. A producer with other
    /// consumers goes on for them, unless its dispatcher waits for all.
    pub fn pause(&self, subscription: SubscriptionId) {
        self.port.tune(subscription, Tuning::Pause);
    }

    /// Asks for what would have been asked for since the subscription was paused, and goes on.
    pub fn resume(&self, subscription: SubscriptionId) {
        self.port.tune(subscription, Tuning::Resume);
    }

    /// Changes the `max_demand` and `min_demand` of an automatic subscription while it lives.
    ///
    /// More is asked for at once; less takes effect as what is under way comes in. On a manual
    /// subscription it does nothing: who asks there decides for how much.
    ///
    /// # Errors
    /// The bounds contradict each other; they stay as they were.
    pub fn set_demand(
        &self,
        subscription: SubscriptionId,
        max: usize,
        min: usize,
    ) -> Result<(), SubscribeError> {
        Subscribe::default().max_demand(max).min_demand(min).check()?;
        self.port.tune(subscription, Tuning::Demand { max, min });
        Ok(())
    }

    /// Asks for `n` more events on a manual subscription.
    pub fn ask(&self, subscription: SubscriptionId, n: usize) {
        self.port.ask_for(subscription, n);
    }
}

impl<E> Clone for Inlet<E> {
    fn clone(&self) -> Self {
        Self { port: Arc::clone(&self.port) }
    }
}

impl<E> fmt::Debug for Inlet<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inlet").finish_non_exhaustive()
    }
}
