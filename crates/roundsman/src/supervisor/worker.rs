//! Tasks with something of their own to work with, which is set up once and used by many.

use std::{
    future::Future,
    mem,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};

use super::{SupervisorPlan, supervisor};
use crate::Reason;

/// What a task works with and leaves to the next: a connection, a client, a buffer.
///
/// One exists for each task that runs at the same time, at most; see [`workers`].
pub trait Worker: Send + Sized + 'static {
    /// What it works on.
    type Event: Send + 'static;

    /// Works on one event. Nobody else has the worker meanwhile.
    ///
    /// # Errors
    /// The task fails for this reason, and the worker is torn down: the next event gets another.
    fn work(&mut self, event: Self::Event) -> impl Future<Output = Result<(), Reason>> + Send;

    /// Lets go of what it was set up with. Not called for one that panicked or was aborted: that
    /// is dropped, since what it holds may be broken.
    fn tear_down(self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Plans a supervisor whose tasks use [`Worker`]s, each made by `set_up` and used again and again.
///
/// A task takes a worker that is idle, or has one set up if there is none; so there are never more
/// than tasks that run at once. A set-up that fails is a task that failed: started again where
/// [`restart_failed`](SupervisorPlan::restart_failed) says so. A task that fails or panics harms no
/// other, and its worker is not used again. When the supervisor ends, however it does, its workers
/// are torn down side by side once its tasks have ended, without a limit of time; one that is
/// killed, or whose runtime ends, drops them.
///
/// ```
/// use roundsman::{Reason, Subscribe, from_iter, supervisor::Worker};
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}};
///
/// struct Connection { sent: Arc<AtomicU64>, mine: u64 }
///
/// impl Worker for Connection {
///     type Event = u64;
///
///     async fn work(&mut self, _event: u64) -> Result<(), Reason> {
///         self.mine += 1;
///         Ok(())
///     }
///
///     async fn tear_down(self) {
///         self.sent.fetch_add(self.mine, Relaxed);
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (sent, opened) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
/// let (total, count) = (Arc::clone(&sent), Arc::clone(&opened));
/// let tasks = roundsman::supervisor::workers(move || {
///     count.fetch_add(1, Relaxed);
///     let sent = Arc::clone(&total);
///     async move { Ok(Connection { sent, mine: 0 }) } // where it would connect
/// })
/// .spawn();
/// let numbers = roundsman::producer(from_iter(0..1000)).spawn();
/// tasks.inlet.subscribe(&numbers.outlet, Subscribe::default().max_demand(10))?;
/// tasks.ended().await;
/// assert_eq!(sent.load(Relaxed), 1000);
/// assert!(opened.load(Relaxed) <= 10);
/// # Ok(())
/// # }
/// ```
pub fn workers<W, F, Fut>(set_up: F) -> SupervisorPlan<W::Event, impl Fn(W::Event) -> Working>
where
    W: Worker,
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<W, Reason>> + Send + 'static,
{
    let pool = Arc::new(Pool { set_up, idle: Mutex::new(Vec::new()) });
    let at_end = Arc::clone(&pool);
    let plan = supervisor(move |event: W::Event| {
        let pool = Arc::clone(&pool);
        async move { pool.work(event).await }.boxed()
    });
    plan.at_end(move || async move { at_end.tear_down().await }.boxed())
}

/// A task at work.
type Working = BoxFuture<'static, Result<(), Reason>>;

struct Pool<W, F> {
    set_up: F,
    idle: Mutex<Vec<W>>,
}

impl<W: Worker, F, Fut> Pool<W, F>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<W, Reason>> + Send + 'static,
{
    async fn work(&self, event: W::Event) -> Result<(), Reason> {
        let idle = self.idle().pop();
        let mut worker = match idle {
            Some(worker) => worker,
            None => (self.set_up)().await?,
        };
        // A panic unwinds through here, and takes the worker along.
        match worker.work(event).await {
            Ok(()) => {
                self.idle().push(worker);
                Ok(())
            }
            failed => {
                worker.tear_down().await;
                failed
            }
        }
    }

    async fn tear_down(&self) {
        let idle = mem::take(&mut *self.idle());
        let ends = idle.into_iter().map(|worker| async {
            // One that panics must not keep the others from theirs.
            if let Err(panic) = AssertUnwindSafe(worker.tear_down()).catch_unwind().await {
                let reason = Reason::panicked(&*panic);
                tracing::warn!(%reason, "a worker could not be torn down");
            }
        });
        join_all(ends).await;
    }

    /// Nothing panics under this lock.
    fn idle(&self) -> MutexGuard<'_, Vec<W>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
