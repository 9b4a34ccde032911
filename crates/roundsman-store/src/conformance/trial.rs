//! What a case works with: a store, its clock, and short words for the calls.

use crate::{
    AcceptError, Answer, Ask, Block, Bounds, Claim, ClaimId, Claimed, Clock, Counts, DeadFilter,
    DeadLetter, Draft, Failure, Fingerprint, HeldClock, Key, Lane, LaneId, Outcome, Place,
    Promoted, Receipt, Record, Release, Settled, Settlement, Sighting, Store, Sweep, TakenBack,
    Timestamp, Which,
};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How a kind of store is opened, for one case.
pub trait Harness: Send + Sync + 'static {
    /// Opens an empty store that goes by `clock`. A case may ask for several, one after the other.
    fn open(&self, clock: Arc<dyn Clock>) -> Answer<'_, Arc<dyn Store>>;

    /// Ends the process of `store` without a word, as far as the store can tell, and opens what is
    /// left of it; `None` where nothing is, since nothing was promised. That is the default.
    fn crash_and_reopen(
        &self,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Answer<'_, Option<Arc<dyn Store>>> {
        drop((store, clock));
        Box::pin(async { Ok(None) })
    }

    /// Whether a case, such as `settle::by_id`, is beyond this kind of store. None is by default.
    fn leaves_out(&self, case: &str) -> bool {
        let _ = case;
        false
    }
}

/// Runs one case on a fresh store, unless the harness leaves it out.
///
/// # Panics
/// Where the store breaks the promise.
pub fn run<F: Future<Output = ()>>(
    name: &str,
    harness: impl Harness,
    case: impl FnOnce(Trial) -> F,
) {
    if harness.leaves_out(name) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let trial = Trial::open(Arc::new(harness)).await;
        case(trial).await;
    });
}

