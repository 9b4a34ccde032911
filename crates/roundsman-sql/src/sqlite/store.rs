//! The handle: the store contract as calls to three threads, and a fourth that follows behind them.

use super::call::{Call, Perform};
use super::error::store_error;
use super::ledger::{Ledger, Place};
use super::lock::Lock;
use super::mover::Mover;
use super::open::{self, Head};
use super::reader::{self, Read, Reader};
use super::reserve::Reserve;
use super::writer::{Write, Writer};
use super::{accept, block, claim, fetch, inspect, operate, probe, promote, recover, settle};
use parking_lot::Mutex;
use roundsman_store::HintSender;
use roundsman_store::{
    AcceptError, Answer, Ask, Block, Bounds, Claim, ClaimId, Clock, Counts, DeadPage, Draft,
    Fetched, Guarantee, Hints, IdSalt, Inspect, Key, KeyCounts, Lane, LaneId, Operate, Ownership,
    Promoted, Receipt, Release, SHARDS, Settled, Settlement, Sighting, Store, StoreError, Sweep,
    Swept, TakenBack,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Keeps messages in one SQLite file, durably: an accepted message outlives process and machine.
///
/// ```
/// use roundsman_sql::SqliteStore;
/// use roundsman_store::{Bounds, Draft, Inspect, Store, SystemClock};
/// use std::sync::Arc;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("roundsman.db");
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = SqliteStore::open(&path, Arc::new(SystemClock))?;
/// let draft = Draft::new("user:42", r#"{"n":1}"#)?;
/// store.accept(vec![draft], Bounds::NONE).await?;
/// store.close().await?;
///
/// let again = SqliteStore::open(&path, Arc::new(SystemClock))?;
/// assert_eq!(again.counts().await?.backlog, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    /// `None` once it is closed: without anybody to call them the threads end.
    desks: Mutex<Option<Desks>>,
    ended: Mutex<Option<oneshot::Receiver<Result<(), StoreError>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    hints: Mutex<Option<Hints>>,
    pub(super) place: Place,
    epoch: u64,
}

/// Where calls are handed in.
#[derive(Clone, Debug)]
struct Desks {
    writer: Sender<Write>,
    road: Sender<Read>,
    looks: Sender<Read>,
}

impl SqliteStore {
    /// Opens the file, or makes it, and takes its lock. Attempts that a crash cut off are counted
    /// as such before it returns. Blocks the thread for a moment.
    ///
    /// # Errors
    /// [`Locked`](StoreError::Locked): another process has it open.
    /// [`Unusable`](StoreError::Unusable): it is of a newer version, no store at all, or damaged.
    /// [`Unavailable`](StoreError::Unavailable), [`Full`](StoreError::Full): the disk does not let us.
    pub fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let path = open::resolve(path.as_ref())?;
        let lock = Lock::take(&path)?;
        open::prepare(&path)?;
        let sql = |error: rusqlite::Error| store_error(&path, &error);
        let connection = open::writing(&path, rusqlite::OpenFlags::empty())?;
        let (salt, epoch) = open::begin(&connection).map_err(sql)?;
        let reserve = Arc::new(Reserve::beside(&path));
        let young = Arc::default();
        let place = Place { path: path.clone(), clock, salt, reserve, young };
        let ledger = recovered(connection, &place).map_err(sql)?;

        let (writer_desk, inbox) = channel();
        let (road, road_thread) = reading(&place, "roundsman-read")?;
        let (looks, looks_thread) = reading(&place, "roundsman-look")?;
        let (mover, work) = Mover::new(&path);
        let move_thread = spawn("roundsman-move", work)?;
        let (hint_sender, hints) = HintSender::new();
        let (ended_sender, ended) = oneshot::channel();
        let writer = Writer {
            place: place.clone(),
            ledger: Some(ledger),
            inbox,
            hints: hint_sender,
            mover,
            others: vec![road_thread, looks_thread, move_thread],
            lock,
            ended: ended_sender,
        };
        let writer = spawn("roundsman-write", move || writer.run())?;
        Ok(Self {
            desks: Mutex::new(Some(Desks { writer: writer_desk, road, looks })),
            ended: Mutex::new(Some(ended)),
            writer: Mutex::new(Some(writer)),
            hints: Mutex::new(Some(hints)),
            place,
            epoch,
        })
    }

    /// What a store in this file would promise, without opening it: no lock is taken and nothing is
    /// created. Answers the schema version too; `None` where there is no file yet.
    ///
    /// # Errors
    /// It cannot be read, is of a newer version, or is no store at all.
    pub fn inspect_file(path: impl AsRef<Path>) -> Result<(Guarantee, Option<i32>), StoreError> {
        let path = open::resolve(path.as_ref())?;
        let version = match open::read_head(&path)? {
            Head::Nothing => None,
            Head::Store(version) => Some(version),
        };
        Ok((probe::guarantee(&path), version))
    }

    fn write<A, T, E>(&self, asked: A, perform: Perform<Ledger, A, T, E>) -> Answer<'_, T, E>
    where
        A: Send + 'static,
        T: Send + 'static,
        E: Send + From<StoreError> + 'static,
    {
        Box::pin(async move {
            let (call, answer) = Call::new(asked, perform);
            let desk = self.desks.lock().as_ref().map(|desks| desks.writer.clone());
            hand_in(desk, Box::new(call) as Write)?;
            self.wait(answer).await
        })
    }

    fn read<A, T>(
        &self,
        asked: A,
        perform: Perform<Reader, A, T, StoreError>,
        choose: fn(&Desks) -> &Sender<Read>,
    ) -> Answer<'_, T>
    where
        A: Send + 'static,
        T: Send + 'static,
    {
        Box::pin(async move {
            let (call, answer) = Call::new(asked, perform);
            let desk = self.desks.lock().as_ref().map(|desks| choose(desks).clone());
            hand_in(desk, Box::new(call) as Read)?;
            self.wait(answer).await
        })
    }

    async fn wait<T, E: From<StoreError>>(
        &self,
        answer: oneshot::Receiver<Result<T, E>>,
    ) -> Result<T, E> {
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(self.gone().into()),
        }
    }

    /// A thread that ended without an answer can only have panicked.
    fn gone(&self) -> StoreError {
        StoreError::Unavailable(format!(
            "{}: its thread has ended unexpectedly; restart the process",
            self.place.path.display()
        ))
    }
}

