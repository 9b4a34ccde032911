//! Opening: the tables made or brought up to date, the lock taken, the counts made exact.
//!
//! The lock is one that the server keeps for a connection and lets go when that ends. An owner
//! says every other second that it is alive. One that has not for a while (its machine is gone, or
//! it stands still) is taken over from: the server is told to end its connection, which undoes what
//! it had not committed, and only then is the lock free. So whatever it sends later fails.

use super::connect::Connection;
use super::error::Sql;
use super::row::int;
use super::schema::{self, VERSION};
use crate::served::{OWNER, Opened, owner};
use roundsman_store::{Counts, IdSalt, StoreError};
use tokio::time::Instant;
use tokio_postgres::Row;

/// The first half of the number of every lock of ours: "RNDM".
const LOCK: &str =
    "SELECT pg_try_advisory_lock(1380861005, 'state'::regclass::oid::bigint::bit(32)::int)";
const UNLOCK: &str =
    "SELECT pg_advisory_unlock(1380861005, 'state'::regclass::oid::bigint::bit(32)::int)";
const HOLDER: &str =
    "SELECT state.owner, extract(epoch FROM clock_timestamp() - state.seen)::float8, lock.pid
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

/// Begins a new epoch, or says that the old one goes on. From here on counts are written late.
const BEGIN: &str =
    "UPDATE state SET epoch = $1, salt = $2, owner = $3, seen = clock_timestamp(), exact = false";
const STATE: &str =
    "SELECT salt, epoch, seq, lanes, backlog, scheduled, held, dead, ids, exact FROM state";
pub(super) const BEAT: &str = "UPDATE state SET seen = clock_timestamp()";

/// Takes the store over.
pub(super) async fn own(
    connection: &mut Connection,
    epoch: Option<u64>,
) -> Result<Opened, StoreError> {
    writable(connection).await?;
    let name = connection.name.clone();
    let explain = |error: tokio_postgres::Error| super::error::store_error(&name, &error);
    prepare(connection).await?;
    lock(connection).await?;
    let row = state(connection).await.map_err(explain)?;
    let last = row.get::<_, i64>(1).cast_unsigned();
    if epoch.is_some_and(|epoch| epoch != last) {
        return Err(StoreError::Locked(format!(
            "{name}, schema {}: another Roundsman has taken it over meanwhile",
            connection.schema
        )));
    }
    let opened = begin(connection, &row, epoch.unwrap_or(last + 1)).await.map_err(explain)?;
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

/// Makes the tables, or brings them up to date.
pub(super) async fn prepare(connection: &Connection) -> Result<(), StoreError> {
    let version = known_version(connection).await?;
    if version != Some(VERSION) {
        schema::migrate(connection).await.map_err(|error| connection.explain(&error))?;
    }
    Ok(())
}

/// The version of the schema, unless this code is too old for it.
pub(super) async fn known_version(connection: &Connection) -> Result<Option<i32>, StoreError> {
    let version = schema::version(connection).await.map_err(|error| connection.explain(&error))?;
    if version.is_some_and(|version| version > VERSION) {
        return Err(StoreError::Unusable(format!(
            "{}, schema {}, has version {}, made by a newer Roundsman; this one reads up to version \
             {VERSION}: run the newer one, or name another schema by `?schema=`",
            connection.name,
            connection.schema,
            version.unwrap_or_default()
        )));
    }
    Ok(version)
}

/// Takes the lock: at once if it is free, from an owner that is silent, or not at all.
async fn lock(connection: &mut Connection) -> Result<(), StoreError> {
    let begun = Instant::now();
    loop {
        let locked = try_lock(connection).await.map_err(|error| connection.explain(&error))?;
        let Some((owner, silent)) = locked else { return Ok(()) };
        if OWNER.is_in_vain(silent, begun.elapsed()) {
            return Err(StoreError::Locked(format!(
                "{}, schema {}: another Roundsman has it open ({owner}); stop that one, or name \
                 another schema by `?schema=`",
                connection.name, connection.schema
            )));
        }
        tokio::time::sleep(OWNER.look).await;
    }
}

/// `None` when the lock is ours; else who has it, and for how many seconds it was silent.
async fn try_lock(connection: &mut Connection) -> Sql<Option<(String, f64)>> {
    if connection.client.query_one(LOCK, &[]).await?.get(0) {
        return Ok(None);
    }
    let row = connection.client.query_one(HOLDER, &[]).await?;
    let (owner, silent, pid): (String, f64, Option<i32>) = (row.get(0), row.get(1), row.get(2));
    if let Some(pid) = pid.filter(|_| silent > OWNER.silent) {
        tracing::warn!(%owner, "the owner of the store has been silent for {silent:.0} s; taking over");
        connection.client.execute("SELECT pg_terminate_backend($1)", &[&pid]).await?;
    }
    Ok(Some((owner, silent)))
}

/// What is in `state`, after everything was counted anew if need be.
async fn state(connection: &Connection) -> Sql<Row> {
    let client = &connection.client;
    let row = client.query_one(STATE, &[]).await?;
    if row.get(9) {
        return Ok(row);
    }
    client.batch_execute(&format!("BEGIN; {RECOUNT} COMMIT;")).await?;
    client.query_one(STATE, &[]).await
}

async fn begin(connection: &Connection, row: &Row, epoch: u64) -> Sql<Opened> {
    let number = |column| row.get::<_, i64>(column).cast_unsigned();
    // 35 bits, as an id shows them; never 0, which stands for none.
    let salt = match number(0) {
        0 => rand::random_range(1..1_u64 << 35),
        salt => salt,
    };
    connection.client.execute(BEGIN, &[&int(epoch), &int(salt), &owner()]).await?;
    Ok(Opened {
        salt: IdSalt(salt),
        epoch,
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

/// Lets the lock go.
pub(super) async fn unlock(connection: &Connection) -> Sql<()> {
    connection.client.query(UNLOCK, &[]).await.map(drop)
}
