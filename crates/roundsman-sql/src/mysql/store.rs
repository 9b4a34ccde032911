//! The store: a MySQL or MariaDB database as the [`Backend`] of what all served stores have in common.

use super::connect::Connection;
use super::error::{Sql, is_deadlock};
use super::fetch::{self, LaneNames};
use super::handed::Handing;
use super::url::Place;
use super::{inspect, load, open, outbox, probe, row, write};
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

/// Keeps messages in a MySQL or MariaDB database: an accepted message is committed there.
///
/// Its tables are called `roundsman_…`; the first opening makes them. One process at a time owns
/// them; a second is refused, or stands by where both ask for that, unless the first has fallen silent.
///
/// ```no_run
/// use roundsman_sql::MysqlStore;
/// use roundsman_store::{Bounds, Draft, Store, SystemClock};
/// use std::sync::Arc;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let url = "mysql://roundsman:secret@localhost/app";
/// let store = MysqlStore::open(url, Arc::new(SystemClock)).await?;
/// let draft = Draft::new("user:42", r#"{"n":1}"#)?;
/// store.accept(vec![draft], Bounds::NONE).await?;
/// store.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MysqlStore(Served<Mysql>);

impl MysqlStore {
    /// Opens the store at `mysql://user:password@host:port/database?ssl-mode=…`, and makes its
    /// tables where there are none. Attempts that a crash cut off are counted as such before it
    /// returns.
    ///
    /// # Errors
    /// [`Locked`](StoreError::Locked): another process has it open.
    /// [`Unusable`](StoreError::Unusable): the URL, the password or a permission is at fault, or the
    /// tables are of a newer version.
    /// [`Unavailable`](StoreError::Unavailable): the server cannot be reached, or is read-only.
    ///
    /// # Cancel safety
    /// Dropped, it leaves nothing open.
    pub async fn open(url: &str, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let backend = Mysql { place: Place::parse(url)? };
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
        let backend = Mysql { place: Place::parse(url)? };
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
    /// Answers the version of its tables too; `None` where there are none yet.
    ///
    /// # Errors
    /// It cannot be reached, is of a newer version, or the URL is at fault.
    pub async fn inspect_url(url: &str) -> Result<(Guarantee, Option<i64>), StoreError> {
        let mut connection = Connection::open(&Place::parse(url)?).await?;
        let version = match open::enter(&mut connection, false).await? {
            true => open::known_version(&mut connection).await?,
            false => None,
        };
        let guarantee = probe::probe(&mut connection).await;
        Ok((guarantee.map_err(|error| connection.explain(&error))?, version))
    }
}

hand_on!(MysqlStore);

/// Where the database is.
struct Mysql {
    place: Place,
}

impl Backend for Mysql {
    type Candidate = Candidate;
    type Writer = Writer;
    type Reader = Reader;
    type Hand = Handing;

    const KIND: &'static str = "database";

    fn name(&self) -> &str {
        &self.place.name
    }

    fn place(&self) -> String {
        self.place.name.clone()
    }

    async fn stand(&self) -> Result<Candidate, StoreError> {
        let mut connection = Connection::open(&self.place).await?;
        open::stand(&mut connection).await?;
        Ok(Candidate { connection })
    }

    async fn read(&self) -> Result<Reader, StoreError> {
        let mut connection = Connection::open(&self.place).await?;
        open::enter(&mut connection, false).await?;
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
        open::look(&mut self.connection).await
    }

    async fn lock(&mut self) -> Result<bool, StoreError> {
        open::lock(&mut self.connection).await
    }

    async fn evict(&mut self, lock: u64) -> Result<(), StoreError> {
        open::evict(&mut self.connection, lock).await
    }

    async fn beat(&mut self) -> Result<(), StoreError> {
        let beaten = self.connection.execute(open::BEAT, Vec::new()).await;
        beaten.map_err(|error| self.connection.explain(&error))
    }

    async fn begin(self, epoch: Option<u64>, shares: bool) -> Result<(Writer, Opened), StoreError> {
        let Self { mut connection } = self;
        let opened = open::begin(&mut connection, epoch, shares).await?;
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

/// How often a transaction is repeated that was undone for the sake of another.
const AGAIN: usize = 5;

impl Writer {
    fn explain<T>(&self, answer: Sql<T>) -> Result<T, StoreError> {
        answer.map_err(|error| self.connection.explain(&error))
    }

    async fn write_once(&mut self, changes: &Changes, begin: bool, commit: bool) -> Sql<()> {
        if begin {
            self.connection.run("START TRANSACTION").await?;
        }
        write::write(&mut self.connection, changes).await?;
        if commit {
            self.connection.run("COMMIT").await?;
        }
        Ok(())
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
        let mut written = self.write_once(&changes, begin, commit).await;
        for _ in 0..AGAIN {
            match &written {
                // Whatever was written before in the same transaction is undone as well.
                Err(error) if begin && is_deadlock(error) => {
                    written = self.write_once(&changes, begin, commit).await;
                }
                _ => break,
            }
        }
        self.explain(written)
    }

    async fn claims(&mut self) -> Result<Vec<ClaimRow>, StoreError> {
        const CLAIMS: &str = "SELECT id, alone, members FROM roundsman_claim ORDER BY id";
        let rows = self.connection.query(CLAIMS, Vec::new()).await;
        let rows = self.explain(rows)?;
        let claim = |row: &mysql_async::Row| ClaimRow {
            id: row::number(row, 0),
            alone: row::int(row, 1) != 0,
            members: row::bytes(row, 2).to_vec(),
        };
        Ok(rows.iter().map(claim).collect())
    }

    async fn beat(&mut self) -> Result<(), StoreError> {
        for statement in [open::BEAT, open::UNFETCHED] {
            let beaten = self.connection.execute(statement, Vec::new()).await;
            self.explain(beaten)?;
        }
        Ok(())
    }

    async fn end(mut self) -> Result<(), StoreError> {
        let unlocked = open::unlock(&mut self.connection).await;
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
