//! The source stage: the shell around [`Lanes`] that talks to the store.

use super::clerk::Errand;
use super::info::{Held, SourceInfo};
use super::lanes::{Lanes, Limits};
use super::parking::Try;
use super::pick::Picked;
use super::walk::{CatchUp, Walk};
use crate::deliver::{DeliverInfo, Ended, Turn};
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::patience::{Pause, until_answered};
use futures_util::task::noop_waker_ref;
use roundsman::{Emitter, Producer, Reason, StageRef};
use roundsman_store::{
    Claim, ClaimId, Claimed, Clock, Hint, Lane, Release, Store, StoreError, Timestamp,
};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// The stage.
pub(crate) struct SourceStage {
    pub(super) store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    pub(super) lanes: Lanes,
    pub(super) feed: Arc<Feed>,
    pub(super) walk: Walk,
    pub(super) catch_up: CatchUp,
    errands: mpsc::UnboundedSender<Errand>,
    ended: Ended,
    /// When a key's rate lets it go on, as far as somebody will say so.
    alarm: Option<Timestamp>,
    held: watch::Sender<Held>,
    downstream: Option<StageRef<DeliverInfo>>,
    pub(super) me: Option<StageRef<SourceInfo>>,
    /// Asked for and not yet given.
    demand: usize,
    claiming: bool,
    claim_began: Timestamp,
    resting: bool,
    pub(super) fetches: usize,
    draining: bool,
}

/// So many messages in one claim are many.
const MANY: usize = 64;
/// How long the source rests for each of many.
const EACH: Duration = Duration::from_micros(3);
/// How long the source waits before it calls a failed store again.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
/// The same, for a claim: everything behind it waits as well.
const CLAIM_PAUSE: Pause = Pause { first: PAUSE, longest: PAUSE };

