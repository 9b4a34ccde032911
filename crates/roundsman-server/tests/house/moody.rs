//! A store that a test can make fail, refuse or panic; otherwise the one behind it.

use parking_lot::Mutex;
use roundsman_store::{
    AcceptError, Answer, Ask, Block, Bounds, Claim, ClaimId, Counts, DeadPage, Draft, Fetched,
    Guarantee, Hints, IdSalt, Inspect, Key, KeyCounts, Lane, LaneId, MemoryStore, Operate,
    Ownership, Promoted, Receipt, Refusal, Release, Settled, Settlement, Sighting, Store,
    StoreError, Sweep, Swept, TakenBack,
};
use std::sync::Arc;

/// How the store feels.
#[derive(Clone, Debug)]
pub enum Mood {
    Well,
    /// What comes in and what is asked fails with this.
    Fails(StoreError),
    /// What comes in is refused like this.
    Refuses(Vec<Refusal>),
    /// What comes in makes it panic.
    Panics,
}

pub struct Moody {
    store: MemoryStore,
    mood: Mutex<Mood>,
}

impl Moody {
    pub fn new(store: MemoryStore) -> Self {
        Self { store, mood: Mutex::new(Mood::Well) }
    }

    pub fn feel(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    fn failure(&self) -> Result<(), StoreError> {
        match &*self.mood.lock() {
            Mood::Fails(error) => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

impl Inspect for Moody {
    fn find<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Sighting>> {
        Box::pin(async move {
            self.failure()?;
            self.store.find(id).await
        })
    }
    fn counts(&self) -> Answer<'_, Counts> {
        Box::pin(async move {
            self.failure()?;
            self.store.counts().await
        })
    }
    fn key_counts<'a>(&'a self, key: &'a Key) -> Answer<'a, KeyCounts> {
        self.store.key_counts(key)
    }
    fn salt(&self) -> IdSalt {
        self.store.salt()
    }
}

impl Operate for Moody {
    fn take_back<'a>(&'a self, id: &'a str, place: Option<(LaneId, u64)>) -> Answer<'a, TakenBack> {
        Box::pin(async move {
            self.failure()?;
            self.store.take_back(id, place).await
        })
    }
    fn dead(&self, sweep: Sweep) -> Answer<'_, DeadPage> {
        Box::pin(async move {
            self.failure()?;
            self.store.dead(sweep).await
        })
    }
    fn replay(&self, sweep: Sweep) -> Answer<'_, Swept> {
        Box::pin(async move {
            self.failure()?;
            self.store.replay(sweep).await
        })
    }
    fn drop_dead(&self, sweep: Sweep) -> Answer<'_, Swept> {
        Box::pin(async move {
            self.failure()?;
            self.store.drop_dead(sweep).await
        })
    }
}

impl Store for Moody {
    fn accept(&self, batch: Vec<Draft>, bounds: Bounds) -> Answer<'_, Vec<Receipt>, AcceptError> {
        Box::pin(async move {
            let mood = self.mood.lock().clone();
            match mood {
                Mood::Well => self.store.accept(batch, bounds).await,
                Mood::Fails(error) => Err(error.into()),
                Mood::Refuses(refusals) => Err(AcceptError::Refused(refusals)),
                Mood::Panics => panic!("as the test asked"),
            }
        })
    }
    fn walk(&self, after: Option<LaneId>, limit: usize) -> Answer<'_, Vec<Arc<Lane>>> {
        self.store.walk(after, limit)
    }
    fn fetch(&self, asks: Vec<Ask>) -> Answer<'_, Vec<Fetched>> {
        self.store.fetch(asks)
    }
    fn claim(&self, claim: Claim) -> Answer<'_, ClaimId> {
        self.store.claim(claim)
    }
    fn settle(&self, batch: Vec<Settlement>) -> Answer<'_, Vec<Settled>> {
        self.store.settle(batch)
    }
    fn block(&self, lanes: Vec<(LaneId, Block)>) -> Answer<'_, ()> {
        self.store.block(lanes)
    }
    fn release(&self, which: Release) -> Answer<'_, Vec<Arc<Lane>>> {
        self.store.release(which)
    }
    fn promote(&self) -> Answer<'_, Promoted> {
        self.store.promote()
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
