//! Opening: what kind of file it is, the settings of each connection, and what the first one does.
//!
//! The settings are asked for and then read back: SQLite answers a setting that it cannot make
//! with the old value, not with an error, and a promise must not rest on a wish.

use super::create;
use super::error::{Sql, store_error};
use super::row::number;
use super::schema::{self, APPLICATION, VERSION};
use roundsman_store::{IdSalt, StoreError};
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Before 3.51.3 two connections that write or checkpoint at once can corrupt a WAL file.
pub(super) const OLDEST_SQLITE: i32 = 3_051_003;

/// Pages of WAL after which a commit moves them into the database, come what may: long
/// before, the mover has done so.
const CHECKPOINT_PAGES: i32 = 8000;

/// Bytes of a page in new files. What is accepted and what is settled together lies together, and each
/// page that has changed costs a commit two calls to the system.
const PAGE: i64 = 8192;

/// What a WAL that one huge commit has grown is cut back to.
const WAL_BYTES: i64 = 64 << 20;

/// What the head of a database file says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// There is none yet, or it is empty.
    Nothing,
    /// A store of this version.
    Store(i32),
}

/// Reads the first hundred bytes: no connection, no lock, nothing created.
pub(super) fn read_head(path: &Path) -> Result<Head, StoreError> {
    let mut head = Vec::with_capacity(100);
    match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Head::Nothing),
        Err(error) => return Err(unavailable(path, &error)),
        Ok(file) => {
            file.take(100).read_to_end(&mut head).map_err(|error| unavailable(path, &error))?
        }
    };
    if head.is_empty() {
        return Ok(Head::Nothing);
    }
    let number = |at: usize| {
        let bytes = head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        i32::from_be_bytes(bytes.unwrap_or_default())
    };
    if !head.starts_with(b"SQLite format 3\0") || number(68) != APPLICATION {
        return Err(StoreError::Unusable(format!(
            "{} is not a Roundsman store; give `store` the path of another file",
            path.display()
        )));
    }
    if number(60) > VERSION {
        return Err(StoreError::Unusable(format!(
            "{} has schema version {}, made by a newer Roundsman; this one reads up to version \
             {VERSION}: run the newer one, or give `store` the path of another file",
            path.display(),
            number(60)
        )));
    }
    Ok(Head::Store(number(60)))
}

fn unavailable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}

/// The path with links and relative parts resolved, so that one file has one lock.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    if let Ok(resolved) = path.canonicalize() {
        return Ok(resolved);
    }
    let name = path
        .file_name()
        .ok_or_else(|| StoreError::Unusable(format!("{} does not name a file", path.display())))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().map_err(|error| {
        StoreError::Unavailable(format!(
            "the folder {} for the store cannot be used: {error}",
            folder.display()
        ))
    })?;
    Ok(folder.join(name))
}

/// The first connection of an opening: makes the file, or brings it up to date.
pub(super) fn prepare(path: &Path) -> Result<(), StoreError> {
    let version = rusqlite::version_number();
    if version < OLDEST_SQLITE {
        return Err(StoreError::Unusable(format!(
            "this program was built with SQLite {}, which can corrupt files in WAL mode; build \
             it with the bundled one, or with 3.51.3 or newer",
            rusqlite::version()
        )));
    }
    if read_head(path)? == Head::Nothing {
        return create::create(path);
    }
    let sql = |error: rusqlite::Error| store_error(path, &error);
    let mut connection = writing(path, OpenFlags::empty())?;
    schema::migrate(&mut connection).map_err(sql)?;
    // Into the file itself, where its head can be read.
    checkpoint(&connection, "TRUNCATE").map(drop).map_err(sql)
}

/// A connection that writes; without more flags, to a file that is there.
pub(super) fn writing(path: &Path, more: OpenFlags) -> Result<Connection, StoreError> {
    let sql = |error: rusqlite::Error| store_error(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = Connection::open_with_flags(path, flags).map_err(sql)?;
    set_up(&connection, 16 * 1024).map_err(sql)?;
    // Only a file that is made takes notice.
    connection.pragma_update(None, "page_size", PAGE).map_err(sql)?;
    let mode = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
        .map_err(sql)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(sql)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(sql)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES).map_err(sql)?;
    let synchronous = connection
        .pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0))
        .map_err(sql)?;
    if !mode.eq_ignore_ascii_case("wal") || synchronous != 2 {
        return Err(StoreError::Unusable(format!(
            "{}: SQLite would not use WAL with synchronous=FULL here (journal_mode is {mode}, \
             synchronous is {synchronous}); put the file on a local disk",
            path.display()
        )));
    }
    Ok(connection)
}

/// A connection that reads.
pub(super) fn reading(path: &Path) -> Result<Connection, StoreError> {
    let sql = |error: rusqlite::Error| store_error(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sql)?;
    set_up(&connection, 8 * 1024).map_err(sql)?;
    connection.pragma_update(None, "query_only", true).map_err(sql)?;
    Ok(connection)
}

/// What all connections have in common; `cache` in KiB.
fn set_up(connection: &Connection, cache: i64) -> Sql<()> {
    // Somebody may look into the file with another tool; that is no reason to fail at once.
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "cache_size", -cache)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    // A statement of many rows keeps a journal of its own while it runs: never in a file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // On macOS a plain sync leaves data in the cache of the disk; elsewhere these do nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)
}

/// What is in the WAL, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wal {
    /// All of them since it began.
    pub(super) written: i64,
    /// Those of them that are in the database too.
    pub(super) moved: i64,
}

/// Moves from the WAL into the database in one of SQLite's modes: `NOOP` only looks, `PASSIVE` moves
/// what nobody is in the way of, `TRUNCATE` waits, moves everything and empties it.
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> Sql<Wal> {
    connection
        .prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?
        .query_row((), |row| Ok(Wal { written: row.get(1)?, moved: row.get(2)? }))
}

/// What each opening writes first: its epoch, and the salt where there is none. Answers both.
pub(super) fn begin(connection: &Connection) -> Sql<(IdSalt, u64)> {
    // 35 bits, as an id shows them; never 0, which stands for none.
    let salt = rand::random_range(1..1_i64 << 35);
    connection.query_row(
        "UPDATE state SET epoch = epoch + 1, salt = iif(salt = 0, ?1, salt) RETURNING salt, epoch",
        [salt],
        |row| Ok((IdSalt(number(row, 0)?), number(row, 1)?)),
    )
}
