//! The deliver stage: hands messages to targets, takes their answers, asks for as many as fit.

use super::ended::Ended;
use super::slots::{Freed, Slots};
use crate::augment::AugmentInfo;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::retry::{Retry, Verdict};
use crate::rule::{Offline, Order, Rule, Rules};
use crate::settle::{Closing, Ticket};
use crate::source::SourceInfo;
use crate::target::{Acknowledger, Batch, Fate, Message, Slot, Targets, Trouble};
use crate::upstream::Upstream;
use bytes::Bytes;
use roundsman::{Emitter, Mode, Reason, Side, StageRef, Subscribe, SubscriptionId, Transform};
use roundsman_store::{
    ClaimId, Clock, Endpoint, Failure, History, LaneId, Outcome, Place, Settled, Timestamp,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;
use tokio::sync::mpsc;

/// A message whose turn it is: claimed, on its way to the target of its rule.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) message: Message,
    pub(crate) rule: usize,
    pub(crate) claim: ClaimId,
    /// Lookups have had their say: what the payload is now stays, whatever attempts it takes.
    pub(crate) augmented: bool,
}

/// What the stage is told.
#[derive(Debug)]
pub(crate) enum DeliverInfo {
    /// What became of a batch.
    Fate(Flight, Fate),
    /// Messages ended before they came here.
    Ended(Vec<(Turn, Fate)>),
    /// Slots were given back.
    Freed,
    /// An endpoint answers again.
    Open(Endpoint),
    /// Ends that the source tells: they take the same road to the store.
    Close(Vec<Closing>),
    /// A client acknowledges messages of a topic.
    Acknowledge {
        topic: Arc<str>,
        ids: Vec<Arc<str>>,
        answers: mpsc::UnboundedSender<(usize, Settled)>,
    },
}

/// A batch that is with its target: what is needed to settle it.
#[derive(Debug)]
pub(crate) struct Flight {
    lane: LaneId,
    topic: Arc<str>,
    rule: usize,
    claim: ClaimId,
    begun: Timestamp,
    members: Vec<Member>,
}

impl Flight {
    /// Messages of one lane, under one rule and claim.
    fn of(turns: &[Turn], begun: Timestamp) -> Option<Self> {
        let Turn { message, rule, claim, .. } = turns.first()?;
        let lane = &message.record.lane;
        let members = turns.iter().map(Member::of).collect();
        let topic = lane.topic.clone();
        Some(Self { lane: lane.id, topic, rule: *rule, claim: *claim, begun, members })
    }
}

#[derive(Debug)]
struct Member {
    seq: u64,
    attempt: u32,
    history: Option<Box<History>>,
    /// What lookups made of the payload.
    payload: Option<Bytes>,
}

impl Member {
    fn of(turn: &Turn) -> Self {
        let Message { record, attempt, .. } = &turn.message;
        let payload = turn.augmented.then(|| record.payload.clone());
        Self { seq: record.seq, attempt: *attempt, history: record.history.clone(), payload }
    }
}

/// The stage.
pub(crate) struct DeliverStage {
    targets: Targets,
    rules: Rules,
    retry: Retry,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    feed: Arc<Feed>,
    slots: Slots,
    freed: Freed,
    source: StageRef<SourceInfo>,
    ended: Ended,
    /// The endpoints that targets have parked.
    parked: FxHashSet<Endpoint>,
    upstream: Upstream,
    /// Where there are augmentations, the first of them asks the source.
    asks: Option<StageRef<AugmentInfo>>,
    /// Messages that were asked for of the stage before this one and ended there.
    missed: usize,
    me: Option<StageRef<DeliverInfo>>,
}

impl DeliverStage {
    pub(crate) fn new(
        targets: Targets,
        (rules, retry): (Rules, Retry),
        clock: Arc<dyn Clock>,
        (metrics, feed): (Arc<Metrics>, Arc<Feed>),
        (source, ended): (StageRef<SourceInfo>, Ended),
        asks: Option<StageRef<AugmentInfo>>,
        most: usize,
    ) -> Self {
        Self {
            targets,
            rules,
            retry,
            clock,
            metrics,
            feed,
            slots: Slots::new(most, asks.is_some()),
            freed: Freed::default(),
            source,
            ended,
            parked: FxHashSet::default(),
            upstream: Upstream::default(),
            asks,
            missed: 0,
            me: None,
        }
    }

