//! The handle of a running engine.

use super::builder::{NodeBuilder, Settings};
use crate::augment::AugmentInfo;
use crate::deliver::DeliverInfo;
use crate::feed::Feed;
use crate::metrics::{Metrics, Snapshot, StageSnapshot};
use crate::settle::Enough;
use crate::source::{Held, SourceInfo};
use crate::{Dispatch, IntakeError, KeyReport, Rules, Wait};
use futures_util::future::select_all;
use parking_lot::RwLock;
use roundsman::{Reason, StageRef};
use roundsman_store::{
    AcceptError, Answer, Bounds, Draft, Endpoint, Key, LaneId, MessageId, Outbox, Receipt, Settled,
    Sighting, State, Store, StoreError,
};
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// The handle of a running engine; clones are the same node.
#[derive(Clone)]
pub struct Node(Arc<Shared>);

pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) source: StageRef<SourceInfo>,
    pub(super) held: watch::Receiver<Held>,
    settings: Settings,
    dispatch: RwLock<Dispatch>,
    metrics: Arc<Metrics>,
    pub(super) feed: Arc<Feed>,
    augments: Vec<StageRef<AugmentInfo>>,
    deliver: StageRef<DeliverInfo>,
    settle: StageRef<Enough>,
    tasks: Vec<JoinHandle<()>>,
    joined: RwLock<FxHashMap<Arc<str>, usize>>,
    draining: AtomicBool,
}

type Stages =
    (StageRef<SourceInfo>, Vec<StageRef<AugmentInfo>>, StageRef<DeliverInfo>, StageRef<Enough>);

impl Shared {
    pub(super) fn new(
        store: Arc<dyn Store>,
        settings: Settings,
        (metrics, feed): (Arc<Metrics>, Arc<Feed>),
        (source, augments, deliver, settle): Stages,
        held: watch::Receiver<Held>,
        tasks: Vec<JoinHandle<()>>,
    ) -> Self {
        Self {
            store,
            source,
            held,
            dispatch: RwLock::new(settings.dispatch.clone()),
            settings,
            metrics,
            feed,
            augments,
            deliver,
            settle,
            tasks,
            joined: RwLock::default(),
            draining: AtomicBool::new(false),
        }
    }

    pub(super) async fn stop(&self) {
        for task in &self.tasks {
            task.abort();
        }
        self.source.stop(Reason::Shutdown);
        self.augments.iter().for_each(|augment| augment.stop(Reason::Shutdown));
        self.deliver.stop(Reason::Shutdown);
        self.settle.stop(Reason::Shutdown);
        if let Err(error) = self.store.close().await {
            tracing::warn!(%error, "the store did not close cleanly");
        }
    }
}

impl Node {
    /// A node on this store, with every default.
    #[must_use]
    pub fn builder(store: Arc<dyn Store>) -> NodeBuilder {
        NodeBuilder::new(store)
    }

