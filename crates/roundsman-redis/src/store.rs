//! The handle: the store contract as calls of scripts.

use crate::accept::Batch;
use crate::door::Door;
use crate::link::Link;
use crate::probe::Facts;
use crate::scripts::Verb;
use crate::seat::Seat;
use crate::writer::{Ledger, Write};
use crate::{block, claim, fetch, ids, inspect, operate, promote, settle};
use parking_lot::Mutex;
use redis::{Cmd, Pipeline, Value};
use roundsman_store::{
    AcceptError, Answer, Ask, Block, Bounds, Claim, ClaimId, Counts, DeadPage, Draft, Fetched,
    Guarantee, Hints, IdSalt, Inspect, Key, KeyCounts, Lane, LaneId, Operate, Ownership, Promoted,
    Receipt, Release, SHARDS, Settled, Settlement, Sighting, Store, StoreError, Sweep, Swept,
    TakenBack,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// Keeps messages in Redis or Valkey, as durably as that is set.
///
/// To be opened and used within a tokio runtime, where its tasks run. See the
/// [crate](crate) for the layout of its keys.
#[derive(Debug)]
pub struct RedisStore {
    pub(crate) door: Arc<Door>,
    /// For what reads: it does not wait for what is being synced.
    pub(crate) link: Arc<Link>,
    /// `None` once it is closed: without anybody to call it the writer ends.
    pub(crate) desk: Mutex<Option<UnboundedSender<Write>>>,
    pub(crate) ended: Mutex<Option<oneshot::Receiver<Result<(), StoreError>>>>,
    pub(crate) hints: Mutex<Option<Hints>>,
    pub(crate) under_way: Arc<AtomicUsize>,
    pub(crate) tenure: AbortHandle,
    pub(crate) seat: Arc<Seat>,
    pub(crate) salt: IdSalt,
}

impl RedisStore {
    /// Hands a call to the writer and waits for its answer.
    async fn write<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        weight: usize,
        prepare: impl FnOnce(&mut Ledger) -> Cmd + Send + 'static,
        finish: impl FnOnce(&mut Ledger, Result<Value, StoreError>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (tell, answer) = oneshot::channel();
        let write = Write {
            weight,
            prepare: Box::new(prepare),
            // Whoever asked may be gone.
            finish: Box::new(move |ledger, answer| drop(tell.send(finish(ledger, answer)))),
        };
        let desk = self.desk.lock().clone().ok_or(StoreError::Closed)?;
        desk.send(write).map_err(|_| StoreError::Closed)?;
        drop(desk);
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::Unavailable(
                "the task that writes has ended unexpectedly; restart the process".to_owned(),
            )
            .into()),
        }
    }

    /// Asks what changes nothing.
    async fn read(&self, call: Cmd) -> Result<Value, StoreError> {
        self.is_open()?;
        self.link.ask(call).await
    }

    fn is_open(&self) -> Result<(), StoreError> {
        if self.desk.lock().is_some() { Ok(()) } else { Err(StoreError::Closed) }
    }

    /// Whether there is anything here for the owner to do; a node that stands by has nothing of the kind.
    fn is_owner(&self) -> Result<bool, StoreError> {
        self.is_open()?;
        self.seat.epoch_if_owner().map(|epoch| epoch.is_some())
    }

    /// The epoch, for what only the owner can do.
    fn epoch(&self) -> Result<u64, StoreError> {
        self.is_open()?;
        self.seat.epoch()
    }

    async fn release_some(&self, what: String) -> Result<Vec<Arc<Lane>>, StoreError> {
        let mut released = Vec::new();
        loop {
            let what = what.clone();
            let prepare = move |ledger: &mut Ledger| block::release(ledger, &what);
            let (more, lanes) =
                self.write(0, prepare, |_, answer| block::released(answer?)).await?;
            released.extend(lanes);
            if !more {
                return Ok(released);
            }
        }
    }

    async fn set_blocks(
        &self,
        lanes: Vec<(LaneId, Option<Block>)>,
    ) -> Result<Vec<Arc<Lane>>, StoreError> {
        let mut found = Vec::new();
        for some in lanes.chunks(block::AT_ONCE) {
            let some = some.to_vec();
            let prepare = move |ledger: &mut Ledger| block::call(ledger, &some);
            found.extend(self.write(0, prepare, |_, answer| block::finish(answer?)).await?);
        }
        Ok(found)
    }
}