    fn ask(&mut self, out: &mut Emitter<'_, Closing>) {
        self.slots.free(self.freed.take());
        let demand = self.slots.ask();
        if demand == 0 {
            return;
        }
        // What ended on its way is still owed by the stage before this one.
        let owed = self.missed.min(demand);
        self.missed -= owed;
        self.upstream.ask(demand - owed, out);
        if let Some(first) = &self.asks {
            let _ = first.info(AugmentInfo::Ask(demand));
        }
    }

    /// Groups messages into batches of one lane, in the order of their first turns. Without an
    /// order to keep, each message is a batch of its own and meets its own fate.
    fn group(&self, turns: Vec<Turn>) -> Vec<Vec<Turn>> {
        let mut batches: Vec<Vec<Turn>> = Vec::new();
        let mut open: FxHashMap<(LaneId, ClaimId), usize> = FxHashMap::default();
        for turn in turns {
            let ordered = self.rules.get(turn.rule).is_some_and(|rule| rule.order == Order::Topic);
            let lane = (turn.message.record.lane.id, turn.claim);
            match open.get(&lane) {
                // What comes again goes to other clients than what is new.
                Some(at)
                    if ordered
                        && batches[*at]
                            .last()
                            .is_some_and(|last| last.message.again == turn.message.again) =>
                {
                    batches[*at].push(turn);
                }
                _ => {
                    open.insert(lane, batches.len());
                    batches.push(vec![turn]);
                }
            }
        }
        batches
    }

    fn hand_over(&self, turns: Vec<Turn>, now: Timestamp) {
        let Some(me) = self.me.clone() else { return };
        let Some(mut flight) = Flight::of(&turns, now) else { return };
        let (rule, topic) = (flight.rule, flight.topic.clone());
        let messages: Vec<Message> = turns.into_iter().map(|turn| turn.message).collect();
        let (count, freed, teller) = (messages.len(), self.freed.clone(), me.clone());
        let slot = Slot::new(move || {
            if freed.give(count) {
                let _ = teller.info(DeliverInfo::Freed);
            }
        });
        let acknowledger = Acknowledger::timed(move |fate, begun| {
            flight.begun = begun.unwrap_or(now);
            let _ = me.info(DeliverInfo::Fate(flight, fate));
        });
        let batch = Batch { topic, rule, messages, acknowledger, slot };
        match self.rules.get(rule).and_then(|rule| self.targets.find(rule.to)) {
            Some(target) => target.deliver(batch),
            None => batch.acknowledger.failed("this node has no such target"),
        }
    }

    /// Keeps book of which endpoints are parked, as the targets' answers say.
    fn book(&mut self, flight: &Flight, fate: &Fate) {
        match fate {
            Fate::Parked { endpoint, until } => {
                self.parked.insert(*endpoint);
                let _ = self.source.info(SourceInfo::Parked(*endpoint, *until, flight.lane));
            }
            Fate::Delivered | Fate::Failed(_) | Fate::Refused(..) if !self.parked.is_empty() => {
                let rule = self.rules.get(flight.rule);
                let endpoint =
                    rule.and_then(|rule| self.targets.endpoint(flight.rule, rule, &flight.topic));
                if let Some(endpoint) = endpoint.filter(|endpoint| self.parked.contains(endpoint)) {
                    self.open(endpoint);
                }
            }
            _ => {}
        }
    }

    /// Messages ended before they came here: their slots are free again.
    fn ended(&mut self, ends: Vec<(Turn, Fate)>, out: &mut Emitter<'_, Closing>) {
        self.slots.take(ends.len());
        self.slots.free(ends.len());
        self.missed += ends.len();
        let now = self.clock.now();
        for (mut turn, fate) in ends {
            // Another lookup may have added to it; all of them are asked again.
            turn.augmented = false;
            let Some(flight) = Flight::of(&[turn], now) else { continue };
            if matches!(fate, Fate::Parked { .. }) {
                self.book(&flight, &fate);
            }
            self.outcomes(&flight, &fate, out);
        }
    }

    fn open(&mut self, endpoint: Endpoint) {
        self.parked.remove(&endpoint);
        let _ = self.source.info(SourceInfo::Opened(endpoint));
    }

