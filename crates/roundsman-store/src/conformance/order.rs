//! Order, and everything else, after any history: a store agrees with a simple model of it.

use super::history::{End, LANES, Step, Wait, histories};
use super::model::{Message, Model};
use super::trial::{Trial, draft, failure, label};
use crate::{
    Ask, Block, Claim, Claimed, DeadReason, Draft, Endpoint, Fingerprint, Outcome, Place, Release,
    Settled, Settlement, Sweep, TakenBack, Timestamp, Which,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::time::Duration;

/// After every step of random histories, lanes hold what they should, in order, and counts agree.
///
/// A history that fails is made as short as it can be before it is shown.
pub async fn histories_agree_with_a_model(trial: Trial) {
    let survives = trial.another().await.crash().await.is_some();
    let mut runner = TestRunner::deterministic();
    for _ in 0..HISTORIES {
        let mut tree = histories(survives).new_tree(&mut runner).expect("a history");
        let Err(mut why) = Play::new(trial.another().await).run(&tree.current()).await else {
            continue;
        };
        let mut shortest = tree.current();
        let mut is_left = tree.simplify();
        while is_left {
            let steps = tree.current();
            is_left = match Play::new(trial.another().await).run(&steps).await {
                Ok(()) => tree.complicate(),
                Err(again) => {
                    (why, shortest) = (again, steps);
                    tree.simplify()
                }
            };
        }
        assert!(why.is_empty(), "{why}\nafter {shortest:#?}");
    }
}

/// Each has about 20 steps, and a durable store syncs in most of them.
const HISTORIES: usize = 40;

/// A history as it goes on.
struct Play {
    trial: Trial,
    model: Model,
    labelled: u64,
}

impl Play {
    fn new(trial: Trial) -> Self {
        Self { trial, model: Model::default(), labelled: 0 }
    }

    async fn run(mut self, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            if matches!(step, Step::Crash) {
                self = self.crash().await?;
            } else {
                self.step(step).await?;
            }
            self.compare().await.map_err(|why| format!("{why}, after {step:?}"))?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Accept { lane, count, delay, lives } => {
                self.accept(lane, count, delay, lives).await;
            }
            Step::AcceptNamed { lane, name } => self.accept_named(lane, name).await?,
            Step::Begin { lane, pick } => self.begin(lane, pick).await?,
            Step::End { lane, pick, end } => self.end(lane, pick, end).await?,
            Step::Acknowledge { lane, pick } => self.acknowledge(lane, pick).await?,
            Step::Block { lane, wait } => self.block(lane, wait).await?,
            Step::Join { lane } => self.join(lane).await,
            Step::Release { lane } => self.release(lane).await?,
            Step::TakeBack { lane, pick } => self.take_back(lane, pick).await?,
            Step::Replay { limit } => self.replay(limit).await?,
            Step::DropDead { limit } => self.drop_dead(limit).await?,
            Step::Pass { seconds } => self.pass(seconds).await?,
            Step::Crash => {}
        }
        Ok(())
    }

    fn next_label(&mut self) -> u64 {
        self.labelled += 1;
        self.labelled
    }

    /// A moment that no other message of the history is due at: ties are nobody's promise.
    fn moment(&mut self, seconds: u64) -> Timestamp {
        let label = self.next_label();
        self.trial.later(seconds).after(Duration::from_micros(label))
    }

    async fn accept(&mut self, lane: usize, count: u64, delay: Option<u64>, lives: Option<u64>) {
        let (key, topic) = LANES[lane];
        let mut batch = Vec::new();
        for _ in 0..count {
            let deliver_at = delay.map(|seconds| self.moment(seconds));
            let expires_at = lives.map(|lives| self.trial.later(delay.unwrap_or(0) + lives));
            let label = self.next_label();
            batch.push((label, Draft { deliver_at, expires_at, ..draft(key, topic, label) }));
        }
        let drafts = batch.iter().map(|(_, draft)| draft.clone()).collect();
        let receipts = self.trial.accept(drafts).await;
        for ((label, draft), receipt) in batch.into_iter().zip(receipts) {
            let message = message(label, receipt.id.to_string(), draft.expires_at);
            self.model.accept(lane, message, draft.deliver_at);
        }
    }

    async fn accept_named(&mut self, lane: usize, name: u8) -> Result<(), String> {
        let (key, topic) = LANES[lane];
        let (label, id) = (self.next_label(), format!("name-{name}"));
        let named = Some((id.as_str().into(), Fingerprint::of(&[id.as_bytes()])));
        let receipts =
            self.trial.accept(vec![Draft { id: named, ..draft(key, topic, label) }]).await;
        let is_known = self.model.names.contains(&name);
        ensure(receipts[0].duplicate == is_known, || format!("{id} known: {is_known}"))?;
        if !is_known {
            self.model.names.push(name);
            self.model.accept(lane, message(label, id, None), None);
        }
        Ok(())
    }

    /// One of the lane's messages, with the attempt that is or would be under way.
    async fn pick(&self, lane: usize, pick: usize) -> Result<Option<(usize, Claimed)>, String> {
        let messages = &self.model.lanes[lane];
        let Some(index) = pick.checked_rem(messages.len()) else { return Ok(None) };
        let message = &messages[index];
        let found = self.trial.find(&message.id).await;
        let place = found.as_ref().and_then(|found| found.place);
        let (lane, seq) = place.ok_or_else(|| format!("{} lies nowhere: {found:?}", message.id))?;
        Ok(Some((index, Claimed { lane, seq, attempt: message.attempts + 1 })))
    }

    async fn begin(&mut self, lane: usize, pick: usize) -> Result<(), String> {
        let Some((index, member)) = self.pick(lane, pick).await? else { return Ok(()) };
        let message = &mut self.model.lanes[lane][index];
        if message.claim.is_none() {
            let claim = Claim { members: vec![member], alone: false };
            message.claim = Some(self.trial.store.claim(claim).await.map_err(|e| e.to_string())?);
        }
        Ok(())
    }

    async fn end(&mut self, lane: usize, pick: usize, end: End) -> Result<(), String> {
        self.begin(lane, pick).await?;
        let Some((index, member)) = self.pick(lane, pick).await? else { return Ok(()) };
        let now = self.trial.now();
        let at = match end {
            End::RetryInPlace(0) => now,
            End::RetryInPlace(seconds) | End::RetryElsewhere(seconds) => self.moment(seconds),
            _ => now,
        };
        let which = Which::At { lane: member.lane, seq: member.seq, attempt: member.attempt };
        let claim = self.model.lanes[lane][index].claim;
        let settlement = Settlement { which, claim, outcome: outcome(end, at, now) };
        let settled = self.trial.settle_one(settlement).await;
        ensure(matches!(settled, Settled::Done { .. }), || format!("settled {settled:?}"))?;
        self.model.end(lane, index, end, at, now);
        Ok(())
    }

    async fn acknowledge(&mut self, lane: usize, pick: usize) -> Result<(), String> {
        let messages = &self.model.lanes[lane];
        let Some(index) = pick.checked_rem(messages.len()) else { return Ok(()) };
        let message = &messages[index];
        let (id, topic) = (message.id.clone(), LANES[lane].1);
        let was_out = message.attempts > 0 || message.claim.is_some();
        let settled = self.trial.settle_by_id(&id, topic, Outcome::Delivered).await;
        let is_done = matches!(settled, Settled::Done { .. });
        ensure(is_done == was_out, || format!("{id} settled {settled:?}, out: {was_out}"))?;
        if was_out {
            self.model.remove(lane, index);
        }
        Ok(())
    }

    async fn block(&mut self, lane: usize, wait: Wait) -> Result<(), String> {
        let Some((_, member)) = self.pick(lane, 0).await? else { return Ok(()) };
        let block = match wait {
            Wait::Absent => Block::Absent,
            Wait::Parked => Block::Parked(Endpoint(7)),
            Wait::Until(seconds) => Block::Until(self.trial.later(seconds + 1)),
        };
        let done = self.trial.store.block(vec![(member.lane, block)]).await;
        self.model.block(lane, block);
        done.map_err(|error| error.to_string())
    }

    async fn join(&mut self, lane: usize) {
        let topic = LANES[lane].1;
        self.trial.release_topic(topic).await;
        for (lane, (_, other)) in LANES.iter().enumerate() {
            if *other == topic && self.model.blocks[lane] == Some(Block::Absent) {
                self.model.blocks[lane] = None;
            }
        }
    }

    async fn release(&mut self, lane: usize) -> Result<(), String> {
        let Some((_, member)) = self.pick(lane, 0).await? else { return Ok(()) };
        let released = self.trial.store.release(Release::Lanes(vec![member.lane])).await;
        self.model.blocks[lane] = None;
        released.map(drop).map_err(|error| error.to_string())
    }

    async fn take_back(&mut self, lane: usize, pick: usize) -> Result<(), String> {
        let Some((index, member)) = self.pick(lane, pick).await? else { return Ok(()) };
        let message = &self.model.lanes[lane][index];
        if message.claim.is_some() {
            return Ok(());
        }
        let place = Some((member.lane, member.seq));
        let taken = self.trial.store.take_back(&message.id, place).await;
        let taken = taken.map_err(|error| error.to_string())?;
        ensure(taken != TakenBack::Elsewhere, || format!("{} is {taken:?}", message.id))?;
        self.model.take_back(lane, index);
        Ok(())
    }

    async fn replay(&mut self, limit: usize) -> Result<(), String> {
        let sweep = Sweep { limit, ..Sweep::default() };
        let swept = self.trial.store.replay(sweep).await.map_err(|error| error.to_string())?;
        let wanted = limit.min(self.model.dead.len());
        ensure(swept.done.len() == wanted, || format!("{swept:?} in place of {wanted}"))?;
        for (id, _) in &swept.done {
            ensure(self.model.replay(id), || format!("{id} was not dead"))?;
        }
        Ok(())
    }

    async fn drop_dead(&mut self, limit: usize) -> Result<(), String> {
        let sweep = Sweep { limit, ..Sweep::default() };
        let swept = self.trial.store.drop_dead(sweep).await.map_err(|error| error.to_string())?;
        let wanted = limit.min(self.model.dead.len());
        ensure(swept.done.len() == wanted, || format!("{swept:?} in place of {wanted}"))?;
        for (id, _) in &swept.done {
            ensure(self.model.exhume(id).is_some(), || format!("{id} was not dead"))?;
        }
        Ok(())
    }

    async fn pass(&mut self, seconds: u64) -> Result<(), String> {
        self.trial.pass(seconds);
        self.trial.promote().await;
        for lane in self.model.promote(self.trial.now()) {
            self.release(lane).await?;
        }
        Ok(())
    }

    async fn crash(mut self) -> Result<Self, String> {
        // Whether a parked lane still is after a crash is for its owner to find out.
        for lane in 0..LANES.len() {
            if matches!(self.model.blocks[lane], Some(Block::Parked(_))) {
                self.release(lane).await?;
            }
        }
        self.trial = self.trial.crash().await.ok_or("nothing was left")?;
        self.model.crash();
        Ok(self)
    }

    async fn compare(&self) -> Result<(), String> {
        for lane in 0..LANES.len() {
            let expected: Vec<Seen> = self.model.lanes[lane].iter().map(seen).collect();
            let found = self.read(lane).await?;
            ensure(found == expected, || {
                format!("lane {lane} holds {found:?} in place of {expected:?}")
            })?;
        }
        let walked = self.trial.walk().await;
        let mut names: Vec<_> =
            walked.iter().map(|lane| (lane.key.to_string(), lane.topic.to_string())).collect();
        names.sort_unstable();
        let ready = self.model.ready();
        ensure(names == ready, || format!("a walk finds {names:?} in place of {ready:?}"))?;
        let (counts, expected) = (self.trial.counts().await, self.model.counts());
        ensure(counts == expected, || format!("{counts:?} in place of {expected:?}"))
    }

    async fn read(&self, lane: usize) -> Result<Vec<Seen>, String> {
        let Some((_, member)) = self.pick(lane, 0).await? else { return Ok(Vec::new()) };
        let ask = Ask { lane: member.lane, after: 0, limit: 1000, max_bytes: usize::MAX };
        let fetched = self.trial.store.fetch(vec![ask]).await.map_err(|error| error.to_string())?;
        let records = &fetched[0].records;
        ensure(records.is_sorted_by(|one, next| one.seq < next.seq), || "out of order".into())?;
        let seen = records.iter().map(|record| {
            let history = record.history.as_deref().cloned().unwrap_or_default();
            let counted = (history.attempts, history.failures, history.cuts);
            (label(record), record.id.to_string(), counted)
        });
        Ok(seen.collect())
    }
}

/// Label, id, and how many attempts, failures and cuts.
type Seen = (u64, String, (u32, u32, u32));

fn seen(message: &Message) -> Seen {
    let counted = (message.attempts, message.failures, message.cuts);
    (message.label, message.id.clone(), counted)
}

fn message(label: u64, id: String, expires_at: Option<Timestamp>) -> Message {
    Message { label, id, expires_at, attempts: 0, failures: 0, cuts: 0, claim: None }
}

fn outcome(end: End, at: Timestamp, now: Timestamp) -> Outcome {
    let failure = failure(now);
    match end {
        End::Delivered => Outcome::Delivered,
        End::Sent => Outcome::Sent,
        End::Released => Outcome::Released,
        End::RetryInPlace(_) => Outcome::Retry { at, place: Place::Keep, failure, payload: None },
        End::RetryElsewhere(_) => {
            Outcome::Retry { at, place: Place::Leave, failure, payload: None }
        }
        End::Dead => Outcome::Dead { reason: DeadReason::Attempts, failure: Some(failure) },
        End::Expired => Outcome::Expired,
        End::Dropped => Outcome::Dropped,
    }
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}