impl Store for RedisStore {
    fn accept(&self, batch: Vec<Draft>, bounds: Bounds) -> Answer<'_, Vec<Receipt>, AcceptError> {
        Box::pin(async move {
            let (batch, salt) = (Batch::of(batch, bounds), self.salt);
            let weight = batch.weight();
            let epoch = self.seat.epoch_if_owner()?;
            let call = batch.call(&self.door, epoch, salt);
            let finish = move |ledger: &mut Ledger, answer: Result<Value, StoreError>| {
                batch.finish(ledger, (salt, epoch.is_some()), answer?)
            };
            self.write(weight, move |_| call, finish).await
        })
    }

    fn walk(&self, after: Option<LaneId>, limit: usize) -> Answer<'_, Vec<Arc<Lane>>> {
        Box::pin(async move {
            if !self.is_owner()? {
                return Ok(Vec::new());
            }
            fetch::walked(self.read(fetch::walk(&self.door, after, limit)).await?)
        })
    }

    fn fetch(&self, asks: Vec<Ask>) -> Answer<'_, Vec<Fetched>> {
        Box::pin(async move {
            let answer = self.read(fetch::fetch(&self.door, &asks)).await?;
            fetch::fetched(&asks, self.salt, answer)
        })
    }

    fn claim(&self, claim: Claim) -> Answer<'_, ClaimId> {
        Box::pin(async move {
            self.epoch()?;
            let (claim, id) = (Arc::new(claim), Arc::new(Mutex::new(ClaimId(0))));
            let (same, entered) = (claim.clone(), id.clone());
            let prepare = move |ledger: &mut Ledger| {
                let id = ledger.claims.enter(&same);
                *entered.lock() = id;
                claim::call(ledger, &same, id)
            };
            let finish = move |ledger: &mut Ledger, answer: Result<Value, StoreError>| {
                let id = *id.lock();
                answer.map(|_| id).inspect_err(|_| ledger.claims.undo(&claim, id))
            };
            self.write(0, prepare, finish).await
        })
    }

    fn settle(&self, batch: Vec<Settlement>) -> Answer<'_, Vec<Settled>> {
        Box::pin(async move {
            self.epoch()?;
            let salt = self.salt;
            let places = settle::resolve(&self.link, &self.door, salt, &batch).await?;
            let batch = Arc::new(batch);
            let same = batch.clone();
            let prepare = move |ledger: &mut Ledger| settle::call(ledger, salt, &same, &places);
            self.write(0, prepare, move |ledger, answer| settle::finish(ledger, &batch, answer?))
                .await
        })
    }

    fn block(&self, lanes: Vec<(LaneId, Block)>) -> Answer<'_, ()> {
        Box::pin(async move {
            if !self.is_owner()? {
                return Ok(());
            }
            let lanes = lanes.into_iter().map(|(lane, block)| (lane, Some(block))).collect();
            self.set_blocks(lanes).await.map(drop)
        })
    }

    fn release(&self, which: Release) -> Answer<'_, Vec<Arc<Lane>>> {
        Box::pin(async move {
            if !self.is_owner()? {
                return Ok(Vec::new());
            }
            match (block::what(&which), which) {
                (Some(what), _) => self.release_some(what).await,
                (None, Release::Lanes(lanes)) => {
                    self.set_blocks(lanes.into_iter().map(|lane| (lane, None)).collect()).await
                }
                (None, _) => Ok(Vec::new()),
            }
        })
    }

    fn promote(&self) -> Answer<'_, Promoted> {
        Box::pin(async move {
            if !self.is_owner()? {
                return Ok(Promoted::default());
            }
            let look = promote::look(&self.door, self.under_way.load(Ordering::Relaxed));
            let expired = promote::looked(self.read(look).await?)?;
            let looked = expired.len();
            let prepare = move |ledger: &mut Ledger| promote::call(ledger, &expired);
            self.write(0, prepare, move |_, answer| promote::finish(looked, answer?)).await
        })
    }

    fn probe(&self) -> Answer<'_, Guarantee> {
        Box::pin(async move {
            self.is_open()?;
            let facts = Facts::ask(&self.link).await?;
            facts.require()?;
            Ok(facts.guarantee())
        })
    }

    fn ownership(&self) -> Ownership {
        let epoch = self.seat.epoch().ok();
        let shards = if epoch.is_some() { 0..SHARDS } else { 0..0 };
        Ownership { epoch: epoch.unwrap_or(0), shards: shards.collect() }
    }

    fn hints(&self) -> Option<Hints> {
        self.hints.lock().take()
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            drop(self.desk.lock().take().ok_or(StoreError::Closed)?);
            self.tenure.abort();
            let ended = self.ended.lock().take().ok_or(StoreError::Closed)?;
            ended.await.unwrap_or(Err(StoreError::Closed))
        })
    }
}

