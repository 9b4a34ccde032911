//! The handle: the store contract as calls to one task that writes and two connections that read.

use super::backend::{Backend, Read};
use super::block::{self, Walk};
use super::call::{Call, Perform, Write};
use super::handed::{Giver, Mail, porter};
use super::patience::in_time;
use super::promote::Promotion;
use super::settle::Batch;
use super::shown::Shown;
use super::writer::{Started, Writer};
use super::{accept, claim, look, operate, outbox, promote, settle};
use parking_lot::Mutex;
use roundsman_store::HintSender;
use roundsman_store::{
    AcceptError, Answer, Ask, Block, Bounds, Claim, ClaimId, Clock, Counts, DeadPage, Draft,
    Fetched, Guarantee, Hints, IdSalt, Inspect, Key, KeyCounts, Lane, LaneId, Operate, Outbox,
    OutboxRow, Ownership, Promoted, Receipt, Release, Settled, Settlement, Sighting, Store,
    StoreError, Sweep, Swept, TakenBack,
};
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc;

/// One opening of a store in a database with a server of its own.
pub(crate) struct Served<B: Backend> {
    backend: Arc<B>,
    clock: Arc<dyn Clock>,
    /// `None` once it is closed: without anybody to call it the task ends.
    desk: Mutex<Option<mpsc::UnboundedSender<Write>>>,
    started: Mutex<Option<Started>>,
    task: tokio::task::AbortHandle,
    /// Reads by lane, and apart from it what people look up, which may be slow.
    road: tokio::sync::Mutex<Option<B::Reader>>,
    looks: tokio::sync::Mutex<Option<B::Reader>>,
    hints: Mutex<Option<Hints>>,
    shown: Arc<Shown>,
    /// For what is taken in while this node stands by; none where it never does.
    mail: Option<Mail>,
    salt: IdSalt,
}

impl<B: Backend> fmt::Debug for Served<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("name", &self.backend.name()).finish_non_exhaustive()
    }
}

impl<B: Backend> Served<B> {
    /// Opens it as its owner, or, where nodes share it, stands by until it is.
    pub(crate) async fn open(
        backend: B,
        clock: Arc<dyn Clock>,
        shares: bool,
    ) -> Result<Self, StoreError> {
        let backend = Arc::new(backend);
        let (desk, inbox) = mpsc::unbounded_channel();
        let (hint_sender, hints) = HintSender::new();
        let shown = Arc::new(Shown::default());
        let sharing = (shown.clone(), shares);
        let (salt, started) =
            Writer::start(backend.clone(), clock.clone(), inbox, hint_sender, sharing).await?;
        // The one hands in while it stands by, the other takes that up once it is the owner.
        let mail = shares.then(|| Giver::start(backend.clone()));
        if shares {
            tokio::spawn(porter(desk.downgrade(), shown.clone()));
        }
        Ok(Self {
            mail,
            backend,
            clock,
            desk: Mutex::new(Some(desk)),
            task: started.task.abort_handle(),
            started: Mutex::new(Some(started)),
            road: tokio::sync::Mutex::new(None),
            looks: tokio::sync::Mutex::new(None),
            hints: Mutex::new(Some(hints)),
            shown,
            salt,
        })
    }

    fn write<A, T, E>(&self, asked: A, weight: usize, perform: Perform<A, T, E>) -> Answer<'_, T, E>
    where
        A: Send + 'static,
        T: Send + 'static,
        E: Send + From<StoreError> + 'static,
    {
        Box::pin(async move {
            let desk = self.desk.lock().clone().ok_or(StoreError::Closed)?;
            if let Some(error) = self.shown.standing_by() {
                return Err(error.into());
            }
            let (call, answer) = Call::new(asked, weight, perform);
            desk.send(Box::new(call)).map_err(|_| StoreError::Closed)?;
            drop(desk);
            // Without an answer, the task was stopped in the middle of it.
            answer.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
        })
    }

    /// The same; a node that stands by has nothing of the kind, and says so.
    fn write_or_none<A, T>(
        &self,
        asked: A,
        perform: Perform<A, T, StoreError>,
    ) -> Answer<'_, T, StoreError>
    where
        A: Send + 'static,
        T: Default + Send + 'static,
    {
        let asking = self.write(asked, 0, perform);
        Box::pin(async move {
            match asking.await {
                Err(StoreError::StandsBy(_)) => Ok(T::default()),
                answer => answer,
            }
        })
    }

    /// Has a connection read, and throws it away if that fails. One that was lost while nobody used
    /// it shows that only now: then another is asked.
    async fn read<T>(
        &self,
        place: &tokio::sync::Mutex<Option<B::Reader>>,
        work: impl Fn(&mut B::Reader) -> Answer<'_, T>,
    ) -> Result<T, StoreError> {
        if self.desk.lock().is_none() {
            return Err(StoreError::Closed);
        }
        let mut place = place.lock().await;
        // Taken out, so that one dropped in the middle of a call is not used again.
        if let Some(mut reader) = place.take() {
            match in_time(work(&mut reader)).await {
                Err(StoreError::Unavailable(_)) => {}
                answer => {
                    *place = answer.is_ok().then_some(reader);
                    return answer;
                }
            }
        }
        let mut reader = self.backend.read().await?;
        let answer = in_time(work(&mut reader)).await?;
        *place = Some(reader);
        Ok(answer)
    }
}