/// A store under test.
pub struct Trial {
    harness: Arc<dyn Harness>,
    pub(super) clock: HeldClock,
    pub(super) store: Arc<dyn Store>,
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl Trial {
    async fn open(harness: Arc<dyn Harness>) -> Self {
        let clock = HeldClock::at(Timestamp(1_800_000_000_000_000));
        let store = harness.open(Arc::new(clock.clone())).await.expect("the store opens");
        Self { harness, clock, store }
    }

    /// Another, empty store.
    pub(super) async fn another(&self) -> Self {
        Self::open(self.harness.clone()).await
    }

    /// What is left after a crash; `None` where nothing is promised.
    pub(super) async fn crash(self) -> Option<Self> {
        let Self { harness, clock, store } = self;
        let left = harness.crash_and_reopen(store, Arc::new(clock.clone())).await;
        let store = left.expect("the store opens again")?;
        Some(Self { harness, clock, store })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn later(&self, seconds: u64) -> Timestamp {
        self.now().after(Duration::from_secs(seconds))
    }

    /// Lets time pass; nothing is promoted by that alone.
    pub(super) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Somebody sets the clock.
    pub(super) fn turn_back(&self, seconds: u64) {
        self.clock.turn_back(Duration::from_secs(seconds));
    }

    pub(super) async fn accept(&self, batch: Vec<Draft>) -> Vec<Receipt> {
        self.accept_within(batch, Bounds::NONE).await.expect("accepted")
    }

    pub(super) async fn accept_within(
        &self,
        batch: Vec<Draft>,
        bounds: Bounds,
    ) -> Result<Vec<Receipt>, AcceptError> {
        self.store.accept(batch, bounds).await
    }

    /// All lanes that a walk finds.
    pub(super) async fn walk(&self) -> Vec<Arc<Lane>> {
        self.store.walk(None, 1000).await.expect("walked")
    }

    /// The one lane of this name that a walk finds.
    pub(super) async fn lane(&self, key: &str, topic: &str) -> Arc<Lane> {
        let mut found = self.walk().await;
        found.retain(|lane| lane.key.as_str() == key && &*lane.topic == topic);
        assert_eq!(found.len(), 1, "lane {key} {topic} is walked once: {found:?}");
        found.remove(0)
    }

    /// All records of a lane.
    pub(super) async fn read(&self, lane: &Lane) -> Vec<Record> {
        let ask = Ask { lane: lane.id, after: 0, limit: 10_000, max_bytes: usize::MAX };
        let mut fetched = self.store.fetch(vec![ask]).await.expect("fetched");
        assert_eq!(fetched.len(), 1, "one answer for each ask");
        fetched.remove(0).records
    }

    /// The labels of all records of a lane, in order.
    pub(super) async fn labels(&self, lane: &Lane) -> Vec<u64> {
        labels(&self.read(lane).await)
    }

    /// Claims the next attempts of these.
    pub(super) async fn claim(&self, records: &[Record]) -> ClaimId {
        self.claim_as(records, false).await
    }

    pub(super) async fn claim_as(&self, records: &[Record], alone: bool) -> ClaimId {
        let members = records.iter().map(|record| Claimed {
            lane: record.lane.id,
            seq: record.seq,
            attempt: record.next_attempt(),
        });
        let claim = Claim { members: members.collect(), alone };
        self.store.claim(claim).await.expect("claimed")
    }

    /// Claims the next attempt of a record and settles it.
    pub(super) async fn attempt(&self, record: &Record, outcome: Outcome) -> Settled {
        let claim = self.claim(std::slice::from_ref(record)).await;
        self.settle(record, Some(claim), outcome).await
    }

    /// Settles the next attempt of a record, as it was read.
    pub(super) async fn settle(
        &self,
        record: &Record,
        claim: Option<ClaimId>,
        outcome: Outcome,
    ) -> Settled {
        let which = at(record, record.next_attempt());
        self.settle_one(Settlement { which, claim, outcome }).await
    }

    pub(super) async fn settle_by_id(&self, id: &str, topic: &str, outcome: Outcome) -> Settled {
        let which = Which::Id { id: id.into(), topic: topic.into() };
        self.settle_one(Settlement { which, claim: None, outcome }).await
    }

    pub(super) async fn settle_one(&self, settlement: Settlement) -> Settled {
        let mut settled = self.store.settle(vec![settlement]).await.expect("settled");
        assert_eq!(settled.len(), 1, "one answer for each settlement");
        settled.remove(0)
    }

    pub(super) async fn block(&self, lane: &Lane, block: Block) {
        self.store.block(vec![(lane.id, block)]).await.expect("blocked");
    }

    pub(super) async fn release_topic(&self, topic: &str) -> Vec<Arc<Lane>> {
        self.release_from(Release::Topic(topic.into())).await
    }

    pub(super) async fn release_from(&self, which: Release) -> Vec<Arc<Lane>> {
        self.store.release(which).await.expect("released")
    }

    pub(super) async fn take_back(&self, id: &str, place: Option<(LaneId, u64)>) -> TakenBack {
        self.store.take_back(id, place).await.expect("answered")
    }

    /// Every dead letter that passes.
    pub(super) async fn dead(&self, filter: DeadFilter) -> Vec<DeadLetter> {
        let mut sweep = Sweep { filter, after: 0, limit: 1000 };
        let mut all = Vec::new();
        loop {
            let page = self.store.dead(sweep.clone()).await.expect("looked through");
            all.extend(page.letters);
            match page.next {
                Some(next) => sweep.after = next,
                None => return all,
            }
        }
    }

    /// Replays every dead letter that passes; their ids, in order.
    pub(super) async fn replay(&self, filter: DeadFilter) -> Vec<String> {
        let mut sweep = Sweep { filter, after: 0, limit: 1000 };
        let mut all = Vec::new();
        loop {
            let swept = self.store.replay(sweep.clone()).await.expect("replayed");
            all.extend(swept.done.iter().map(|(id, _)| id.to_string()));
            match swept.next {
                Some(next) => sweep.after = next,
                None => return all,
            }
        }
    }

    /// Does all that is due.
    pub(super) async fn promote(&self) -> Promoted {
        let mut all = Promoted::default();
        loop {
            let some = self.store.promote().await.expect("promoted");
            all.lanes.extend(some.lanes);
            all.expired += some.expired;
            all.next = some.next;
            if !some.again {
                return all;
            }
        }
    }

    pub(super) async fn find(&self, id: &str) -> Option<Sighting> {
        self.store.find(id).await.expect("looked up")
    }

    pub(super) async fn counts(&self) -> Counts {
        self.store.counts().await.expect("counted")
    }
}

/// A draft with a label for its payload.
pub(super) fn draft(key: &str, topic: &str, label: u64) -> Draft {
    Draft {
        topic: topic.into(),
        key: Key::parse(key).expect("a key"),
        event: "message".into(),
        payload: format!("{{\"n\":{label}}}").into(),
        id: None,
        deliver_at: None,
        expires_at: None,
        held: false,
    }
}

/// The same with a sender's id; the fingerprint is that of the label.
pub(super) fn named(id: &str, key: &str, topic: &str, label: u64) -> Draft {
    let fingerprint = Fingerprint::of(&[label.to_string().as_bytes()]);
    Draft { id: Some((id.into(), fingerprint)), ..draft(key, topic, label) }
}

/// Drafts for one lane with these labels.
pub(super) fn drafts(key: &str, topic: &str, labels: std::ops::Range<u64>) -> Vec<Draft> {
    labels.map(|label| draft(key, topic, label)).collect()
}

/// The labels that [`draft`] gave.
pub(super) fn labels(records: &[Record]) -> Vec<u64> {
    records.iter().map(label).collect()
}

pub(super) fn label(record: &Record) -> u64 {
    let text = std::str::from_utf8(&record.payload).expect("a payload of the suite");
    let digits = text.trim_start_matches("{\"n\":").trim_end_matches('}');
    digits.parse().expect("a label")
}

pub(super) fn at(record: &Record, attempt: u32) -> Which {
    Which::At { lane: record.lane.id, seq: record.seq, attempt }
}

pub(super) fn failure(at: Timestamp) -> Failure {
    Failure::new(at, "it did not answer")
}

pub(super) fn retry(at: Timestamp, place: Place) -> Outcome {
    Outcome::Retry { at, place, failure: failure(at), payload: None }
}

/// Panics with a sentence unless the settlement was written down.
pub(super) fn done(settled: Settled) {
    assert!(matches!(settled, Settled::Done { .. }), "settled: {settled:?}");
}