    /// The outcome of each message of a batch.
    fn outcomes(&self, flight: &Flight, fate: &Fate, out: &mut Emitter<'_, Closing>) {
        let rule = self.rules.get(flight.rule);
        let mut held_back = false;
        for member in &flight.members {
            let outcome = match fate {
                Fate::Delivered => Outcome::Delivered,
                Fate::Sent => Outcome::Sent,
                Fate::Absent if rule.is_some_and(|rule| rule.offline == Offline::Drop) => {
                    Outcome::Dropped
                }
                Fate::Absent | Fate::Released | Fate::Parked { .. } => Outcome::Released,
                Fate::Refused(reason, why) => {
                    let failure = Some(failure(why, self.clock.now()));
                    Outcome::Dead { reason: *reason, failure }
                }
                Fate::Failed(_) if held_back => Outcome::Released,
                Fate::Failed(why) => {
                    let outcome = self.failed(rule, member, why, flight.begun);
                    // Behind a head that is tried again the rest of its batch waits unharmed.
                    held_back = matches!(outcome, Outcome::Retry { place: Place::Keep, .. });
                    outcome
                }
            };
            let claim = Some(flight.claim);
            out.emit(Closing::at(flight.lane, member.seq, member.attempt, claim, outcome));
        }
    }

    fn failed(
        &self,
        rule: Option<&Rule>,
        member: &Member,
        why: &Trouble,
        begun: Timestamp,
    ) -> Outcome {
        let now = self.clock.now();
        let failure = failure(why, now);
        let history = Retry::after_failure(member.history.as_deref(), member.attempt, begun);
        match self.retry.decide(&history, now, why.not_before, rand::random()) {
            Verdict::Again(at) => {
                let ordered = rule.is_some_and(|rule| rule.order == Order::Topic);
                let place = if ordered { Place::Keep } else { Place::Leave };
                Outcome::Retry { at, place, failure, payload: member.payload.clone() }
            }
            Verdict::Dead(reason) => Outcome::Dead { reason, failure: Some(failure) },
        }
    }

    /// Of first attempts: what a retry waited for is its back-off.
    fn observe_waits(&self, turns: &[Turn], now: Timestamp) {
        let mut run = (Timestamp::default(), 0);
        for turn in turns.iter().filter(|turn| turn.message.attempt == 1) {
            let accepted_at = turn.message.record.accepted_at;
            if run.0 != accepted_at {
                if run.1 > 0 {
                    self.metrics.wait_seconds.observe(now.since(run.0), run.1);
                }
                run = (accepted_at, 0);
            }
            run.1 += 1;
        }
        if run.1 > 0 {
            self.metrics.wait_seconds.observe(now.since(run.0), run.1);
        }
    }
}

fn failure(why: &Trouble, at: Timestamp) -> Failure {
    let failure = Failure::new(at, why.what.clone());
    match why.status {
        Some(status) => failure.answered(status, &why.answer),
        None => failure,
    }
}

impl Transform for DeliverStage {
    type In = Turn;
    type Out = Closing;
    type Info = DeliverInfo;

    async fn started(&mut self, me: &StageRef<DeliverInfo>) -> Result<(), Reason> {
        self.me = Some(me.clone());
        Ok(())
    }

    async fn handle_subscribe(
        &mut self,
        side: Side,
        subscription: SubscriptionId,
        _terms: &Subscribe,
        out: &mut Emitter<'_, Closing>,
    ) -> Result<Mode, Reason> {
        let mode = self.upstream.joined(side, subscription, out);
        self.ask(out);
        Ok(mode)
    }

    async fn handle_events(
        &mut self,
        turns: Vec<Turn>,
        _from: SubscriptionId,
        out: &mut Emitter<'_, Closing>,
    ) -> Result<(), Reason> {
        self.slots.take(turns.len());
        let now = self.clock.now();
        self.observe_waits(&turns, now);
        self.feed.dispatched(&turns);
        for turns in self.group(turns) {
            self.hand_over(turns, now);
        }
        self.ask(out);
        Ok(())
    }

    async fn handle_info(
        &mut self,
        info: DeliverInfo,
        out: &mut Emitter<'_, Closing>,
    ) -> Result<(), Reason> {
        match info {
            DeliverInfo::Fate(flight, fate) => {
                let seqs = flight.members.iter().map(|member| member.seq).collect();
                let span = self.clock.now().since(flight.begun);
                self.ended.tell(&self.source, (flight.lane, seqs), span);
                self.book(&flight, &fate);
                self.outcomes(&flight, &fate, out);
            }
            DeliverInfo::Open(endpoint) => self.open(endpoint),
            DeliverInfo::Ended(ends) => self.ended(ends, out),
            DeliverInfo::Freed => {}
            DeliverInfo::Close(closings) => {
                for closing in closings {
                    out.emit(closing);
                }
            }
            DeliverInfo::Acknowledge { topic, ids, answers } => {
                for (number, id) in ids.into_iter().enumerate() {
                    let ticket = Ticket { number, answers: answers.clone() };
                    out.emit(Closing::acknowledged(id, topic.clone(), ticket));
                }
            }
        }
        self.ask(out);
        Ok(())
    }
}
