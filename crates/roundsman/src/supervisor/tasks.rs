//! The supervising consumer: which tasks run, and when to ask again.

use std::{collections::VecDeque, future::Future, sync::Arc};

use futures_util::future::{BoxFuture, join_all};
use rustc_hash::FxHashMap;
use tokio::time::{Duration, Instant, timeout};

use super::{
    ChildId, Shutdown,
    child::{Child, Told, start},
};
use crate::{Asker, Consumer, Mode, Parting, Reason, StageRef, Subscribe, SubscriptionId};

/// How a failed task is started again.
pub(super) struct Restart<E> {
    /// `E::clone`, kept here so that only those who want restarts need events that can be cloned.
    pub(super) again: fn(&E) -> E,
    pub(super) most: usize,
    pub(super) within: Duration,
}

/// Where the events of one subscription run.
struct Places {
    terms: Subscribe,
    /// Free and not asked for; below zero while more tasks run than there are places left.
    free: isize,
}

impl Places {
    /// What to ask for, once enough are free.
    fn take_free(&mut self) -> usize {
        let free = usize::try_from(self.free).unwrap_or(0);
        if free < self.terms.min() {
            return 0;
        }
        self.free = self.free.min(0);
        free
    }
}

pub(super) struct Tasks<E, F> {
    work: Arc<F>,
    restart: Option<Restart<E>>,
    shutdown: Shutdown,
    me: Option<StageRef<Told<E>>>,
    children: FxHashMap<ChildId, Child<E>>,
    next: u64,
    places: FxHashMap<SubscriptionId, Places>,
    restarts: VecDeque<Instant>,
    draining: bool,
    at_end: Option<AtEnd>,
}

/// What is still to be done when all tasks have ended.
pub(super) type AtEnd = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

impl<E, F, Fut> Tasks<E, F>
where
    E: Send + 'static,
    F: Fn(E) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Reason>> + Send + 'static,
{
    pub(super) fn new(
        work: F,
        restart: Option<Restart<E>>,
        shutdown: Shutdown,
        at_end: Option<AtEnd>,
    ) -> Self {
        Self {
            work: Arc::new(work),
            restart,
            shutdown,
            me: None,
            children: FxHashMap::default(),
            next: 0,
            places: FxHashMap::default(),
            restarts: VecDeque::new(),
            draining: false,
            at_end,
        }
    }

    fn start(&mut self, event: E, from: Option<SubscriptionId>) -> ChildId {
        let id = ChildId(self.next);
        self.next += 1;
        self.start_as(id, event, from);
        id
    }

    fn start_as(&mut self, id: ChildId, event: E, from: Option<SubscriptionId>) {
        let Some(me) = &self.me else { return };
        let kept = self.restart.as_ref().map(|restart| (restart.again)(&event));
        let task = start(id, &self.work, event, me);
        self.children.insert(id, Child { from, task, event: kept });
    }

    fn ended(
        &mut self,
        id: ChildId,
        result: Result<(), Reason>,
        out: &mut Asker<'_>,
    ) -> Result<(), Reason> {
        let Some(child) = self.children.remove(&id) else { return Ok(()) };
        if let Err(reason) = result
            && !reason.is_orderly()
        {
            tracing::warn!(%reason, "a task failed");
            // One that was aborted was meant to end.
            if let Some(event) = child.event
                && reason != Reason::Killed
            {
                self.spend_restart()?;
                self.start_as(id, event, child.from);
                return Ok(());
            }
        }
        self.give_back(child.from, out);
        self.leave_when_done()
    }

    /// Counts a restart.
    ///
    /// # Errors
    /// There were too many within the time.
    fn spend_restart(&mut self) -> Result<(), Reason> {
        let Some(Restart { most, within, .. }) = self.restart else { return Ok(()) };
        let now = Instant::now();
        self.restarts.push_back(now);
        while self.restarts.front().is_some_and(|at| now.duration_since(*at) > within) {
            self.restarts.pop_front();
        }
        if self.restarts.len() > most {
            return Err(Reason::failed(format_args!(
                "tasks failed more than {most} times within {within:?}"
            )));
        }
        Ok(())
    }

    fn give_back(&mut self, from: Option<SubscriptionId>, out: &mut Asker<'_>) {
        if let Some(from) = from
            && let Some(places) = self.places.get_mut(&from)
        {
            places.free += 1;
            out.ask(from, places.take_free());
        }
    }

    /// Changes how many tasks of a subscription may run at once.
    fn resize(&mut self, subscription: SubscriptionId, terms: Subscribe, out: &mut Asker<'_>) {
        if let Some(places) = self.places.get_mut(&subscription) {
            places.free += terms.max().cast_signed() - places.terms.max().cast_signed();
            places.terms = terms;
            out.ask(subscription, places.take_free());
        }
    }

    fn leave_when_done(&self) -> Result<(), Reason> {
        if self.draining && self.children.is_empty() { Err(Reason::Normal) } else { Ok(()) }
    }
}

