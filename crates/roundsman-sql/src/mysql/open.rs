//! Opening: the lock taken, the tables made or brought up to date, the counts made exact.
//!
//! The lock is one that the server keeps for a connection and lets go when that ends. An owner says
//! every other second that it is alive; one that has not for a while is taken over from: its
//! connection is killed, which undoes what it had not committed, and only then is the lock free. When
//! that is done is decided by [`Holder`].

use super::connect::Connection;
use super::error::Sql;
use super::row::{int, int_or_none, number, signed, text};
use super::schema::{self, VERSION};
use crate::served::{Holder, Opened, owner};
use mysql_async::{Error, Row, Value};
use roundsman_store::{Counts, Fingerprint, IdSalt, StoreError};

const STATE: &str = "SELECT salt, epoch, seq, lanes, backlog, scheduled, held, dead, ids, exact
     FROM roundsman_state";
/// Says whose it is from here on, before anything is counted.
const MARK: &str = "UPDATE roundsman_state
     SET epoch = ?, salt = ?, owner = ?, shared = ?, seen = UNIX_TIMESTAMP(NOW(6))";
/// From here on counts are written late.
const LATE: &str = "UPDATE roundsman_state SET exact = 0, seen = UNIX_TIMESTAMP(NOW(6))";
const LEFT: &str = "UPDATE roundsman_state SET owner = ''";
pub(super) const BEAT: &str = "UPDATE roundsman_state SET seen = UNIX_TIMESTAMP(NOW(6))";
/// Of nodes that are gone.
pub(super) const UNFETCHED: &str =
    "DELETE FROM roundsman_answer WHERE written < CURRENT_TIMESTAMP(6) - INTERVAL 1 MINUTE";
/// Of tables of any version: an older one lacks a column.
const HOLDER: &str =
    "SELECT CAST((UNIX_TIMESTAMP(NOW(6)) - seen) * 1000 AS SIGNED), owner, epoch, salt,
            version, roundsman_state.* FROM roundsman_state";

/// From the messages to the lanes, from the lanes to the keys.
const RECOUNT: [&str; 4] = [
    "UPDATE roundsman_lane l
     LEFT JOIN (SELECT lane, COUNT(*) AS c FROM roundsman_message GROUP BY lane) m ON m.lane = l.id
     LEFT JOIN (SELECT lane, COUNT(*) AS c FROM roundsman_later GROUP BY lane) t ON t.lane = l.id
     SET l.ready = COALESCE(m.c, 0), l.later = COALESCE(t.c, 0),
         l.wait = IF(m.c IS NULL, 0, l.wait), l.until = IF(m.c IS NULL, NULL, l.until)",
    "DELETE FROM roundsman_account",
    "INSERT INTO roundsman_account
     SELECT account, MIN(`key`), SUM(ready + later), SUM(IF(wait = 1, ready, 0)) FROM roundsman_lane
     GROUP BY account HAVING SUM(ready + later) > 0",
    "UPDATE roundsman_state SET
         backlog = (SELECT COALESCE(SUM(ready + later), 0) FROM roundsman_lane),
         scheduled = (SELECT COALESCE(SUM(later), 0) FROM roundsman_lane),
         held = (SELECT COALESCE(SUM(ready), 0) FROM roundsman_lane WHERE wait = 1),
         dead = (SELECT COUNT(*) FROM roundsman_dead),
         ids = (SELECT COUNT(*) FROM roundsman_ids WHERE fingerprint IS NOT NULL),
         exact = 1",
];

/// Goes to where the tables are, or will be.
pub(super) async fn stand(connection: &mut Connection) -> Result<(), StoreError> {
    writable(connection).await?;
    enter(connection, true).await.map(drop)
}

/// Who has the lock, or had it last.
pub(super) async fn look(connection: &mut Connection) -> Result<Holder, StoreError> {
    let name = lock_name(&connection.database);
    let rows = connection.query("SELECT IS_USED_LOCK(?)", vec![name]).await;
    let rows = rows.map_err(|error| connection.explain(&error))?;
    let lock = rows.first().and_then(|row| int_or_none(row, 0)).map(i64::cast_unsigned);
    let nobody = Holder { lock, ..Holder::default() };
    let rows = match connection.query(HOLDER, Vec::new()).await {
        Ok(rows) => rows,
        // The very first owner has not made the tables yet.
        Err(Error::Server(server)) if server.code == 1146 => return Ok(nobody),
        Err(error) => return Err(connection.explain(&error)),
    };
    let Some(row) = rows.first() else { return Ok(nobody) };
    refuse_newer(connection, int(row, 4))?;
    let shared = row.columns_ref().iter().position(|column| column.name_ref() == b"shared");
    Ok(Holder {
        owner: text(row, 1).to_string(),
        silent: int(row, 0) as f64 / 1000.0,
        lock,
        shares: shared.is_some_and(|column| int(row, column) != 0),
        epoch: number(row, 2),
        salt: number(row, 3),
    })
}

/// Takes the lock, if it is free.
pub(super) async fn lock(connection: &mut Connection) -> Result<bool, StoreError> {
    let name = lock_name(&connection.database);
    let rows = connection.query("SELECT GET_LOCK(?, 0)", vec![name]).await;
    let rows = rows.map_err(|error| connection.explain(&error))?;
    Ok(rows.first().is_some_and(|row| int(row, 0) == 1))
}

