//! Opening: the tables made or brought up to date, the lock taken, the counts made exact.
//!
//! The lock is one that the server keeps for a connection and lets go when that ends. An owner
//! says every other second that it is alive. One that has not for a while (its machine is gone, or
//! it stands still) is taken over from: the server is told to end its connection, which undoes what
//! it had not committed, and only then is the lock free. So whatever it sends later fails.
//! When that is done is decided by [`Holder`].

use super::connect::Connection;
use super::error::Sql;
use super::row::int;
use super::schema::{self, VERSION};
use crate::served::{Holder, Opened, owner};
use roundsman_store::{Counts, IdSalt, StoreError};
use tokio_postgres::types::ToSql;

/// The first half of the number of every lock of ours: "RNDM".
const LOCK: &str =
    "SELECT pg_try_advisory_lock(1380861005, 'state'::regclass::oid::bigint::bit(32)::int)";
const UNLOCK: &str =
    "SELECT pg_advisory_unlock(1380861005, 'state'::regclass::oid::bigint::bit(32)::int)";
/// Of tables of any version: an older one lacks a column.
const HOLDER: &str =
    "SELECT state.owner, extract(epoch FROM clock_timestamp() - state.seen)::float8, lock.pid,
            coalesce((to_jsonb(state) ->> 'shared')::boolean, false), state.epoch, state.salt,
            state.version
     FROM state LEFT JOIN pg_locks lock ON lock.locktype = 'advisory' AND lock.granted
         AND lock.classid = 1380861005 AND lock.objid = 'state'::regclass::oid
         AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// From the messages to the lanes, from the lanes to the keys.
const RECOUNT: &str = "
UPDATE lane SET ready = c.ready, later = c.later,
                wait = CASE WHEN c.ready = 0 THEN 0 ELSE lane.wait END,
                until = CASE WHEN c.ready = 0 THEN NULL ELSE lane.until END
FROM (
    SELECT lane.id, coalesce(m.count, 0) AS ready, coalesce(l.count, 0) AS later
    FROM lane
    LEFT JOIN (SELECT lane, count(*) AS count FROM message GROUP BY lane) m ON m.lane = lane.id
    LEFT JOIN (SELECT lane, count(*) AS count FROM later GROUP BY lane) l ON l.lane = lane.id
) c
WHERE lane.id = c.id AND (lane.ready, lane.later) IS DISTINCT FROM (c.ready, c.later);
DELETE FROM account;
INSERT INTO account
    SELECT key, sum(ready + later), sum(CASE WHEN wait = 1 THEN ready ELSE 0 END) FROM lane
    GROUP BY key HAVING sum(ready + later) > 0;
UPDATE state SET
    backlog = (SELECT coalesce(sum(ready + later), 0) FROM lane),
    scheduled = (SELECT coalesce(sum(later), 0) FROM lane),
    held = (SELECT coalesce(sum(ready), 0) FROM lane WHERE wait = 1),
    dead = (SELECT count(*) FROM dead),
    ids = (SELECT count(*) FROM ids WHERE fingerprint IS NOT NULL),
    exact = true;
";

/// Says whose it is from here on, before anything is counted.
const MARK: &str = "UPDATE state
     SET epoch = $1, salt = $2, owner = $3, shared = $4, seen = clock_timestamp()";
/// From here on counts are written late.
const LATE: &str = "UPDATE state SET exact = false, seen = clock_timestamp()";
const LEFT: &str = "UPDATE state SET owner = ''";
const STATE: &str =
    "SELECT salt, epoch, seq, lanes, backlog, scheduled, held, dead, ids, exact FROM state";
pub(super) const BEAT: &str = "UPDATE state SET seen = clock_timestamp()";
/// Of nodes that are gone.
pub(super) const UNFETCHED: &str =
    "DELETE FROM answer WHERE written < clock_timestamp() - interval '1 minute'";

/// Sees to it that there are tables to look at, of whatever version.
pub(super) async fn stand(connection: &Connection) -> Result<(), StoreError> {
    writable(connection).await?;
    if known_version(connection).await?.is_none() {
        schema::migrate(connection).await.map_err(|error| connection.explain(&error))?;
    }
    Ok(())
}

/// Who has the lock, or had it last.
pub(super) async fn look(connection: &Connection) -> Result<Holder, StoreError> {
    let row = connection.client.query_one(HOLDER, &[]).await;
    let row = row.map_err(|error| connection.explain(&error))?;
    refuse_newer(connection, row.get(6))?;
    let number = |column| row.get::<_, i64>(column).cast_unsigned();
    Ok(Holder {
        owner: row.get(0),
        silent: row.get(1),
        lock: row.get::<_, Option<i32>>(2).map(|pid| u64::from(pid.cast_unsigned())),
        shares: row.get(3),
        epoch: number(4),
        salt: number(5),
    })
}

