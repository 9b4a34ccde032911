//! A supervisor before it runs, and the handle of one that does.

use std::{fmt, future::Future};

use futures_util::future::BoxFuture;
use tokio::{sync::oneshot, time::Duration};

use super::{
    child::{ChildId, Told},
    tasks::{AtEnd, Restart, Tasks},
};
use crate::{AnyStage, Counts, Inlet, Reason, StageRef, Subscribe, SubscribeError, SubscriptionId};

/// What a supervisor that ends does with the tasks that still run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shutdown {
    /// Aborts them.
    #[default]
    Abort,
    /// Waits for them so long, all at once, then aborts the rest.
    Wait(Duration),
    /// Waits for them.
    Finish,
}

/// Plans a consumer that runs `work` as a task of its own for each event.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use std::sync::Arc;
/// use roundsman::{Subscribe, from_iter};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sum = Arc::new(AtomicU64::new(0));
/// let total = Arc::clone(&sum);
/// let adders = roundsman::supervisor(move |n: u64| {
///     let total = Arc::clone(&total);
///     async move {
///         total.fetch_add(n, Relaxed);
///         Ok(())
///     }
/// })
/// .spawn();
/// let numbers = roundsman::producer(from_iter(1..=100)).spawn();
/// adders.inlet.subscribe(&numbers.outlet, Subscribe::default().max_demand(10))?;
///
/// adders.ended().await; // its producer ended, so it drained
/// assert_eq!(sum.load(Relaxed), 5050);
/// # Ok(())
/// # }
/// ```
pub fn supervisor<E, F, Fut>(work: F) -> SupervisorPlan<E, F>
where
    E: Send + 'static,
    F: Fn(E) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Reason>> + Send + 'static,
{
    SupervisorPlan { work, restart: None, shutdown: Shutdown::default(), at_end: None }
}

/// A supervisor that does not run yet.
pub struct SupervisorPlan<E, F> {
    work: F,
    restart: Option<Restart<E>>,
    shutdown: Shutdown,
    at_end: Option<AtEnd>,
}

impl<E, F, Fut> SupervisorPlan<E, F>
where
    E: Send + 'static,
    F: Fn(E) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Reason>> + Send + 'static,
{
    /// Starts a task that failed or panicked again, with a copy of its event.
    ///
    /// More than `most` restarts `within` that time end the supervisor.
    #[must_use]
    pub fn restart_failed(mut self, most: usize, within: Duration) -> Self
    where
        E: Clone,
    {
        self.restart = Some(Restart { again: E::clone, most, within });
        self
    }

    /// What becomes of running tasks when the supervisor is stopped or fails.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// Awaits this once all tasks have ended and before its peers are told so.
    pub(super) fn at_end(
        mut self,
        at_end: impl FnOnce() -> BoxFuture<'static, ()> + Send + 'static,
    ) -> Self {
        self.at_end = Some(Box::new(at_end));
        self
    }

    /// Starts it on the current tokio runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn(self) -> SupervisorStage<E> {
        let tasks = Tasks::new(self.work, self.restart, self.shutdown, self.at_end);
        let consumer = crate::consumer(tasks).spawn();
        SupervisorStage { inlet: consumer.inlet, stage: consumer.stage }
    }
}

/// A running supervisor. Clones are the same one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let tasks = roundsman::supervisor(|_: u32| std::future::pending()).spawn();
/// let child = tasks.start(1).await.expect("it runs");
/// assert_eq!(tasks.children().await, [child]);
/// assert!(tasks.terminate(child).await);
/// tasks.drain();
/// assert_eq!(tasks.ended().await, roundsman::Reason::Normal);
/// # }
/// ```
pub struct SupervisorStage<E> {
    /// Where its subscriptions are made.
    pub inlet: Inlet<E>,
    stage: StageRef<Told<E>>,
}

impl<E: Send + 'static> SupervisorStage<E> {
    /// Starts a task by hand; it belongs to no subscription, and asks for nothing when it ends.
    ///
    /// Returns nothing if the supervisor has ended.
    ///
    /// # Cancel safety
    /// Dropped, the task is started all the same.
    pub async fn start(&self, event: E) -> Option<ChildId> {
        self.ask(|reply| Told::Start(event, reply)).await
    }

    /// Aborts a task. False if there is none of that name.
    ///
    /// # Cancel safety
    /// Dropped, the task is aborted all the same.
    pub async fn terminate(&self, child: ChildId) -> bool {
        self.ask(|reply| Told::Terminate(child, reply)).await.unwrap_or(false)
    }

    /// Changes how many tasks of a subscription run at once, and how many places have to be free
    /// before more is asked for.
    ///
    /// More take effect at once; with fewer, tasks that run go on, and nothing is asked for until
    /// enough of them have ended.
    ///
    /// # Errors
    /// The bounds contradict each other; they stay as they were.
    pub fn resize(
        &self,
        subscription: SubscriptionId,
        max: usize,
        min: usize,
    ) -> Result<(), SubscribeError> {
        let terms = Subscribe::default().max_demand(max).min_demand(min);
        terms.check()?;
        self.stage
            .info(Told::Resize(subscription, terms))
            .map_err(|_| SubscribeError::ConsumerEnded)
    }

    /// The tasks that run, in no order.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    pub async fn children(&self) -> Vec<ChildId> {
        self.ask(Told::List).await.unwrap_or_default()
    }

    /// As [`StageRef::drain`]; it ends when the last of its tasks has.
    pub fn drain(&self) {
        self.stage.drain();
    }

    /// As [`StageRef::stop`]; its tasks get what [`Shutdown`] says.
    pub fn stop(&self, reason: Reason) {
        self.stage.stop(reason);
    }

    /// As [`StageRef::ended`].
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it; the reason can be asked for again.
    pub async fn ended(&self) -> Reason {
        self.stage.ended().await
    }

    /// As [`StageRef::reason`].
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.stage.reason()
    }

    /// As [`StageRef::counts`].
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.stage.counts()
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Told<E>) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.stage.info(question(reply)).ok()?;
        answer.await.ok()
    }
}

impl<E: 'static> From<&SupervisorStage<E>> for AnyStage {
    fn from(supervisor: &SupervisorStage<E>) -> Self {
        (&supervisor.stage).into()
    }
}

impl<E> Clone for SupervisorStage<E> {
    fn clone(&self) -> Self {
        Self { inlet: self.inlet.clone(), stage: self.stage.clone() }
    }
}

impl<E> fmt::Debug for SupervisorStage<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisorStage").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl<E, F> fmt::Debug for SupervisorPlan<E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisorPlan").field("shutdown", &self.shutdown).finish_non_exhaustive()
    }
}