impl SourceStage {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        limits: Limits,
        (metrics, feed): (Arc<Metrics>, Arc<Feed>),
        (errands, ended): (mpsc::UnboundedSender<Errand>, Ended),
        held: watch::Sender<Held>,
    ) -> Self {
        Self {
            store,
            clock,
            lanes: Lanes::new(limits, metrics),
            feed,
            walk: Walk::new(),
            catch_up: CatchUp::default(),
            errands,
            ended,
            alarm: None,
            held,
            downstream: None,
            me: None,
            demand: 0,
            claiming: false,
            claim_began: Timestamp::default(),
            resting: false,
            fetches: 0,
            draining: false,
        }
    }

    /// Does whatever can be done now.
    fn pump(&mut self, out: &mut Emitter<'_, Turn>) {
        self.pick(out);
        let wants = self.lanes.wants();
        let (close, block) = (std::mem::take(&mut wants.close), std::mem::take(&mut wants.block));
        let attempt = std::mem::take(&mut wants.attempt);
        if std::mem::take(&mut wants.passed) {
            self.catch_up.passed();
        }
        if !close.is_empty()
            && let Some(downstream) = &self.downstream
        {
            let _ = downstream.info(DeliverInfo::Close(close));
        }
        if !block.is_empty() {
            let _ = self.errands.send(Errand::Block(block));
        }
        for attempt in attempt {
            let _ = self.errands.send(Errand::Release(match attempt {
                Try::Lane(lane) => Release::Lanes(vec![lane]),
                Try::All(endpoint) => Release::Endpoint(endpoint),
            }));
        }
        if !self.draining {
            self.fetch();
            self.step();
        }
        self.tell_held();
    }

    fn tell_held(&self) {
        let held = Held {
            draining: self.draining,
            flying: self.lanes.flying(),
            unacknowledged: self.lanes.unacknowledged(),
        };
        if self.draining {
            self.held.send_if_modified(|now| std::mem::replace(now, held) != held);
        }
    }

    fn pick(&mut self, out: &mut Emitter<'_, Turn>) {
        while self.demand > 0 && !self.claiming && !self.resting && !self.draining {
            let picked = self.lanes.pick(self.demand, self.clock.now());
            if picked.messages.is_empty() {
                return self.set_alarm();
            }
            self.demand -= picked.messages.len();
            self.claim(picked, out);
        }
    }

    /// Where keys wait for their rate, somebody has to say when it is time.
    fn set_alarm(&mut self) {
        let Some(moment) = self.lanes.alarm() else { return };
        let Some(me) = self.me.clone() else { return };
        if self.alarm.is_some_and(|set| set <= moment) {
            return;
        }
        self.alarm = Some(moment);
        let span = moment.since(self.clock.now());
        tokio::spawn(async move {
            tokio::time::sleep(span).await;
            let _ = me.info(SourceInfo::Alarm);
        });
    }

    /// Has the claim written down, then emits. One claim at a time: what comes up while it is
    /// being written shares the next one.
    fn claim(&mut self, picked: Picked, out: &mut Emitter<'_, Turn>) {
        let members = picked.messages.iter().map(|(message, _)| Claimed {
            lane: message.record.lane.id,
            seq: message.record.seq,
            attempt: message.attempt,
        });
        let claim = Claim { members: members.collect(), alone: picked.alone };
        let store = self.store.clone();
        let writing = Box::pin(async move {
            until_answered("a claim", CLAIM_PAUSE, || store.claim(claim.clone())).await
        });
        self.claiming = true;
        self.claim_began = self.clock.now();
        if let Some(SourceInfo::Claimed(picked, claim)) =
            self.at_once_or(writing, |claim| SourceInfo::Claimed(picked, claim))
        {
            self.claimed(picked, claim, out);
        }
    }

    /// Runs `call` as far as it goes without waiting. Done, its answer comes back here: a store in
    /// memory costs no task. Else the rest of it runs beside the stage, and the answer is told.
    pub(super) fn at_once_or<T: Send + 'static>(
        &self,
        mut call: Pin<Box<dyn Future<Output = T> + Send>>,
        tell: impl FnOnce(T) -> SourceInfo + Send + 'static,
    ) -> Option<SourceInfo> {
        match call.as_mut().poll(&mut Context::from_waker(noop_waker_ref())) {
            Poll::Ready(answer) => Some(tell(answer)),
            Poll::Pending => {
                let me = self.me.clone();
                tokio::spawn(async move {
                    let answer = call.await;
                    if let Some(me) = me {
                        let _ = me.info(tell(answer));
                    }
                });
                None
            }
        }
    }

    fn claimed(
        &mut self,
        picked: Picked,
        claim: Result<ClaimId, StoreError>,
        out: &mut Emitter<'_, Turn>,
    ) {
        self.claiming = false;
        self.lanes.claimed(self.clock.now().since(self.claim_began));
        match claim {
            Ok(claim) => {
                self.rest(picked.messages.len());
                let turns = picked.messages.into_iter();
                out.emit_batch(
                    turns
                        .map(|(message, rule)| Turn { message, rule, claim, augmented: false })
                        .collect(),
                );
            }
            // The store is closed for good: what was picked stays in it.
            Err(error) => {
                tracing::warn!(%error, "nothing more can be dispatched");
                self.draining = true;
            }
        }
    }

    /// After many messages at once the next ones wait a little, so that those for one lane, which
    /// leave in one write, become more. Under load that is most of what a message costs; a message
    /// that comes alone waits for nothing, nor do those that wait already for want of demand.
    fn rest(&mut self, picked: usize) {
        let Some(me) = self.me.clone().filter(|_| picked >= MANY && !self.lanes.is_waiting())
        else {
            return;
        };
        self.resting = true;
        let span = EACH.saturating_mul(u32::try_from(picked).unwrap_or(u32::MAX));
        tokio::spawn(async move {
            tokio::time::sleep(span).await;
            let _ = me.info(SourceInfo::Rested);
        });
    }

    pub(super) fn visit(&mut self, lanes: &[Arc<Lane>]) {
        self.feed.meet(lanes);
        for lane in lanes {
            self.lanes.visit(lane);
        }
    }

    fn hinted(&mut self, hint: Hint) {
        match hint {
            Hint::Fresh(batch) => {
                self.feed.hinted(&batch);
                self.lanes.fresh(batch);
            }
            Hint::Lanes(lanes) => self.visit(&lanes),
            Hint::Walk => self.walk.again(),
        }
    }

    fn told(&mut self, info: SourceInfo, out: &mut Emitter<'_, Turn>) {
        match info {
            SourceInfo::Hint(hint) => self.hinted(hint),
            SourceInfo::Lanes(lanes) => self.visit(&lanes),
            SourceInfo::Settled(batch) => {
                let now = self.clock.now();
                batch.into_iter().for_each(|told| self.lanes.settled(told, now));
            }
            SourceInfo::Joined(topic, asks) => {
                self.lanes.joined(&topic, asks);
                let _ = self.errands.send(Errand::Release(Release::Topic(topic)));
            }
            SourceInfo::Parked(endpoint, until, lane) => self.lanes.park(endpoint, until, lane),
            SourceInfo::Opened(endpoint) => self.lanes.open(endpoint),
            SourceInfo::Left(topic, asks) => self.lanes.left(&topic, asks),
            SourceInfo::Claimed(picked, claim) => self.claimed(picked, claim, out),
            SourceInfo::Fetched(asks, answer) => self.fetched(&asks, answer),
            SourceInfo::Walked(answer) => self.walked(answer),
            SourceInfo::CaughtUp(answer) => self.caught_up(answer),
            SourceInfo::Served => {
                let now = self.clock.now();
                self.ended.take().iter().for_each(|served| self.lanes.served(served, now));
            }
            SourceInfo::Alarm => self.alarm = None,
            SourceInfo::Dispatch(dispatch) => self.lanes.set_dispatch(*dispatch),
            SourceInfo::Rested => self.resting = false,
            SourceInfo::Tick => {
                if !self.draining {
                    self.lanes.tick(self.clock.now());
                    self.lanes.try_parked(self.clock.now());
                }
                self.lanes.sweep();
            }
            SourceInfo::Lap => self.walk.again(),
            SourceInfo::Downstream(downstream) => self.downstream = Some(downstream),
            SourceInfo::Drain => self.draining = true,
            // Whoever asked may be gone; the answer was for them alone.
            SourceInfo::IsOut(lane, seq, answer) => {
                let _ = answer.send(self.lanes.is_out(lane, seq));
            }
            SourceInfo::Fence(lane, seq, answer) => {
                let _ = answer.send(self.lanes.fence(lane, seq));
            }
            SourceInfo::Unfence(lane, seq, is_gone) => self.lanes.unfence(lane, seq, is_gone),
            SourceInfo::Explain(key, answer) => {
                let _ = answer.send(self.lanes.explain(&key, self.clock.now()));
            }
            SourceInfo::Resident(answer) => {
                let _ = answer.send(self.lanes.names());
            }
            SourceInfo::Busiest(count, answer) => {
                let _ = answer.send(self.lanes.busiest(count, self.clock.now()));
            }
        }
    }
}

impl Producer for SourceStage {
    type Event = Turn;
    type Info = SourceInfo;

    async fn started(&mut self, me: &StageRef<SourceInfo>) -> Result<(), Reason> {
        self.me = Some(me.clone());
        // Which endpoints are parked is known in memory alone: what an earlier run parked is let
        // go, and parked again where it has to be.
        let _ = self.errands.send(Errand::Release(Release::Endpoints));
        Ok(())
    }

    async fn handle_demand(
        &mut self,
        demand: usize,
        out: &mut Emitter<'_, Turn>,
    ) -> Result<(), Reason> {
        self.demand += demand;
        self.pump(out);
        Ok(())
    }

    async fn handle_info(
        &mut self,
        info: SourceInfo,
        out: &mut Emitter<'_, Turn>,
    ) -> Result<(), Reason> {
        self.told(info, out);
        self.pump(out);
        Ok(())
    }
}
