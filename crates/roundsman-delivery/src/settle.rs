//! Settle: the consumer that writes outcomes back to the store, many in one commit.

use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::patience::{Pause, until_answered};
use crate::source::{Ending, SourceInfo, Told};
use roundsman::{Asker, Consumer, Reason, StageRef, SubscriptionId};
use roundsman_store::{
    ClaimId, Clock, LaneId, Outcome, Place, Settled, Settlement, Store, Timestamp, Which,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// One outcome on its way to the store.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) settlement: Settlement,
    /// Whoever waits for it to be durable.
    pub(crate) ticket: Option<Ticket>,
}

/// Tells one of several answers, by its number.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) number: usize,
    pub(crate) answers: mpsc::UnboundedSender<(usize, Settled)>,
}

impl Closing {
    /// The outcome of one attempt.
    pub(crate) fn at(
        lane: LaneId,
        seq: u64,
        attempt: u32,
        claim: Option<ClaimId>,
        outcome: Outcome,
    ) -> Self {
        let which = Which::At { lane, seq, attempt };
        Self { settlement: Settlement { which, claim, outcome }, ticket: None }
    }

    /// An acknowledgement by a client.
    pub(crate) fn acknowledged(id: Arc<str>, topic: Arc<str>, ticket: Ticket) -> Self {
        let which = Which::Id { id, topic };
        let settlement = Settlement { which, claim: None, outcome: Outcome::Delivered };
        Self { settlement, ticket: Some(ticket) }
    }
}

/// What the stage is told: that the few outcomes it has have waited long enough.
#[derive(Debug)]
pub(crate) struct Enough;

/// The stage.
pub(crate) struct SettleStage {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    source: StageRef<SourceInfo>,
    metrics: Arc<Metrics>,
    feed: Arc<Feed>,
    me: Option<StageRef<Enough>>,
    /// A few outcomes, waiting for others to share their commit.
    few: Vec<Closing>,
}

/// So many outcomes are worth a commit of their own at once.
const MANY: usize = 64;
/// How long fewer wait for others. Nobody waits for them but a client for its acknowledgement's
/// answer, and a commit less a message is what lets the next one be accepted sooner.
const LINGER: Duration = Duration::from_millis(2);

/// How long settling waits before it tries the store again.
const PAUSE: Pause = Pause { first: Duration::from_millis(10), longest: Duration::from_secs(1) };

impl Consumer for SettleStage {
    type Event = Closing;
    type Info = Enough;

    async fn started(&mut self, me: &StageRef<Enough>) -> Result<(), Reason> {
        self.me = Some(me.clone());
        Ok(())
    }

    async fn handle_events(
        &mut self,
        mut events: Vec<Closing>,
        _from: SubscriptionId,
        _out: &mut Asker<'_>,
    ) -> Result<(), Reason> {
        let begins = self.few.is_empty();
        self.few.append(&mut events);
        if self.few.len() >= MANY {
            return self.settle().await;
        }
        if let Some(me) = self.me.clone().filter(|_| begins) {
            tokio::spawn(async move {
                tokio::time::sleep(LINGER).await;
                let _ = me.info(Enough);
            });
        }
        Ok(())
    }

    async fn handle_info(&mut self, _: Enough, _out: &mut Asker<'_>) -> Result<(), Reason> {
        self.settle().await
    }
}

