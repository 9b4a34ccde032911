//! The ledger: the connection that writes, with everything derived from the file that it relies on.
//!
//! It is opened from the file alone and thrown away as a whole after any failure, so that nothing
//! in memory can say what the file does not.

use super::books::Books;
use super::error::{Sql, store_error};
use super::expire::Sweeps;
use super::message::Kept;
use super::reserve::Reserve;
use super::road::Pace;
use super::young::Young;
use super::{open, recover};
use crate::cache::Cache;
use crate::claims::Claims;
use roundsman_store::{Clock, Fresh, IdSalt, StoreError};
use rusqlite::{Connection, OpenFlags};
use rustc_hash::FxBuildHasher;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the file is and what does not change while it is open.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) salt: IdSalt,
    pub(super) reserve: Arc<Reserve>,
    pub(super) young: Arc<Young>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Messages accepted lately that nothing was done with since, by sequence. Whoever finds one here
/// takes it out, since it is found to be changed.
pub(super) type Recent = Cache<u64, Kept, FxBuildHasher>;

/// About 100 bytes each; far more than are ever in flight.
const RECENT: usize = 16 * 1024;

/// What the calls of a group are performed on.
pub(super) struct Ledger {
    pub(super) connection: Connection,
    pub(super) place: Place,
    pub(super) books: Books,
    pub(super) claims: Claims,
    pub(super) sweeps: Sweeps,
    pub(super) recent: Recent,
    /// What this group accepted into lanes that are not blocked.
    pub(super) fresh: Vec<Fresh>,
}

impl Ledger {
    /// Opens it anew after a failure; `claims` goes on numbering where the last one was.
    pub(super) fn reopen(place: &Place, last_claim: u64) -> Result<Self, StoreError> {
        let sql = |error: rusqlite::Error| store_error(&place.path, &error);
        let connection = open::writing(&place.path, OpenFlags::empty())?;
        Self::on(connection, place.clone(), last_claim).map_err(sql)
    }

    /// A ledger on this connection.
    pub(super) fn on(connection: Connection, place: Place, last_claim: u64) -> Sql<Self> {
        let books = Books::open(&connection, place.young.clone())?;
        let claims = Claims::open(last_claim, recover::open_members(&connection)?);
        Ok(Self {
            connection,
            place,
            books,
            claims,
            sweeps: Sweeps::default(),
            recent: Recent::new(RECENT),
            fresh: Vec::new(),
        })
    }

    /// Begins the transaction of a group.
    pub(super) fn begin(&mut self) -> Sql<()> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute(()).map(drop)
    }

    /// Brings the file up to date with what may come late.
    pub(super) fn catch_up(&mut self) -> Sql<()> {
        // What is being paved, and what came and went since that began.
        for _ in 0..2 {
            self.begin()?;
            self.books.flush(&self.connection)?;
            self.books.pave(&self.connection, Pace::Whole)?;
            self.commit()?;
        }
        Ok(())
    }

    /// Ends it: on return it is on the disk, and what it accepted may be announced.
    pub(super) fn commit(&mut self) -> Sql<Vec<Fresh>> {
        self.books.flush_turns(&self.connection)?;
        self.books.forget_idle(&self.connection, self.place.clock.now())?;
        self.books.pave(&self.connection, Pace::Steady)?;
        self.connection.prepare_cached("COMMIT")?.execute(())?;
        self.books.turn();
        self.recent.turn();
        Ok(std::mem::take(&mut self.fresh))
    }
}
