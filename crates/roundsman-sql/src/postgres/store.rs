//! The store: a PostgreSQL database as the [`Backend`] of what all served stores have in common.

use super::connect::{Connection, Job};
use super::error::Sql;
use super::fetch::{self, LaneNames};
use super::handed::Handing;
use super::url::Place;
use super::{inspect, load, open, outbox, probe, write};
use crate::cache::Cache;
use crate::served::backend::{self, Backend, Read, Write};
use crate::served::changes::Changes;
use crate::served::wants::{Loaded, Wants};
use crate::served::{ClaimRow, Holder, Opened, Served, hand_on};
use roundsman_store::{
    Ask, Clock, DeadPage, Fetched, Guarantee, IdSalt, OutboxRow, Sighting, StoreError, Sweep,
    Timestamp,
};
use std::sync::Arc;

/// Keeps messages in a PostgreSQL database: an accepted message is committed there.
///
/// Everything is in a schema of its own, which the first opening makes. One process at a time owns
/// it; a second is refused, or stands by where both ask for that, unless the first has fallen silent.
///
/// ```no_run
/// use roundsman_sql::PostgresStore;
/// use roundsman_store::{Bounds, Draft, Store, SystemClock};
/// use std::sync::Arc;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let url = "postgres://roundsman:secret@localhost/app?schema=messages";
/// let store = PostgresStore::open(url, Arc::new(SystemClock)).await?;
/// let draft = Draft::new("user:42", r#"{"n":1}"#)?;
/// store.accept(vec![draft], Bounds::NONE).await?;
/// store.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PostgresStore(Served<Postgres>);

impl PostgresStore {
    /// Opens the store at `postgres://user:password@host:port/database?schema=…&sslmode=…`, and
    /// makes its tables where there are none. Attempts that a crash cut off are counted as such
    /// before it returns.
    ///
    /// # Errors
    /// [`Locked`](StoreError::Locked): another process has it open.
    /// [`Unusable`](StoreError::Unusable): the URL, the password or a permission is at fault, or the
    /// schema is of a newer version.
    /// [`Unavailable`](StoreError::Unavailable): the server cannot be reached, or is a replica.
    ///
    /// # Cancel safety
    /// Dropped, it leaves nothing open.
    pub async fn open(url: &str, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let backend = Postgres { place: Place::parse(url)? };
        Served::open(backend, clock, false).await.map(Self)
    }

    /// Opens the store as one of several nodes. One of them owns it, and is as one that was opened
    /// by [`open`](Self::open); the others stand by, and one of them succeeds it within ten seconds
    /// of its end. Who stands by hands what it accepts to the owner and answers as that one does; has
    /// no lanes to walk, and gives the hint to walk once it is the owner; and answers
    /// [`StandsBy`](StoreError::StandsBy) where it cannot help.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Locked`](StoreError::Locked): another has opened it alone.
    ///
    /// # Cancel safety
    /// Dropped, it leaves nothing open.
    pub async fn open_shared(url: &str, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let backend = Postgres { place: Place::parse(url)? };
        Served::open(backend, clock, true).await.map(Self)
    }

    /// Whether a store's URL can be read. Nobody is asked.
    ///
    /// # Errors
    /// [`Unusable`](StoreError::Unusable): what is wrong with it.
    pub fn check_url(url: &str) -> Result<(), StoreError> {
        Place::parse(url).map(drop)
    }

    /// What a store there would promise, without opening it: no lock is taken and nothing is made.
    /// Answers the version of its schema too; `None` where there is none yet.
    ///
    /// # Errors
    /// It cannot be reached, is of a newer version, or the URL is at fault.
    pub async fn inspect_url(url: &str) -> Result<(Guarantee, Option<i32>), StoreError> {
        let mut connection = Connection::open(&Place::parse(url)?).await?;
        let version = open::known_version(&connection).await?;
        let guarantee = probe::probe(&mut connection).await;
        Ok((guarantee.map_err(|error| connection.explain(&error))?, version))
    }
}

hand_on!(PostgresStore);

/// Where the database is.
struct Postgres {
    place: Place,
}

impl Backend for Postgres {
    type Candidate = Candidate;
    type Writer = Writer;
    type Reader = Reader;
    type Hand = Handing;

    const KIND: &'static str = "schema";

    fn name(&self) -> &str {
        &self.place.name
    }

    fn place(&self) -> String {
        format!("{}, schema {}", self.place.name, self.place.schema)
    }

    async fn stand(&self) -> Result<Candidate, StoreError> {
        let connection = Connection::open(&self.place).await?;
        open::stand(&connection).await?;
        Ok(Candidate { connection })
    }