impl<B: Backend> Store for Served<B> {
    fn accept(&self, batch: Vec<Draft>, bounds: Bounds) -> Answer<'_, Vec<Receipt>, AcceptError> {
        if let Some(mail) = self.mail.as_ref().filter(|_| self.shown.stands_aside()) {
            return Box::pin(mail.give((batch, bounds), self.salt));
        }
        let weight = batch.iter().map(|draft| draft.payload.len() + 200).sum();
        self.write((batch, bounds), weight, accept::accept)
    }

    fn walk(&self, after: Option<LaneId>, limit: usize) -> Answer<'_, Vec<Arc<Lane>>> {
        self.write_or_none(Walk::from(after, limit), block::walk)
    }

    fn fetch(&self, asks: Vec<Ask>) -> Answer<'_, Vec<Fetched>> {
        let salt = self.salt;
        Box::pin(self.read(&self.road, move |it| Box::pin(it.fetch(asks.clone(), salt))))
    }

    fn claim(&self, claim: Claim) -> Answer<'_, ClaimId> {
        let weight = claim.members.len() * 20;
        self.write(claim, weight, claim::claim)
    }

    fn settle(&self, batch: Vec<Settlement>) -> Answer<'_, Vec<Settled>> {
        let weight = batch.len() * 100;
        self.write(Batch::of(batch), weight, settle::settle)
    }

    fn block(&self, lanes: Vec<(LaneId, Block)>) -> Answer<'_, ()> {
        self.write_or_none(lanes, block::block)
    }

    fn release(&self, which: Release) -> Answer<'_, Vec<Arc<Lane>>> {
        self.write_or_none(which, block::release)
    }

    fn promote(&self) -> Answer<'_, Promoted> {
        self.write_or_none(Promotion::default(), promote::promote)
    }

    fn probe(&self) -> Answer<'_, Guarantee> {
        Box::pin(self.read(&self.looks, |it| Box::pin(it.probe())))
    }

    fn ownership(&self) -> Ownership {
        self.shown.ownership()
    }

    fn hints(&self) -> Option<Hints> {
        self.hints.lock().take()
    }

    fn outbox(&self) -> Option<&dyn Outbox> {
        Some(self)
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            drop(self.desk.lock().take().ok_or(StoreError::Closed)?);
            let started = self.started.lock().take().ok_or(StoreError::Closed)?;
            let fate = started.ended.await;
            self.road.lock().await.take();
            self.looks.lock().await.take();
            fate.unwrap_or(Err(StoreError::Closed))
        })
    }
}

impl<B: Backend> Inspect for Served<B> {
    fn find<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Sighting>> {
        let (id, salt, now) = (Arc::<str>::from(id), self.salt, self.clock.now());
        Box::pin(self.read(&self.looks, move |it| Box::pin(it.find(id.clone(), salt, now))))
    }

    fn counts(&self) -> Answer<'_, Counts> {
        // Those of the store are the owner's.
        Box::pin(async move { Ok(self.shown.counts()) })
    }

    fn key_counts<'a>(&'a self, key: &'a Key) -> Answer<'a, KeyCounts> {
        self.write(key.clone(), 0, look::key_counts)
    }

    fn salt(&self) -> IdSalt {
        self.salt
    }
}

impl<B: Backend> Operate for Served<B> {
    fn take_back<'a>(&'a self, id: &'a str, place: Option<(LaneId, u64)>) -> Answer<'a, TakenBack> {
        self.write((Arc::<str>::from(id), place), 0, operate::take_back)
    }

    fn dead(&self, sweep: Sweep) -> Answer<'_, DeadPage> {
        let salt = self.salt;
        Box::pin(self.read(&self.looks, move |it| Box::pin(it.dead(sweep.clone(), salt))))
    }

    fn replay(&self, sweep: Sweep) -> Answer<'_, Swept> {
        self.write(sweep, 0, operate::replay)
    }

    fn drop_dead(&self, sweep: Sweep) -> Answer<'_, Swept> {
        self.write(sweep, 0, operate::drop_dead)
    }
}

impl<B: Backend> Outbox for Served<B> {
    fn rows(
        &self,
        most: usize,
        max_chars: usize,
        without: Vec<Arc<str>>,
    ) -> Answer<'_, Vec<OutboxRow>> {
        Box::pin(async move {
            // The owner takes them in.
            if self.shown.standing_by().is_some() {
                return Ok(Vec::new());
            }
            self.read(&self.looks, |it| Box::pin(it.outbox(most, max_chars, without.clone()))).await
        })
    }

    fn take(
        &self,
        batch: Vec<Draft>,
        bounds: Bounds,
        rows: Vec<u64>,
    ) -> Answer<'_, Vec<Receipt>, AcceptError> {
        let weight = batch.iter().map(|draft| draft.payload.len() + 200).sum();
        self.write(outbox::Taken::new(batch, bounds, rows), weight, outbox::take)
    }

    fn mark(&self, faults: Vec<(u64, String)>) -> Answer<'_, ()> {
        self.write(faults, 0, outbox::mark)
    }
}

impl<B: Backend> Drop for Served<B> {
    /// Without [`close`](Store::close) it ends as a crash would end it.
    fn drop(&mut self) {
        self.task.abort();
    }
}
