//! One task under a supervisor, and how its end is told.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{Reason, StageRef, Subscribe, SubscriptionId};

/// Names a task at its supervisor; never used twice there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChildId(pub(super) u64);

/// What a supervisor is told.
pub(super) enum Told<E> {
    Ended(ChildId, Result<(), Reason>),
    Start(E, oneshot::Sender<ChildId>),
    Terminate(ChildId, oneshot::Sender<bool>),
    Resize(SubscriptionId, Subscribe),
    List(oneshot::Sender<Vec<ChildId>>),
}

/// A task that runs.
pub(super) struct Child<E> {
    /// Where to ask again when it ends; none for one that was started by hand.
    pub(super) from: Option<SubscriptionId>,
    pub(super) task: JoinHandle<()>,
    /// What to start it with again, if it is to be.
    pub(super) event: Option<E>,
}

/// Runs `work` on a task of its own and tells the supervisor how it ended, come what may.
pub(super) fn start<E, F, Fut>(
    id: ChildId,
    work: &Arc<F>,
    event: E,
    me: &StageRef<Told<E>>,
) -> JoinHandle<()>
where
    E: Send + 'static,
    F: Fn(E) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Reason>> + Send + 'static,
{
    let report = Report { me: me.clone(), id, end: Some(Reason::Killed) };
    let work = Arc::clone(work);
    tokio::spawn(async move {
        // The first call is within as well: what makes the future may panic too.
        let whole = async move { work(event).await };
        report.ended(match AssertUnwindSafe(whole).catch_unwind().await {
            Ok(result) => result,
            Err(panic) => Err(Reason::panicked(&*panic)),
        });
    })
}

/// Sent on drop, so that a task which is aborted is accounted for too.
struct Report<E> {
    me: StageRef<Told<E>>,
    id: ChildId,
    end: Option<Reason>,
}

impl<E> Report<E> {
    fn ended(mut self, result: Result<(), Reason>) {
        self.end = result.err();
    }
}

impl<E> Drop for Report<E> {
    fn drop(&mut self) {
        // Fails only when the supervisor has ended, and then nobody counts any more.
        drop(self.me.info(Told::Ended(self.id, self.end.take().map_or(Ok(()), Err))));
    }
}