    async fn read(&self) -> Result<Reader, StoreError> {
        let connection = Connection::open(&self.place).await?;
        connection.fix_plans().await.map_err(|error| connection.explain(&error))?;
        Ok(Reader { connection, names: Cache::new(16 * 1024) })
    }

    async fn hand(&self) -> Result<Handing, StoreError> {
        Handing::open(&self.place).await
    }
}

/// A connection that may become the one that writes.
struct Candidate {
    connection: Connection,
}

impl backend::Candidate for Candidate {
    type Writer = Writer;

    async fn look(&mut self) -> Result<Holder, StoreError> {
        open::look(&self.connection).await
    }

    async fn lock(&mut self) -> Result<bool, StoreError> {
        open::lock(&self.connection).await
    }

    async fn evict(&mut self, lock: u64) -> Result<(), StoreError> {
        open::evict(&self.connection, lock).await
    }

    async fn beat(&mut self) -> Result<(), StoreError> {
        let beaten = self.connection.query(open::BEAT, &[]).await;
        beaten.map(drop).map_err(|error| self.connection.explain(&error))
    }

    async fn begin(self, epoch: Option<u64>, shares: bool) -> Result<(Writer, Opened), StoreError> {
        let Self { connection } = self;
        let opened = open::begin(&connection, epoch, shares).await?;
        Ok((Writer { connection, salt: opened.salt, is_open: false }, opened))
    }
}

/// The connection that writes.
struct Writer {
    connection: Connection,
    salt: IdSalt,
    /// A transaction is.
    is_open: bool,
}

impl Writer {
    fn explain<T>(&self, answer: Sql<T>) -> Result<T, StoreError> {
        answer.map_err(|error| self.connection.explain(&error))
    }
}

impl Write for Writer {
    async fn load(&mut self, wants: &Wants) -> Result<Loaded, StoreError> {
        let salt = self.salt;
        let loaded = load::load(&mut self.connection, wants, |id| inspect::made(id, salt)).await;
        self.explain(loaded)
    }

    async fn write(&mut self, changes: Changes, commit: bool) -> Result<(), StoreError> {
        if changes.is_empty() && !self.is_open {
            return Ok(());
        }
        let begin = !std::mem::replace(&mut self.is_open, !commit);
        let written = write::write(&mut self.connection, &changes, begin, commit).await;
        self.explain(written)
    }

    async fn claims(&mut self) -> Result<Vec<ClaimRow>, StoreError> {
        const CLAIMS: &str = "SELECT id, alone, members FROM claim ORDER BY id";
        let rows = self.connection.query(CLAIMS, &[]).await;
        let rows = self.explain(rows)?;
        let claim = |row: &tokio_postgres::Row| ClaimRow {
            id: super::row::number(row, 0),
            alone: row.get(1),
            members: row.get(2),
        };
        Ok(rows.iter().map(claim).collect())
    }

    async fn beat(&mut self) -> Result<(), StoreError> {
        let job = |statement| Job { statement, values: Vec::new() };
        let beaten = self.connection.query_all(&[job(open::BEAT), job(open::UNFETCHED)]).await;
        self.explain(beaten).map(drop)
    }

    async fn end(self) -> Result<(), StoreError> {
        let unlocked = open::unlock(&self.connection).await;
        self.explain(unlocked)
    }
}

/// A connection that reads.
struct Reader {
    connection: Connection,
    names: LaneNames,
}

impl Read for Reader {
    async fn fetch(&mut self, asks: Vec<Ask>, salt: IdSalt) -> Result<Vec<Fetched>, StoreError> {
        let Self { connection, names } = self;
        let fetched = fetch::fetch(connection, names, &asks, salt).await;
        fetched.map_err(|error| connection.explain(&error))
    }

    async fn find(
        &mut self,
        id: Arc<str>,
        salt: IdSalt,
        now: Timestamp,
    ) -> Result<Option<Sighting>, StoreError> {
        let found = inspect::find(&mut self.connection, id, salt, now).await;
        found.map_err(|error| self.connection.explain(&error))
    }

    async fn dead(&mut self, sweep: Sweep, salt: IdSalt) -> Result<DeadPage, StoreError> {
        let page = inspect::page(&mut self.connection, &sweep, salt).await;
        page.map_err(|error| self.connection.explain(&error))
    }

    async fn outbox(
        &mut self,
        most: usize,
        max_chars: usize,
        without: Vec<Arc<str>>,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let rows = outbox::rows(&mut self.connection, most, max_chars, &without).await;
        rows.map_err(|error| self.connection.explain(&error))
    }

    async fn probe(&mut self) -> Result<Guarantee, StoreError> {
        let guarantee = probe::probe(&mut self.connection).await;
        guarantee.map_err(|error| self.connection.explain(&error))
    }
}
