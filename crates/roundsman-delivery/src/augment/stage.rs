//! The augment stage: messages wait in it for what their payload lacks.

use super::cache::{Answer, Answers};
use super::circuit::Circuit;
use super::desk::{Desk, Next, Query, Terms};
use super::lookup::{Found, Value, answer};
use super::order::{Order, Ticket};
use super::settings::Augment;
use crate::deliver::{DeliverInfo, Turn};
use crate::metrics::AugmentMetrics;
use crate::rule::{self, Rules};
use crate::target::{Fate, Trouble};
use crate::upstream::Upstream;
use roundsman::{Emitter, Mode, Reason, Side, StageRef, Subscribe, SubscriptionId, Transform};
use roundsman_store::{Clock, LaneId, Timestamp};
use rustc_hash::FxHashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What the stage is told.
#[derive(Debug)]
pub(crate) enum AugmentInfo {
    /// Where messages go that end here.
    Downstream(StageRef<DeliverInfo>),
    /// Deliver has room for so many more; told to the stage next to the source.
    Ask(usize),
    /// A query has ended.
    Ended(Box<Ended>),
    /// This moment has come.
    Due(Instant),
}

/// What came of a query.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(super) query: Query,
    pub(super) answer: Result<Found, Trouble>,
    /// It was given up on.
    pub(super) late: bool,
    pub(super) took: Duration,
}

/// A message in the stage, and what became of it where it ends here.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) turn: Turn,
    pub(super) fate: Option<Fate>,
}

/// The stage.
pub(crate) struct AugmentStage {
    pub(super) augment: Augment,
    rules: Rules,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<AugmentMetrics>,
    pub(super) desk: Desk<Ticket>,
    pub(super) answers: Answers,
    pub(super) circuit: Circuit,
    pub(super) order: Order<Held>,
    pub(super) deliver: Option<StageRef<DeliverInfo>>,
    me: Option<StageRef<AugmentInfo>>,
    upstream: Upstream,
    /// Next to the source: asks it for what deliver wants, no more.
    is_first: bool,
    /// The moment that is waited for.
    waking: Option<Instant>,
}

impl AugmentStage {
    pub(crate) fn new(
        augment: Augment,
        (rules, clock): (Rules, Arc<dyn Clock>),
        metrics: Arc<AugmentMetrics>,
        is_first: bool,
    ) -> Self {
        let terms = Terms {
            concurrency: augment.concurrency.max(1),
            batch: augment.batch.max(1),
            batch_wait: augment.batch_wait,
            rate: augment.rate,
        };
        Self {
            rules,
            clock,
            metrics,
            desk: Desk::new(terms),
            answers: Answers::new(augment.cache, augment.stale, augment.cache_bytes),
            circuit: Circuit::new(augment.probe),
            order: Order::new(),
            deliver: None,
            me: None,
            upstream: Upstream::default(),
            is_first,
            waking: None,
            augment,
        }
    }

    /// The lane of a message, where that keeps an order.
    fn lane(&self, turn: &Turn) -> Option<LaneId> {
        let rule = self.rules.get(turn.rule)?;
        (rule.order == rule::Order::Topic).then_some(turn.message.record.lane.id)
    }

    /// A message has come: it leaves at once, or waits.
    fn arrive(&mut self, turn: Turn, now: Instant, leave: &mut Vec<Held>) {
        let lane = self.lane(&turn);
        let mut held = Held { turn, fate: None };
        let seq = held.turn.message.record.seq;
        if lane.is_some_and(|lane| self.order.is_broken(lane, seq)) {
            held.fate = Some(Fate::Released);
            leave.push(held);
            return;
        }
        if let Some(value) = self.begin(&mut held, now) {
            let ticket = self.order.enter(lane, held, false);
            self.desk.want(&value, Some(ticket), now);
        } else if lane.is_some_and(|lane| self.order.is_behind(lane)) {
            self.order.enter(lane, held, true);
        } else {
            leave.push(held);
        }
    }

    /// Does with a message what can be done at once; the value that it has to wait for.
    fn begin(&mut self, held: &mut Held, now: Instant) -> Option<Value> {
        let record = &held.turn.message.record;
        let kept = record.history.as_ref().is_some_and(|history| history.augmented);
        if kept || !self.augment.topics.matches(&record.lane.topic) {
            return None;
        }
        let payload = record.payload.clone();
        let value = self.augment.wants(&payload)?;
        let found = match self.answers.get(value, now) {
            Answer::Fresh(found) => found,
            Answer::Stale(found) => {
                if !self.circuit.is_open() {
                    self.desk.want(&value.into(), None, now);
                }
                found
            }
            Answer::None => {
                self.metrics.misses.fetch_add(1, Ordering::Relaxed);
                return match self.circuit.admit(now) {
                    Ok(()) => Some(value.into()),
                    Err(until) => {
                        let until = self.timestamp(until, now);
                        held.fate = self.augment.left_alone(&mut held.turn, until);
                        None
                    }
                };
            }
        };
        self.metrics.hits.fetch_add(1, Ordering::Relaxed);
        held.fate = self.augment.add(&mut held.turn, value, found.as_ref());
        None
    }