impl SettleStage {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        source: StageRef<SourceInfo>,
        metrics: Arc<Metrics>,
        feed: Arc<Feed>,
    ) -> Self {
        Self { store, clock, source, metrics, feed, me: None, few: Vec::new() }
    }

    async fn settle(&mut self) -> Result<(), Reason> {
        let events = std::mem::take(&mut self.few);
        if events.is_empty() {
            return Ok(());
        }
        let (batch, tickets): (Vec<Settlement>, Vec<Option<Ticket>>) =
            events.into_iter().map(|closing| (closing.settlement, closing.ticket)).unzip();
        let answers = self.write(&batch).await?;
        self.count(&batch, &answers);
        self.feed.settled(&batch, &answers);
        for (ticket, answer) in tickets.into_iter().zip(&answers) {
            if let Some(ticket) = ticket {
                // Whoever asked may be gone; the answer was for them alone.
                let _ = ticket.answers.send((ticket.number, *answer));
            }
        }
        // Only now: a moment that came while the outcome was being written may have come for the
        // store too, and then nothing blocks the lane.
        let now = self.clock.now();
        let told = batch
            .iter()
            .zip(&answers)
            .filter_map(|(settlement, answer)| {
                told(settlement, *answer, ending(&settlement.outcome, now))
            })
            .collect();
        let _ = self.source.info(SourceInfo::Settled(told));
        Ok(())
    }

    /// Writes until it is written: what was delivered must not be forgotten because the store was
    /// away. Meanwhile nothing more is asked for, and the road comes to rest by itself.
    async fn write(&self, batch: &[Settlement]) -> Result<Vec<Settled>, Reason> {
        let answers =
            until_answered("an outcome", PAUSE, || self.store.settle(batch.to_vec())).await;
        answers.map_err(Reason::failed)
    }

    fn count(&self, batch: &[Settlement], answers: &[Settled]) {
        let now = self.clock.now();
        let mut delivered = 0;
        // Messages of one batch were mostly accepted together: one observation for all of them.
        let mut run = (Timestamp::default(), 0);
        for (settlement, answer) in batch.iter().zip(answers) {
            let Settled::Done { accepted_at, .. } = answer else { continue };
            match &settlement.outcome {
                Outcome::Delivered => {
                    delivered += 1;
                    if run.0 != *accepted_at {
                        self.observe(run, now);
                        run = (*accepted_at, 0);
                    }
                    run.1 += 1;
                }
                Outcome::Retry { .. } => add(&self.metrics.failed),
                Outcome::Dead { failure, .. } => {
                    add(&self.metrics.dead);
                    if failure.is_some() {
                        add(&self.metrics.failed);
                    }
                }
                Outcome::Expired => add(&self.metrics.expired),
                Outcome::Dropped => add(&self.metrics.dropped),
                Outcome::Sent | Outcome::Released => {}
            }
        }
        self.observe(run, now);
        self.metrics.delivered.fetch_add(delivered, Ordering::Relaxed);
    }

    fn observe(&self, (accepted_at, times): (Timestamp, u64), now: Timestamp) {
        if times > 0 {
            self.metrics.delivery_seconds.observe(now.since(accepted_at), times);
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What an outcome leaves behind at `now`.
fn ending(outcome: &Outcome, now: Timestamp) -> Ending {
    match outcome {
        Outcome::Sent => Ending::Unacknowledged,
        Outcome::Released => Ending::Back,
        Outcome::Retry { at, place: Place::Keep, .. } if *at > now => Ending::Blocked,
        Outcome::Retry { place: Place::Keep, .. } => Ending::Back,
        _ => Ending::Gone,
    }
}

/// What the source is told of one answer.
fn told(settlement: &Settlement, answer: Settled, ending: Ending) -> Option<Told> {
    let again = match &settlement.outcome {
        Outcome::Retry { at, .. } => Some(*at),
        _ => None,
    };
    match (answer, &settlement.which) {
        (Settled::Done { lane, seq, .. }, Which::At { attempt, .. }) => {
            Some(Told { lane, seq, attempt: Some(*attempt), ending, again })
        }
        (Settled::Done { lane, seq, .. }, Which::Id { .. }) => {
            Some(Told { lane, seq, attempt: None, ending, again })
        }
        (Settled::Stale | Settled::Unknown, Which::At { lane, seq, attempt }) => {
            let attempt = Some(*attempt);
            Some(Told { lane: *lane, seq: *seq, attempt, ending: Ending::Gone, again: None })
        }
        (Settled::Stale | Settled::Unknown, Which::Id { .. }) => None,
    }
}