fn hand_in<C>(desk: Option<Sender<C>>, call: C) -> Result<(), StoreError> {
    let desk = desk.ok_or(StoreError::Closed)?;
    desk.send(call).map_err(|_| StoreError::Closed)
}

/// The ledger after everything that a crash cut off was counted.
fn recovered(connection: rusqlite::Connection, place: &Place) -> rusqlite::Result<Ledger> {
    let mut ledger = Ledger::on(connection, place.clone(), 0)?;
    ledger.begin()?;
    recover::cut_off(&mut ledger)?;
    ledger.commit()?;
    Ok(ledger)
}

fn reading(place: &Place, name: &str) -> Result<(Sender<Read>, JoinHandle<()>), StoreError> {
    let reader = Reader::open(place)?;
    let (desk, inbox): (_, Receiver<Read>) = channel();
    let place = place.clone();
    Ok((desk, spawn(name, move || reader::run(&place, reader, &inbox))?))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| StoreError::Unavailable(format!("no thread for {name}: {error}")))
}

impl Store for SqliteStore {
    fn accept(&self, batch: Vec<Draft>, bounds: Bounds) -> Answer<'_, Vec<Receipt>, AcceptError> {
        self.write((batch, bounds), accept::accept)
    }

    fn walk(&self, after: Option<LaneId>, limit: usize) -> Answer<'_, Vec<Arc<Lane>>> {
        self.read((after, limit), fetch::walk, |desks| &desks.road)
    }

    fn fetch(&self, asks: Vec<Ask>) -> Answer<'_, Vec<Fetched>> {
        self.read(asks, fetch::fetch, |desks| &desks.road)
    }

    fn claim(&self, claim: Claim) -> Answer<'_, ClaimId> {
        self.write(claim, claim::claim)
    }

    fn settle(&self, batch: Vec<Settlement>) -> Answer<'_, Vec<Settled>> {
        self.write(batch, settle::settle)
    }

    fn block(&self, lanes: Vec<(LaneId, Block)>) -> Answer<'_, ()> {
        self.write(lanes, block::block)
    }

    fn release(&self, which: Release) -> Answer<'_, Vec<Arc<Lane>>> {
        self.write(which, block::release)
    }

    fn promote(&self) -> Answer<'_, Promoted> {
        self.write((), promote::promote)
    }

    fn probe(&self) -> Answer<'_, Guarantee> {
        self.write((), probe::probe)
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
            let ended = self.ended.lock().take().ok_or(StoreError::Closed)?;
            ended.await.unwrap_or_else(|_| Err(self.gone()))
        })
    }
}

impl Inspect for SqliteStore {
    fn find<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Sighting>> {
        self.read(Arc::<str>::from(id), inspect::find, |desks| &desks.looks)
    }

    fn counts(&self) -> Answer<'_, Counts> {
        self.read((), inspect::counts, |desks| &desks.looks)
    }

    fn key_counts<'a>(&'a self, key: &'a Key) -> Answer<'a, KeyCounts> {
        self.write(key.clone(), inspect::key_counts)
    }

    fn salt(&self) -> IdSalt {
        self.place.salt
    }
}

impl Operate for SqliteStore {
    fn take_back<'a>(&'a self, id: &'a str, place: Option<(LaneId, u64)>) -> Answer<'a, TakenBack> {
        self.write((Arc::<str>::from(id), place), operate::take_back)
    }

    fn dead(&self, sweep: Sweep) -> Answer<'_, DeadPage> {
        self.read(sweep, operate::dead, |desks| &desks.looks)
    }

    fn replay(&self, sweep: Sweep) -> Answer<'_, Swept> {
        self.write(sweep, operate::replay)
    }

    fn drop_dead(&self, sweep: Sweep) -> Answer<'_, Swept> {
        self.write(sweep, operate::drop_dead)
    }
}

impl Drop for SqliteStore {
    /// Waits until what was handed in is done, and the lock is let go.
    fn drop(&mut self) {
        drop(self.desks.get_mut().take());
        if let Some(writer) = self.writer.get_mut().take() {
            // One that panicked has let go of everything already.
            let _ = writer.join();
        }
    }
}