    /// The same moment on the clock that messages go by.
    pub(super) fn timestamp(&self, until: Instant, now: Instant) -> Timestamp {
        self.clock.now().after(until.saturating_duration_since(now))
    }

    /// Lets messages go: on to the next stage, or back.
    fn leave(&mut self, leaving: Vec<Held>, out: &mut Emitter<'_, Turn>) {
        let mut ends = Vec::new();
        let mut broken = FxHashSet::default();
        for Held { turn, fate } in leaving {
            let lane = self.lane(&turn);
            if lane.is_some_and(|lane| broken.contains(&lane)) {
                ends.push((turn, Fate::Released));
                continue;
            }
            match (fate, lane) {
                (None, _) => out.emit(turn),
                (Some(fate @ (Fate::Failed(_) | Fate::Parked { .. })), Some(lane)) => {
                    // Nothing of its lane may overtake what comes again.
                    broken.insert(lane);
                    let seq = turn.message.record.seq;
                    let behind = self.order.hand_back(lane, seq, Instant::now());
                    ends.push((turn, fate));
                    ends.extend(behind.into_iter().map(|held| (held.turn, Fate::Released)));
                }
                (Some(fate), _) => ends.push((turn, fate)),
            }
        }
        if !ends.is_empty()
            && let Some(deliver) = &self.deliver
        {
            let _ = deliver.info(DeliverInfo::Ended(ends));
        }
    }

    /// Starts whatever queries may start now.
    fn pump(&mut self) {
        let now = Instant::now();
        loop {
            match self.desk.next(now) {
                Next::Query(query) => self.ask(query),
                Next::Wait(until) => {
                    self.wake(until);
                    break;
                }
                Next::Nothing => break,
            }
        }
        self.metrics.in_flight.store(self.desk.out() as u64, Ordering::Relaxed);
        self.metrics.waiting.store(self.order.len() as u64, Ordering::Relaxed);
    }

    fn wake(&mut self, until: Instant) {
        let Some(me) = self.me.clone().filter(|_| self.waking.is_none_or(|at| until < at)) else {
            return;
        };
        self.waking = Some(until);
        tokio::spawn(async move {
            sleep_until(until).await;
            let _ = me.info(AugmentInfo::Due(until));
        });
    }

    fn ask(&self, query: Query) {
        let Some(me) = self.me.clone() else { return };
        let (lookup, within) = (self.augment.lookup.clone(), self.augment.timeout);
        tokio::spawn(async move {
            let begun = Instant::now();
            let (answer, late) = answer(&*lookup, query.values.clone(), within).await;
            let took = begun.elapsed();
            let _ = me.info(AugmentInfo::Ended(Box::new(Ended { query, answer, late, took })));
        });
    }
}

impl Transform for AugmentStage {
    type In = Turn;
    type Out = Turn;
    type Info = AugmentInfo;

    async fn started(&mut self, me: &StageRef<AugmentInfo>) -> Result<(), Reason> {
        self.me = Some(me.clone());
        Ok(())
    }

    async fn handle_subscribe(
        &mut self,
        side: Side,
        subscription: SubscriptionId,
        _terms: &Subscribe,
        out: &mut Emitter<'_, Turn>,
    ) -> Result<Mode, Reason> {
        let is_first = self.is_first;
        Ok(if is_first { self.upstream.joined(side, subscription, out) } else { Mode::Automatic })
    }

    async fn handle_events(
        &mut self,
        turns: Vec<Turn>,
        _from: SubscriptionId,
        out: &mut Emitter<'_, Turn>,
    ) -> Result<(), Reason> {
        let (now, mut leave) = (Instant::now(), Vec::with_capacity(turns.len()));
        for turn in turns {
            self.arrive(turn, now, &mut leave);
        }
        self.leave(leave, out);
        self.pump();
        Ok(())
    }

    async fn handle_info(
        &mut self,
        info: AugmentInfo,
        out: &mut Emitter<'_, Turn>,
    ) -> Result<(), Reason> {
        match info {
            AugmentInfo::Downstream(deliver) => self.deliver = Some(deliver),
            AugmentInfo::Ask(more) => self.upstream.ask(more, out),
            AugmentInfo::Ended(ended) => {
                let mut leave = Vec::new();
                self.ended(*ended, &mut leave);
                self.leave(leave, out);
            }
            AugmentInfo::Due(moment) => {
                self.waking.take_if(|at| *at <= moment);
            }
        }
        self.pump();
        Ok(())
    }
}