/// Takes the lock, if it is free.
pub(super) async fn lock(connection: &Connection) -> Result<bool, StoreError> {
    let row = connection.client.query_one(LOCK, &[]).await;
    Ok(row.map_err(|error| connection.explain(&error))?.get(0))
}

/// Ends the connection that has the lock.
pub(super) async fn evict(connection: &Connection, lock: u64) -> Result<(), StoreError> {
    let pid = i32::try_from(lock).unwrap_or(0);
    let ended = connection.client.execute("SELECT pg_terminate_backend($1)", &[&pid]).await;
    ended.map(drop).map_err(|error| connection.explain(&error))
}

/// Takes the store over.
pub(super) async fn begin(
    connection: &Connection,
    epoch: Option<u64>,
    shares: bool,
) -> Result<Opened, StoreError> {
    let explain = |error: tokio_postgres::Error| connection.explain(&error);
    if known_version(connection).await? != Some(VERSION) {
        schema::migrate(connection).await.map_err(explain)?;
    }
    let row = connection.client.query_one(STATE, &[]).await.map_err(explain)?;
    let last = row.get::<_, i64>(1).cast_unsigned();
    if epoch.is_some_and(|epoch| epoch != last) {
        return Err(StoreError::Locked(format!(
            "{}, schema {}: another Roundsman has taken it over meanwhile",
            connection.name, connection.schema
        )));
    }
    // 35 bits, as an id shows them; never 0, which stands for none.
    let salt = match row.get::<_, i64>(0) {
        0 => rand::random_range(1..1_i64 << 35),
        salt => salt,
    };
    let epoch = int(epoch.unwrap_or(last + 1));
    let marks: [&(dyn ToSql + Sync); 4] = [&epoch, &salt, &owner(), &shares];
    connection.client.execute(MARK, &marks).await.map_err(explain)?;
    let opened = count(connection, row.get(9)).await.map_err(explain)?;
    connection.fix_plans().await.map_err(explain)?;
    Ok(opened)
}

async fn writable(connection: &Connection) -> Result<(), StoreError> {
    let asked = "SELECT pg_is_in_recovery(), current_setting('server_version_num')::int";
    let row = connection.client.query_one(asked, &[]).await;
    let row = row.map_err(|error| connection.explain(&error))?;
    if row.get(0) {
        return Err(StoreError::Unavailable(format!(
            "{} is a read-only replica; point `store` at the primary",
            connection.name
        )));
    }
    if row.get::<_, i32>(1) < 130_000 {
        return Err(StoreError::Unusable(format!(
            "{} is older than PostgreSQL 13",
            connection.name
        )));
    }
    Ok(())
}

/// The version of the schema, unless this code is too old for it.
pub(super) async fn known_version(connection: &Connection) -> Result<Option<i32>, StoreError> {
    let version = schema::version(connection).await.map_err(|error| connection.explain(&error))?;
    refuse_newer(connection, version.unwrap_or(0))?;
    Ok(version)
}

fn refuse_newer(connection: &Connection, version: i32) -> Result<(), StoreError> {
    if version <= VERSION {
        return Ok(());
    }
    Err(StoreError::Unusable(format!(
        "{}, schema {}, has version {version}, made by a newer Roundsman; this one reads up to version \
         {VERSION}: run the newer one, or name another schema by `?schema=`",
        connection.name, connection.schema
    )))
}

/// What is in `state`, after everything was counted anew if need be.
async fn count(connection: &Connection, is_exact: bool) -> Sql<Opened> {
    let client = &connection.client;
    if !is_exact {
        client.batch_execute(&format!("BEGIN; {RECOUNT} COMMIT;")).await?;
    }
    let row = client.query_one(STATE, &[]).await?;
    client.execute(LATE, &[]).await?;
    let number = |column| row.get::<_, i64>(column).cast_unsigned();
    Ok(Opened {
        salt: IdSalt(number(0)),
        epoch: number(1),
        seq: number(2),
        lanes: number(3),
        counts: Counts {
            backlog: number(4),
            scheduled: number(5),
            held: number(6),
            dead: number(7),
            ids: number(8),
        },
    })
}

/// Says that the owner leaves, and lets the lock go.
pub(super) async fn unlock(connection: &Connection) -> Sql<()> {
    connection.client.query(LEFT, &[]).await?;
    connection.client.query(UNLOCK, &[]).await.map(drop)
}