impl<E, F, Fut> Consumer for Tasks<E, F>
where
    E: Send + 'static,
    F: Fn(E) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Reason>> + Send + 'static,
{
    type Event = E;
    type Info = Told<E>;

    async fn started(&mut self, me: &StageRef<Told<E>>) -> Result<(), Reason> {
        self.me = Some(me.clone());
        Ok(())
    }

    async fn handle_subscribe(
        &mut self,
        subscription: SubscriptionId,
        terms: &Subscribe,
        out: &mut Asker<'_>,
    ) -> Result<Mode, Reason> {
        self.places.insert(subscription, Places { terms: *terms, free: 0 });
        out.ask(subscription, terms.max());
        Ok(Mode::Manual)
    }

    async fn handle_events(
        &mut self,
        events: Vec<E>,
        from: SubscriptionId,
        _: &mut Asker<'_>,
    ) -> Result<(), Reason> {
        self.children.reserve(events.len());
        for event in events {
            self.start(event, Some(from));
        }
        Ok(())
    }

    async fn handle_info(&mut self, told: Told<E>, out: &mut Asker<'_>) -> Result<(), Reason> {
        // Whoever asked and has stopped waiting needs no answer.
        match told {
            Told::Ended(id, result) => return self.ended(id, result, out),
            Told::Start(event, reply) => {
                let _ = reply.send(self.start(event, None));
            }
            Told::Terminate(id, reply) => {
                let child = self.children.get_mut(&id);
                let _ = reply.send(child.is_some());
                if let Some(child) = child {
                    child.event = None;
                    child.task.abort();
                }
            }
            Told::Resize(subscription, terms) => self.resize(subscription, terms, out),
            Told::List(reply) => {
                let _ = reply.send(self.children.keys().copied().collect());
            }
        }
        Ok(())
    }

    async fn handle_cancel(
        &mut self,
        subscription: SubscriptionId,
        _: Parting,
        _: &mut Asker<'_>,
    ) -> Result<(), Reason> {
        self.places.remove(&subscription);
        Ok(())
    }

    async fn handle_drain(&mut self, _: &mut Asker<'_>) -> Result<(), Reason> {
        self.draining = true;
        self.leave_when_done()
    }

    async fn terminate(&mut self, _: &Reason) {
        self.end_tasks().await;
        if let Some(at_end) = self.at_end.take() {
            at_end().await;
        }
    }
}

impl<E, F> Tasks<E, F> {
    /// Waits for what still runs, or aborts it, as was said.
    async fn end_tasks(&mut self) {
        let tasks: Vec<_> = self.children.drain().map(|(_, child)| child.task).collect();
        let aborts: Vec<_> = tasks.iter().map(|task| task.abort_handle()).collect();
        let mut all = join_all(tasks);
        match self.shutdown {
            Shutdown::Abort => {}
            Shutdown::Wait(limit) => {
                if timeout(limit, &mut all).await.is_ok() {
                    return;
                }
                tracing::warn!(?limit, "tasks were cut off");
            }
            Shutdown::Finish => {
                all.await;
                return;
            }
        }
        for task in aborts {
            task.abort();
        }
        all.await;
    }
}