/// Ends the connection that has the lock.
pub(super) async fn evict(connection: &mut Connection, lock: u64) -> Result<(), StoreError> {
    match connection.run(&format!("KILL CONNECTION {lock}")).await {
        // It is gone by itself.
        Err(Error::Server(server)) if server.code == 1094 => Ok(()),
        ended => ended.map_err(|error| connection.explain(&error)),
    }
}

/// Takes the store over.
pub(super) async fn begin(
    connection: &mut Connection,
    epoch: Option<u64>,
    shares: bool,
) -> Result<Opened, StoreError> {
    if known_version(connection).await? != Some(VERSION) {
        let migrated = schema::migrate(connection).await;
        migrated.map_err(|error| connection.explain(&error))?;
    }
    let state = one(connection).await;
    let state = state.map_err(|error| connection.explain(&error))?;
    let last = number(&state, 1);
    if epoch.is_some_and(|epoch| epoch != last) {
        return Err(StoreError::Locked(format!(
            "{}: another Roundsman has taken it over meanwhile",
            connection.name
        )));
    }
    let epoch = epoch.unwrap_or(last + 1);
    let opened = mark_and_count(connection, &state, epoch, shares).await;
    opened.map_err(|error| connection.explain(&error))
}

async fn mark_and_count(
    connection: &mut Connection,
    state: &Row,
    epoch: u64,
    shares: bool,
) -> Sql<Opened> {
    // 35 bits, as an id shows them; never 0, which stands for none.
    let salt = match number(state, 0) {
        0 => rand::random_range(1..1_u64 << 35),
        salt => salt,
    };
    let owner = owner().into_bytes();
    let marks = vec![signed(epoch).into(), signed(salt).into(), owner.into(), shares.into()];
    connection.execute(MARK, marks).await?;
    let row = count(connection, int(state, 9) != 0).await?;
    connection.run(LATE).await?;
    Ok(Opened {
        salt: IdSalt(salt),
        epoch,
        seq: number(&row, 2),
        lanes: number(&row, 3),
        counts: Counts {
            backlog: number(&row, 4),
            scheduled: number(&row, 5),
            held: number(&row, 6),
            dead: number(&row, 7),
            ids: number(&row, 8),
        },
    })
}

async fn writable(connection: &mut Connection) -> Result<(), StoreError> {
    let rows = connection.query("SELECT @@global.read_only, VERSION()", Vec::new()).await;
    let rows = rows.map_err(|error| connection.explain(&error))?;
    let Some(row) = rows.first() else { return Ok(()) };
    if int(row, 0) != 0 {
        return Err(StoreError::Unavailable(format!(
            "{} is read-only; point `store` at the primary",
            connection.name
        )));
    }
    let version = text(row, 1);
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let version_number = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let oldest = if version.contains("MariaDB") { (10, 6) } else { (8, 0) };
    if version_number < oldest {
        return Err(StoreError::Unusable(format!(
            "{} is {version}, which is older than MySQL 8.0 or MariaDB 10.6",
            connection.name
        )));
    }
    Ok(())
}

/// Goes into the database, and makes it first where that is asked for. Answers whether it is there.
pub(super) async fn enter(connection: &mut Connection, make: bool) -> Result<bool, StoreError> {
    let there = format!("USE `{}`", connection.database);
    match connection.run(&there).await {
        Ok(()) => return Ok(true),
        Err(Error::Server(server)) if server.code == 1049 => {}
        Err(error) => return Err(connection.explain(&error)),
    }
    if !make {
        return Ok(false);
    }
    let make = format!("CREATE DATABASE IF NOT EXISTS `{}`", connection.database);
    connection.run(&make).await.map_err(|error| connection.explain(&error))?;
    connection.run(&there).await.map_err(|error| connection.explain(&error))?;
    Ok(true)
}

/// The version of the tables, unless this code is too old for them.
pub(super) async fn known_version(connection: &mut Connection) -> Result<Option<i64>, StoreError> {
    let version = schema::version(connection).await;
    let version = version.map_err(|error| connection.explain(&error))?;
    refuse_newer(connection, version.unwrap_or(0))?;
    Ok(version)
}

fn refuse_newer(connection: &Connection, version: i64) -> Result<(), StoreError> {
    if version <= VERSION {
        return Ok(());
    }
    Err(StoreError::Unusable(format!(
        "{} has version {version}, made by a newer Roundsman; this one reads up to version {VERSION}: \
         run the newer one, or name another database by `?schema=`",
        connection.name
    )))
}

fn lock_name(database: &str) -> Value {
    let print = Fingerprint::of(&[database.as_bytes()]).0;
    let digits: String = print.iter().map(|byte| format!("{byte:02x}")).collect();
    Value::from(format!("roundsman:{digits}"))
}

/// What is in `state`, after everything was counted anew if need be.
async fn count(connection: &mut Connection, is_exact: bool) -> Sql<Row> {
    if !is_exact {
        connection.run("START TRANSACTION").await?;
        for statement in RECOUNT {
            connection.run(statement).await?;
        }
        connection.run("COMMIT").await?;
    }
    one(connection).await
}

async fn one(connection: &mut Connection) -> Sql<Row> {
    let mut rows = connection.query(STATE, Vec::new()).await?;
    rows.pop().ok_or_else(|| Error::Other("the row of roundsman_state is missing".into()))
}

/// Says that the owner leaves, and lets the lock go.
pub(super) async fn unlock(connection: &mut Connection) -> Sql<()> {
    connection.run(LEFT).await?;
    let name = lock_name(&connection.database);
    connection.query("SELECT RELEASE_LOCK(?)", vec![name]).await.map(drop)
}
