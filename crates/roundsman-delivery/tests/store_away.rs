//! A store that goes away for a while: senders are told, and nothing accepted is lost or doubled.

mod support;

use roundsman_delivery::IntakeError;
use roundsman_store::{
    AcceptError, Answer, Ask, Block, Bounds, Claim, ClaimId, Counts, DeadPage, Draft, Fetched,
    Guarantee, Hints, IdSalt, Inspect, Key, KeyCounts, Lane, LaneId, Operate, Ownership, Promoted,
    Receipt, Release, Settled, Settlement, Sighting, Store, StoreError, Sweep, Swept, TakenBack,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use support::{World, draft};

/// Fails every call while it is away, without doing any of it.
struct Flaky {
    store: Arc<dyn Store>,
    away: Arc<AtomicU32>,
}

/// Which calls fail, as bits.
const ACCEPT: u32 = 1;
const READ: u32 = 2;
const CLAIM: u32 = 4;
const SETTLE: u32 = 8;
const LANES: u32 = 16;

impl Flaky {
    fn check(&self, call: u32) -> Result<(), StoreError> {
        if self.away.load(Ordering::SeqCst) & call == 0 {
            return Ok(());
        }
        Err(StoreError::Unavailable("away".to_owned()))
    }
}

macro_rules! passes {
    ($self:ident, $call:expr, $done:expr) => {
        Box::pin(async move {
            $self.check($call)?;
            $done.await
        })
    };
}

impl Inspect for Flaky {
    fn find<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Sighting>> {
        self.store.find(id)
    }
    fn counts(&self) -> Answer<'_, Counts> {
        self.store.counts()
    }
    fn key_counts<'a>(&'a self, key: &'a Key) -> Answer<'a, KeyCounts> {
        self.store.key_counts(key)
    }
    fn salt(&self) -> IdSalt {
        self.store.salt()
    }
}

impl Operate for Flaky {
    fn take_back<'a>(&'a self, id: &'a str, place: Option<(LaneId, u64)>) -> Answer<'a, TakenBack> {
        passes!(self, LANES, self.store.take_back(id, place))
    }
    fn dead(&self, sweep: Sweep) -> Answer<'_, DeadPage> {
        passes!(self, READ, self.store.dead(sweep))
    }
    fn replay(&self, sweep: Sweep) -> Answer<'_, Swept> {
        passes!(self, LANES, self.store.replay(sweep))
    }
    fn drop_dead(&self, sweep: Sweep) -> Answer<'_, Swept> {
        passes!(self, LANES, self.store.drop_dead(sweep))
    }
}

impl Store for Flaky {
    fn accept(&self, batch: Vec<Draft>, bounds: Bounds) -> Answer<'_, Vec<Receipt>, AcceptError> {
        passes!(self, ACCEPT, self.store.accept(batch, bounds))
    }
    fn walk(&self, after: Option<LaneId>, limit: usize) -> Answer<'_, Vec<Arc<Lane>>> {
        passes!(self, READ, self.store.walk(after, limit))
    }
    fn fetch(&self, asks: Vec<Ask>) -> Answer<'_, Vec<Fetched>> {
        passes!(self, READ, self.store.fetch(asks))
    }
    fn claim(&self, claim: Claim) -> Answer<'_, ClaimId> {
        passes!(self, CLAIM, self.store.claim(claim))
    }
    fn settle(&self, batch: Vec<Settlement>) -> Answer<'_, Vec<Settled>> {
        passes!(self, SETTLE, self.store.settle(batch))
    }
    fn block(&self, lanes: Vec<(LaneId, Block)>) -> Answer<'_, ()> {
        passes!(self, LANES, self.store.block(lanes))
    }
    fn release(&self, which: Release) -> Answer<'_, Vec<Arc<Lane>>> {
        passes!(self, LANES, self.store.release(which))
    }
    fn promote(&self) -> Answer<'_, Promoted> {
        passes!(self, READ, self.store.promote())
    }
    fn probe(&self) -> Answer<'_, Guarantee> {
        self.store.probe()
    }
    fn ownership(&self) -> Ownership {
        self.store.ownership()
    }
    fn hints(&self) -> Option<Hints> {
        self.store.hints()
    }
    fn close(&self) -> Answer<'_, ()> {
        self.store.close()
    }
}

fn flaky() -> (World, Arc<AtomicU32>) {
    let away = Arc::new(AtomicU32::new(0));
    let bits = away.clone();
    let world = World::on(move |store| Arc::new(Flaky { store, away: bits }), |_| {});
    (world, away)
}

#[tokio::test]
async fn a_sender_is_told_and_nothing_is_stored() {
    let (world, away) = flaky();
    away.store(ACCEPT, Ordering::SeqCst);
    let error = world.node.accept(vec![draft("t", 1)]).await.unwrap_err();
    assert!(matches!(error, IntakeError::Accept(AcceptError::Store(StoreError::Unavailable(_)))));
    away.store(0, Ordering::SeqCst);
    assert_eq!(world.node.snapshot().await.unwrap().backlog, 0);
}

#[tokio::test]
async fn whichever_call_fails_for_a_while_each_message_arrives_once_and_in_order() {
    for calls in [READ, CLAIM, SETTLE, LANES, READ | CLAIM | SETTLE | LANES] {
        let (mut world, away) = flaky();
        world.send("held", 0..50).await;
        world.until("held", async |world| world.node.snapshot().await.unwrap().held == 50).await;
        away.store(calls, Ordering::SeqCst);
        world.join("held", false);
        world.send("held", 50..60).await;
        tokio::time::sleep(std::time::Duration::from_millis(120)).await;
        away.store(0, Ordering::SeqCst);
        assert_eq!(world.numbers(60).await, (0..60).collect::<Vec<_>>(), "calls {calls}");
        world
            .until("settled", async |world| world.node.snapshot().await.unwrap().backlog == 0)
            .await;
        world.nothing().await;
    }
}

/// A claim that is not written keeps back what it claims, and nothing else has to be told.
#[tokio::test]
async fn nothing_is_handed_over_before_its_claim_is_written() {
    let (mut world, away) = flaky();
    world.join("t", false);
    away.store(CLAIM, Ordering::SeqCst);
    world.send("t", 0..3).await;
    world.nothing().await;
    away.store(0, Ordering::SeqCst);
    assert_eq!(world.numbers(3).await, [0, 1, 2]);
}