    pub(super) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }

    /// Takes messages in: durable on return, as far as the store promises.
    ///
    /// # Errors
    /// Draining, refused, or the store failed; see [`IntakeError`].
    ///
    /// # Cancel safety
    /// Dropped before it is done, whether the messages were accepted is unknown.
    pub async fn accept(&self, batch: Vec<Draft>) -> Result<Vec<Receipt>, IntakeError> {
        self.take_in(batch, |batch, bounds| self.0.store.accept(batch, bounds)).await
    }

    /// The table that applications insert messages into, where the store has one.
    #[must_use]
    pub fn outbox(&self) -> Option<&dyn Outbox> {
        self.0.store.outbox()
    }

    /// Takes messages in that were read from the outbox, and deletes their rows with that.
    ///
    /// # Errors
    /// As [`accept`](Self::accept); or the store has no outbox.
    ///
    /// # Cancel safety
    /// Dropped before it is done, whether they were accepted is unknown: those that were have no
    /// rows any more.
    pub async fn accept_rows(
        &self,
        batch: Vec<Draft>,
        rows: Vec<u64>,
    ) -> Result<Vec<Receipt>, IntakeError> {
        let none = || StoreError::Unsupported("this store has no outbox".into());
        let outbox = self.outbox().ok_or_else(|| AcceptError::Store(none()))?;
        self.take_in(batch, |batch, bounds| outbox.take(batch, bounds, rows)).await
    }

    async fn take_in<'a>(
        &'a self,
        batch: Vec<Draft>,
        accept: impl FnOnce(Vec<Draft>, Bounds) -> Answer<'a, Vec<Receipt>, AcceptError>,
    ) -> Result<Vec<Receipt>, IntakeError> {
        if self.0.draining.load(Ordering::Relaxed) {
            return Err(IntakeError::Draining);
        }
        let watched = self.0.feed.of_interest(&batch, &self.0.settings.bounds);
        let receipts = accept(batch, self.0.settings.bounds).await?;
        self.0.feed.accepted(watched, &receipts);
        let duplicates = receipts.iter().filter(|receipt| receipt.duplicate).count() as u64;
        let taken = receipts.len() as u64 - duplicates;
        self.0.metrics.accepted.fetch_add(taken, Ordering::Relaxed);
        if duplicates > 0 {
            self.0.metrics.duplicates.fetch_add(duplicates, Ordering::Relaxed);
        }
        Ok(receipts)
    }

    /// A client joined `topic`; `asks` says that it will acknowledge. Call after the join was
    /// answered and the client is in the target's audience.
    pub fn joined(&self, topic: &Arc<str>, asks: bool) {
        *self.0.joined.write().entry(topic.clone()).or_default() += 1;
        let _ = self.0.source.info(SourceInfo::Joined(topic.clone(), asks));
    }

    /// A client left `topic`, as it had joined it. Call after it is out of the target's audience.
    pub fn left(&self, topic: &Arc<str>, asks: bool) {
        let mut joined = self.0.joined.write();
        if let Some(count) = joined.get_mut(topic) {
            *count -= 1;
            if *count == 0 {
                joined.remove(topic);
            }
        }
        drop(joined);
        let _ = self.0.source.info(SourceInfo::Left(topic.clone(), asks));
    }

    /// Whether anybody has joined `topic`.
    #[must_use]
    pub fn is_joined(&self, topic: &str) -> bool {
        self.0.joined.read().contains_key(topic)
    }

    /// A client acknowledges messages of `topic` by their ids. Done when that is durable.
    /// Ids that are unknown, settled already, or not of this topic answer so and harm nothing.
    ///
    /// # Errors
    /// The store failed; nothing is known of the ids then.
    ///
    /// # Cancel safety
    /// Dropped, the acknowledgement goes on; only its answer is lost.
    pub async fn acknowledge(
        &self,
        topic: &Arc<str>,
        ids: Vec<Arc<str>>,
    ) -> Result<Vec<Settled>, StoreError> {
        let mut settled = vec![Settled::Unknown; ids.len()];
        let mut awaited = ids.len();
        let (answers, mut heard) = mpsc::unbounded_channel();
        let told = DeliverInfo::Acknowledge { topic: topic.clone(), ids, answers };
        self.0.deliver.info(told).map_err(|_| StoreError::Closed)?;
        while awaited > 0 {
            let (number, answer) = heard.recv().await.ok_or(StoreError::Closed)?;
            if let Some(place) = settled.get_mut(number) {
                *place = answer;
            }
            awaited -= 1;
        }
        Ok(settled)
    }

    /// An endpoint answers again: the lanes that waited for it may go on. Called when that is known
    /// from elsewhere than a message; a message's own answer says it by itself.
    pub fn release_endpoint(&self, endpoint: Endpoint) {
        let _ = self.0.deliver.info(DeliverInfo::Open(endpoint));
    }

    /// One message by its id.
    ///
    /// # Errors
    /// The store failed, or cannot look one up.
    pub async fn find(&self, id: &str) -> Result<Option<Sighting>, StoreError> {
        let Some(mut sighting) = self.0.store.find(id).await? else { return Ok(None) };
        if sighting.state == State::Ready
            && let Some((lane, seq)) = sighting.place
            && self.is_out(lane, seq).await
        {
            sighting.state = State::InFlight;
        }
        Ok(Some(sighting))
    }

    async fn is_out(&self, lane: LaneId, seq: u64) -> bool {
        let (answer, heard) = oneshot::channel();
        let asked = self.0.source.info(SourceInfo::IsOut(lane, seq, answer)).is_ok();
        asked && heard.await.unwrap_or(false)
    }

    /// Why the messages of a key wait, or of all keys that begin with it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn explain(&self, key: &Key) -> Result<KeyReport, StoreError> {
        let counts = self.0.store.key_counts(key).await?;
        let (answer, heard) = oneshot::channel();
        let asked = self.0.source.info(SourceInfo::Explain(key.clone(), answer)).is_ok();
        let mut report = if asked { heard.await.unwrap_or_default() } else { KeyReport::default() };
        (report.backlog, report.held) = (counts.backlog, counts.held);
        if counts.held > 0 {
            report.add(Wait::Absent);
        }
        Ok(report)
    }

    /// How turns are dealt now.
    #[must_use]
    pub fn dispatch(&self) -> Dispatch {
        self.0.dispatch.read().clone()
    }

    /// Deals turns in another way from now on, for what waits too. How much is asked for in all,
    /// [`Dispatch::max_in_flight`], stays as it was when the node was started.
    pub fn set_dispatch(&self, dispatch: Dispatch) {
        *self.0.dispatch.write() = dispatch.clone();
        let _ = self.0.source.info(SourceInfo::Dispatch(Box::new(dispatch)));
    }

    /// What it holds, all at once.
    ///
    /// # Errors
    /// The store failed.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let counts = self.0.store.counts().await?;
        let (answer, heard) = oneshot::channel();
        let asked = self.0.source.info(SourceInfo::Busiest(10, answer)).is_ok();
        let busiest = if asked { heard.await.unwrap_or_default() } else { Vec::new() };
        let metrics = &self.0.metrics;
        Ok(Snapshot {
            backlog: counts.backlog,
            in_flight: metrics.in_flight.load(Ordering::Relaxed),
            unacknowledged: metrics.unacknowledged.load(Ordering::Relaxed),
            held: counts.held,
            scheduled: counts.scheduled,
            dead: counts.dead,
            stages: self.stages(),
            busiest,
        })
    }

    fn stages(&self) -> Vec<StageSnapshot> {
        let snapshot = |stage, counts: roundsman::Counts| StageSnapshot {
            stage,
            demand: counts.demand as u64,
            buffered: (counts.buffered + counts.waiting) as u64,
        };
        let mut stages = vec![snapshot("source", self.0.source.counts())];
        if !self.0.augments.is_empty() {
            let mut all = StageSnapshot { stage: "augment", ..StageSnapshot::default() };
            for (stage, metrics) in self.0.augments.iter().zip(&self.0.metrics.augments) {
                let one = snapshot("augment", stage.counts());
                all.demand += one.demand;
                all.buffered += one.buffered + metrics.waiting.load(Ordering::Relaxed);
            }
            stages.push(all);
        }
        stages.push(snapshot("deliver", self.0.deliver.counts()));
        stages.push(snapshot("settle", self.0.settle.counts()));
        stages
    }

    /// What it counted so far.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The rules it delivers by.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.0.settings.rules.clone()
    }

    /// Whether it can take messages in: the store answers and has room, and it is not draining.
    pub async fn is_ready(&self) -> bool {
        !self.0.draining.load(Ordering::Relaxed)
            && self.0.store.counts().await.is_ok()
            && self.0.store.accept(Vec::new(), Bounds::NONE).await.is_ok()
    }

    /// Waits until a stage of the road has ended, which none does before [`stop`](Self::stop)
    /// unless something is wrong with the store or with the program, and says which and why.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it; it can be asked again.
    pub async fn ended(&self) -> (&'static str, Reason) {
        let augments: Vec<_> = self.0.augments.iter().map(|it| Box::pin(it.ended())).collect();
        let augment = async {
            match augments.is_empty() {
                true => std::future::pending().await,
                false => select_all(augments).await.0,
            }
        };
        tokio::select! {
            reason = self.0.source.ended() => ("source", reason),
            reason = augment => ("augment", reason),
            reason = self.0.deliver.ended() => ("deliver", reason),
            reason = self.0.settle.ended() => ("settle", reason),
        }
    }

    /// Refuses what comes in from now on; what is in flight goes on.
    pub fn stop_intake(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Reads back an id as this node's store writes it.
    #[must_use]
    pub fn parse_id(&self, id: &str) -> MessageId {
        MessageId::parse(id, self.0.store.salt())
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
