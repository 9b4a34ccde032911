//! The handle: the store contract as calls to two threads.

use crate::call::{Call, Turn, call};
use crate::chunks::Chunks;
use crate::config::KafkaConfig;
use crate::owner::Person;
use crate::reader::{Read, Reader};
use crate::scan::Reading;
use crate::writer::{Shared, Standing, Writer};
use crate::{perform, probe};
use parking_lot::Mutex;
use roundsman_store::{
    AcceptError, Answer, Ask, Block, Bounds, Claim, ClaimId, Clock, Counts, DeadPage, Draft,
    Fetched, Guarantee, HintSender, Hints, IdSalt, Inspect, Key, KeyCounts, Lane, LaneId,
    MemoryState, Operate, Ownership, Promoted, Receipt, Release, SHARDS, Settled, Settlement,
    Sighting, Store, StoreError, Sweep, Swept, TakenBack,
};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::oneshot;

/// Keeps messages in one topic of Apache Kafka.
pub struct KafkaStore {
    /// `None` once it is closed: without anybody to call them the threads end.
    desks: Mutex<Option<Desks>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    hints: Mutex<Option<Hints>>,
    shared: Arc<Shared>,
    salt: IdSalt,
    epoch: u64,
}

/// Where calls are handed in.
#[derive(Clone)]
struct Desks {
    writer: Sender<Call>,
    reader: Sender<Read>,
}

impl KafkaStore {
    /// Takes the journal over, or makes it, and reads it. Whoever had it before has lost it; one
    /// that ended without a word is given its [`lease`](KafkaConfig::lease) to show that it lives.
    /// Attempts that a crash cut off are counted as such before it returns. Blocks the thread.
    ///
    /// # Errors
    /// [`Locked`](StoreError::Locked): another process has it, and lives.
    /// [`Unavailable`](StoreError::Unavailable): no broker answers.
    /// [`Unusable`](StoreError::Unusable): it is of a newer version, damaged, or not to be used by
    /// this user.
    pub fn open(config: KafkaConfig, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let (state, chunks) = (MemoryState::new(IdSalt(0)), Chunks::new(config.cache));
        let (state, chunks, trouble) = (Mutex::new(state), Mutex::new(chunks), Mutex::new(None));
        let shared = Arc::new(Shared {
            config,
            state,
            chunks,
            reading: Reading::default(),
            moves: AtomicU64::new(0),
            trouble,
        });
        let (writer_desk, inbox) = channel();
        let (reader_desk, reader_inbox) = channel();
        let (hint_sender, hints) = HintSender::new();
        let (opened_sender, opened) = channel();
        // The client of the cluster waits in ways that a runtime's own threads must not.
        let (beginning, clock_of_writer) = (shared.clone(), clock);
        let writer = spawn("roundsman-write", move || {
            let mut writer = Writer {
                shared: beginning,
                clock: clock_of_writer,
                inbox,
                hints: hint_sender,
                person: Person::new(),
                standing: Standing::Fenced,
                wrote: Instant::now(),
            };
            let begun = writer.take_over();
            let goes_on = begun.is_ok();
            let heard = opened_sender.send(begun.map(|()| writer.person.epoch));
            if goes_on && heard.is_ok() {
                writer.run();
            }
        })?;
        let ended = || StoreError::Unavailable("the thread that writes has ended".to_owned());
        let epoch = opened.recv().map_err(|_| ended())??;
        let reading = Reader { shared: shared.clone(), inbox: reader_inbox };
        let reader = spawn("roundsman-read", move || reading.run())?;
        let salt = shared.state.lock().salt();
        Ok(Self {
            desks: Mutex::new(Some(Desks { writer: writer_desk, reader: reader_desk })),
            threads: Mutex::new(vec![writer, reader]),
            hints: Mutex::new(Some(hints)),
            shared,
            salt,
            epoch,
        })
    }

    /// What a store there would promise, without opening it: nothing is made, nothing taken over.
    /// Blocks the thread.
    ///
    /// # Errors
    /// No broker answers, or this user may not look.
    pub fn inspect(config: &KafkaConfig) -> Result<Guarantee, StoreError> {
        let config = config.clone();
        let (answer_sender, answer) = channel();
        let looking =
            spawn("roundsman-look", move || drop(answer_sender.send(probe::probe(&config))))?;
        let found = answer.recv();
        // It has answered, or panicked.
        let _ = looking.join();
        found.map_err(|_| StoreError::Unavailable("the thread that looks has ended".to_owned()))?
    }

