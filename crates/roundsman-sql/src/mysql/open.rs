//! Opening: the lock taken, the tables made or brought up to date, the counts made exact.
//!
//! The lock is one that the server keeps for a connection and lets go when that ends. An owner says
//! every other second that it is alive; one that has not for a while is taken over from: its
//! connection is killed, which undoes what it had not committed, and only then is the lock free.

use super::connect::Connection;
use super::error::Sql;
use super::row::{int, number, signed, text};
use super::schema::{self, VERSION};
use crate::served::{OWNER, Opened, owner};
use mysql_async::{Error, Row, Value};
use roundsman_store::{Counts, Fingerprint, IdSalt, StoreError};
use tokio::time::Instant;

const STATE: &str = "SELECT salt, epoch, seq, lanes, backlog, scheduled, held, dead, ids, exact
     FROM roundsman_state";
const BEGIN: &str = "UPDATE roundsman_state
     SET epoch = ?, salt = ?, owner = ?, seen = UNIX_TIMESTAMP(NOW(6)), exact = 0";
pub(super) const BEAT: &str = "UPDATE roundsman_state SET seen = UNIX_TIMESTAMP(NOW(6))";
const SILENT: &str =
    "SELECT owner, CAST((UNIX_TIMESTAMP(NOW(6)) - seen) * 1000 AS SIGNED) FROM roundsman_state";

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

/// Takes the store over.
pub(super) async fn own(
    connection: &mut Connection,
    epoch: Option<u64>,
) -> Result<Opened, StoreError> {
    writable(connection).await?;
    enter(connection, true).await?;
    known_version(connection).await?;
    lock(connection).await?;
    if known_version(connection).await? != Some(VERSION) {
        let migrated = schema::migrate(connection).await;
        migrated.map_err(|error| connection.explain(&error))?;
    }
    let state = state(connection).await;
    let state = state.map_err(|error| connection.explain(&error))?;
    let last = number(&state, 1);
    if epoch.is_some_and(|epoch| epoch != last) {
        return Err(StoreError::Locked(format!(
            "{}: another Roundsman has taken it over meanwhile",
            connection.name
        )));
    }
    let opened = begin(connection, &state, epoch.unwrap_or(last + 1)).await;
    opened.map_err(|error| connection.explain(&error))
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
    if version.is_some_and(|version| version > VERSION) {
        return Err(StoreError::Unusable(format!(
            "{} has version {}, made by a newer Roundsman; this one reads up to version {VERSION}: \
             run the newer one, or name another database by `?schema=`",
            connection.name,
            version.unwrap_or_default()
        )));
    }
    Ok(version)
}

/// Takes the lock: at once if it is free, from an owner that is silent, or not at all.
async fn lock(connection: &mut Connection) -> Result<(), StoreError> {
    let begun = Instant::now();
    loop {
        let locked = try_lock(connection).await;
        let held = locked.map_err(|error| connection.explain(&error))?;
        let Some((owner, silent)) = held else { return Ok(()) };
        if OWNER.is_in_vain(silent, begun.elapsed()) {
            return Err(StoreError::Locked(format!(
                "{}: another Roundsman has it open ({owner}); stop that one, or name another \
                 database by `?schema=`",
                connection.name
            )));
        }
        tokio::time::sleep(OWNER.look).await;
    }
}

/// `None` when the lock is ours; else who has it, and for how many seconds it was silent.
async fn try_lock(connection: &mut Connection) -> Sql<Option<(String, f64)>> {
    let name = lock_name(&connection.database);
    let rows = connection.query("SELECT GET_LOCK(?, 0)", vec![name.clone()]).await?;
    if rows.first().is_some_and(|row| int(row, 0) == 1) {
        return Ok(None);
    }
    let rows = connection.query("SELECT IS_USED_LOCK(?)", vec![name]).await?;
    let holder = rows.first().map_or(0, |row| number(row, 0));
    // The very first owner may not have made the tables yet.
    let Ok(rows) = connection.query(SILENT, Vec::new()).await else {
        return Ok(Some((String::new(), 0.0)));
    };
    let Some(row) = rows.first() else { return Ok(Some((String::new(), 0.0))) };
    let (owner, silent) = (text(row, 0).to_string(), int(row, 1) as f64 / 1000.0);
    if holder != 0 && silent > OWNER.silent {
        tracing::warn!(%owner, "the owner of the store has been silent for {silent:.0} s; taking over");
        // It may be gone by itself.
        let _ = connection.run(&format!("KILL CONNECTION {holder}")).await;
    }
    Ok(Some((owner, silent)))
}

fn lock_name(database: &str) -> Value {
    let print = Fingerprint::of(&[database.as_bytes()]).0;
    let digits: String = print.iter().map(|byte| format!("{byte:02x}")).collect();
    Value::from(format!("roundsman:{digits}"))
}

/// What is in `state`, after everything was counted anew if need be.
async fn state(connection: &mut Connection) -> Sql<Row> {
    let row = one(connection).await?;
    if int(&row, 9) != 0 {
        return Ok(row);
    }
    connection.run("START TRANSACTION").await?;
    for statement in RECOUNT {
        connection.run(statement).await?;
    }
    connection.run("COMMIT").await?;
    one(connection).await
}

async fn one(connection: &mut Connection) -> Sql<Row> {
    let mut rows = connection.query(STATE, Vec::new()).await?;
    rows.pop().ok_or_else(|| Error::Other("the row of roundsman_state is missing".into()))
}

async fn begin(connection: &mut Connection, row: &Row, epoch: u64) -> Sql<Opened> {
    // 35 bits, as an id shows them; never 0, which stands for none.
    let salt = match number(row, 0) {
        0 => rand::random_range(1..1_u64 << 35),
        salt => salt,
    };
    let values = vec![signed(epoch).into(), signed(salt).into(), owner().into_bytes().into()];
    connection.execute(BEGIN, values).await?;
    Ok(Opened {
        salt: IdSalt(salt),
        epoch,
        seq: number(row, 2),
        lanes: number(row, 3),
        counts: Counts {
            backlog: number(row, 4),
            scheduled: number(row, 5),
            held: number(row, 6),
            dead: number(row, 7),
            ids: number(row, 8),
        },
    })
}

/// Lets the lock go.
pub(super) async fn unlock(connection: &mut Connection) -> Sql<()> {
    let name = lock_name(&connection.database);
    connection.query("SELECT RELEASE_LOCK(?)", vec![name]).await.map(drop)
}