impl Inspect for RedisStore {
    fn find<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Sighting>> {
        Box::pin(async move {
            let mut call = self.door.call(Verb::Find, None);
            call.arg(ids::write_id(id, self.salt));
            inspect::found(id, self.salt, self.read(call).await?)
        })
    }

    fn counts(&self) -> Answer<'_, Counts> {
        Box::pin(
            async move { inspect::counts(self.read(self.door.call(Verb::Counts, None)).await?) },
        )
    }

    fn key_counts<'a>(&'a self, key: &'a Key) -> Answer<'a, KeyCounts> {
        Box::pin(async move {
            // Why it waits is the owner's to say, and both are asked for together.
            self.epoch()?;
            let mut calls = Pipeline::new();
            for of in ["accounts", "held"] {
                calls.cmd("HGET").arg(self.door.key(of)).arg(key.as_str());
            }
            inspect::key_counts(&self.link.ask_all(&calls).await?)
        })
    }

    fn salt(&self) -> IdSalt {
        self.salt
    }
}

impl Operate for RedisStore {
    fn take_back<'a>(&'a self, id: &'a str, place: Option<(LaneId, u64)>) -> Answer<'a, TakenBack> {
        Box::pin(async move {
            self.epoch()?;
            let (id, salt) = (id.to_owned(), self.salt);
            let prepare = move |ledger: &mut Ledger| operate::take_back(ledger, salt, &id, place);
            self.write(0, prepare, |_, answer| operate::taken_back(answer?)).await
        })
    }

    fn dead(&self, sweep: Sweep) -> Answer<'_, DeadPage> {
        Box::pin(async move {
            self.is_open()?;
            let (link, door, salt) = (&self.link, &self.door, self.salt);
            let picked = operate::pick(link, door, salt, &sweep, sweep.limit).await?;
            operate::page(link, door, salt, picked).await
        })
    }

    fn replay(&self, sweep: Sweep) -> Answer<'_, Swept> {
        Box::pin(async move {
            let epoch = self.epoch()?;
            let (salt, limit) = (self.salt, sweep.limit.min(Sweep::CHANGED));
            let picked = operate::pick(&self.link, &self.door, salt, &sweep, limit).await?;
            let mut call = self.door.call(Verb::Replay, Some(epoch));
            operate::replay(&mut call, &picked)?;
            let finish = move |_: &mut Ledger, answer: Result<Value, StoreError>| {
                operate::replayed(picked, salt, answer?)
            };
            self.write(0, move |_| call, finish).await
        })
    }

    fn drop_dead(&self, sweep: Sweep) -> Answer<'_, Swept> {
        Box::pin(async move {
            let epoch = self.epoch()?;
            let (salt, limit) = (self.salt, sweep.limit.min(Sweep::CHANGED));
            let picked = operate::pick(&self.link, &self.door, salt, &sweep, limit).await?;
            let mut call = self.door.call(Verb::Drop, Some(epoch));
            operate::drop_dead(&mut call, &picked);
            let finish = move |_: &mut Ledger, answer: Result<Value, StoreError>| {
                operate::dropped(&picked, salt, &answer?)
            };
            self.write(0, move |_| call, finish).await
        })
    }
}

impl Drop for RedisStore {
    /// The writer does what was handed in, gives the store up and ends by itself.
    fn drop(&mut self) {
        self.tenure.abort();
    }
}