    fn write<T, E>(
        &self,
        perform: impl FnOnce(&mut Turn<'_>) -> Result<T, E> + Send + 'static,
    ) -> Answer<'_, T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        Box::pin(async move {
            let desks = self.desks.lock().clone().ok_or(StoreError::Closed)?;
            let (call, answer) = call(perform);
            desks.writer.send(call).map_err(|_| self.gone())?;
            drop(desks);
            answer.await.unwrap_or_else(|_| Err(self.gone().into()))
        })
    }

    fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Read + Send + 'static,
    ) -> Answer<'_, T> {
        Box::pin(async move {
            let desks = self.desks.lock().clone().ok_or(StoreError::Closed)?;
            let (to, answer) = oneshot::channel();
            desks.reader.send(ask(to)).map_err(|_| self.gone())?;
            drop(desks);
            answer.await.unwrap_or_else(|_| Err(self.gone()))
        })
    }

    /// A thread that ended without an answer can only have panicked.
    fn gone(&self) -> StoreError {
        StoreError::Unavailable(format!(
            "{}: its thread has ended unexpectedly; restart the process",
            self.shared.config.topic()
        ))
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| StoreError::Unavailable(format!("no thread for {name}: {error}")))
}

impl Store for KafkaStore {
    fn accept(&self, batch: Vec<Draft>, bounds: Bounds) -> Answer<'_, Vec<Receipt>, AcceptError> {
        self.write(move |turn| perform::accept(turn, batch, &bounds))
    }

    fn walk(&self, after: Option<LaneId>, limit: usize) -> Answer<'_, Vec<Arc<Lane>>> {
        Box::pin(async move {
            if self.desks.lock().is_none() {
                return Err(StoreError::Closed);
            }
            self.shared.check()?;
            Ok(self.shared.state.lock().walk(after, limit))
        })
    }

    fn fetch(&self, asks: Vec<Ask>) -> Answer<'_, Vec<Fetched>> {
        self.read(|to| Read::Fetch(asks, to))
    }

    fn claim(&self, claim: Claim) -> Answer<'_, ClaimId> {
        self.write(move |turn| perform::claim(turn, &claim))
    }

    fn settle(&self, batch: Vec<Settlement>) -> Answer<'_, Vec<Settled>> {
        self.write(move |turn| perform::settle(turn, batch))
    }

    fn block(&self, lanes: Vec<(LaneId, Block)>) -> Answer<'_, ()> {
        self.write(move |turn| perform::block(turn, &lanes))
    }

    fn release(&self, which: Release) -> Answer<'_, Vec<Arc<Lane>>> {
        self.write(move |turn| perform::release(turn, which))
    }

    fn promote(&self) -> Answer<'_, Promoted> {
        self.write(perform::promote)
    }

    fn probe(&self) -> Answer<'_, Guarantee> {
        self.write(|turn| probe::probe(turn.config))
    }

    fn ownership(&self) -> Ownership {
        Ownership { epoch: self.epoch, shards: (0..SHARDS).collect() }
    }

    fn hints(&self) -> Option<Hints> {
        self.hints.lock().take()
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            drop(self.desks.lock().take().ok_or(StoreError::Closed)?);
            let threads = std::mem::take(&mut *self.threads.lock());
            let (to, ended) = oneshot::channel();
            spawn("roundsman-end", move || {
                // One that panicked has nothing left to end.
                threads.into_iter().for_each(|thread| drop(thread.join()));
                let _ = to.send(());
            })?;
            ended.await.map_err(|_| self.gone())
        })
    }
}

impl Inspect for KafkaStore {
    fn find<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Sighting>> {
        let id: Arc<str> = id.into();
        self.write(move |turn| Ok(turn.state.sight(&id)))
    }

    fn counts(&self) -> Answer<'_, Counts> {
        self.write(|turn| Ok(turn.state.counts()))
    }

    fn key_counts<'a>(&'a self, key: &'a Key) -> Answer<'a, KeyCounts> {
        let key = key.clone();
        self.write(move |turn| Ok(turn.state.key_counts(&key)))
    }

    fn salt(&self) -> IdSalt {
        self.salt
    }
}

impl Operate for KafkaStore {
    fn take_back<'a>(&'a self, id: &'a str, place: Option<(LaneId, u64)>) -> Answer<'a, TakenBack> {
        let id: Arc<str> = id.into();
        self.write(move |turn| perform::take_back(turn, &id, place))
    }

    fn dead(&self, sweep: Sweep) -> Answer<'_, DeadPage> {
        self.read(|to| Read::Dead(sweep, to))
    }

    fn replay(&self, sweep: Sweep) -> Answer<'_, Swept> {
        self.write(move |turn| perform::replay(turn, &sweep))
    }

    fn drop_dead(&self, sweep: Sweep) -> Answer<'_, Swept> {
        self.write(move |turn| perform::drop_dead(turn, &sweep))
    }
}

impl Drop for KafkaStore {
    /// Waits until what was handed in is done.
    fn drop(&mut self) {
        drop(self.desks.get_mut().take());
        for thread in self.threads.get_mut().drain(..) {
            // One that panicked has let go of everything already.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for KafkaStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaStore").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
