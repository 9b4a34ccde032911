//! The tables, drawn, and how an older schema becomes a newer one.
//!
//! ```text
//!  message   (lane, seq) ─ expires · named · accepted · id · event · history · bytes · payload
//!              every message that is in its lane; clustered, so that a lane is read as it lies
//!  expiry    (at, lane, seq)             of those whose sender said when
//!  later     seq ─ lane · due · …        every message that waits outside of its lane
//!    └─ (due, seq)
//!  lane      id ─ name · account · key · topic · ready · later · wait · until · turn
//!    │         every lane that has messages, and for a while those that ran empty
//!    ├─ (name)                           a hash of topic and key, which are too long for an index
//!    ├─ (turn)                           the number again, or null where no walk comes by
//!    ├─ (topic, wait)                    what a join releases
//!    └─ (wait, until)                    what the clock releases, or an endpoint, by its number
//!  account   name ─ key · backlog · held
//!  ids       id ─ fingerprint · lane · seq · key · topic · accepted · expires · fate · settled · history
//!  dead      seq ─ lane · key · topic · accepted · expires · id · event · reason · died · history · payload
//!  outbox    number ─ topic · payload · event · key · id · deliver_at · expires_at · written · error
//!              what others insert; the one table that is theirs to write to
//!  handed    number ─ node · ticket · parts · body      what nodes that stand by hand to the owner
//!  answer    (node, ticket) ─ answer · written           what they are told of it
//!  claim     id ─ alone · members
//!  state     one row: version · salt · epoch · numbers reserved · totals · exact · owner · seen · shared
//! ```
//!
//! Every table is called `roundsman_…`, so that they can lie beside others. Text is kept as bytes:
//! two texts are the same where their bytes are, whatever the server's language is. Why there is a
//! table for what waits outside of its lane, and why nothing is updated with each message, is as
//! with PostgreSQL; a table of expiries stands for the index on some rows that there is not.

use super::connect::Connection;
use super::error::Sql;
use super::row::int;
use mysql_async::Error;

/// The version that this code reads and writes.
pub(super) const VERSION: i64 = 4;

/// How each version came to be out of the one before it; the first out of nothing. A statement
/// that makes or changes a table is committed at once here, so that each can be done twice.
const STEPS: [&[&str]; VERSION as usize] = [&V1, &V2, &V3, &V4];

const V1: [&str; 9] = [
    "CREATE TABLE IF NOT EXISTS roundsman_lane (
        id BIGINT NOT NULL PRIMARY KEY, name BINARY(16) NOT NULL, account BINARY(16) NOT NULL,
        `key` VARBINARY(4096) NOT NULL,
        topic VARBINARY(1024) NOT NULL, ready BIGINT NOT NULL, later BIGINT NOT NULL,
        wait TINYINT NOT NULL, until BIGINT, turn BIGINT,
        UNIQUE KEY name (name), KEY turn (turn), KEY topic (topic, wait), KEY until (wait, until)
     ) ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS roundsman_message (
        lane BIGINT NOT NULL, seq BIGINT NOT NULL, expires BIGINT, named BOOLEAN NOT NULL,
        accepted BIGINT NOT NULL, id VARBINARY(768), event VARBINARY(1024) NOT NULL,
        history MEDIUMBLOB, bytes INT NOT NULL, payload LONGBLOB NOT NULL,
        PRIMARY KEY (lane, seq)
     ) ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS roundsman_expiry (
        at BIGINT NOT NULL, lane BIGINT NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (at, lane, seq)
     ) ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS roundsman_later (
        seq BIGINT NOT NULL PRIMARY KEY, lane BIGINT NOT NULL, due BIGINT NOT NULL, expires BIGINT,
        named BOOLEAN NOT NULL, accepted BIGINT NOT NULL, id VARBINARY(768),
        event VARBINARY(1024) NOT NULL, history MEDIUMBLOB, bytes INT NOT NULL,
        payload LONGBLOB NOT NULL, KEY due (due, seq)
     ) ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS roundsman_account (
        name BINARY(16) NOT NULL PRIMARY KEY, `key` VARBINARY(4096) NOT NULL,
        backlog BIGINT NOT NULL, held BIGINT NOT NULL
     ) ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS roundsman_ids (
        id VARBINARY(768) NOT NULL PRIMARY KEY, fingerprint BINARY(16), lane BIGINT NOT NULL,
        seq BIGINT NOT NULL, `key` VARBINARY(4096) NOT NULL, topic VARBINARY(1024) NOT NULL,
        accepted BIGINT NOT NULL, expires BIGINT, fate TINYINT NOT NULL, settled BIGINT,
        history MEDIUMBLOB
     ) ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS roundsman_dead (
        seq BIGINT NOT NULL PRIMARY KEY, lane BIGINT NOT NULL, `key` VARBINARY(4096) NOT NULL,
        topic VARBINARY(1024) NOT NULL, accepted BIGINT NOT NULL, expires BIGINT,
        id VARBINARY(768), event VARBINARY(1024) NOT NULL, reason VARBINARY(32) NOT NULL,
        died BIGINT NOT NULL, history MEDIUMBLOB, bytes INT NOT NULL, payload LONGBLOB NOT NULL
     ) ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS roundsman_claim (
        id BIGINT NOT NULL PRIMARY KEY, alone BOOLEAN NOT NULL, members LONGBLOB NOT NULL
     ) ENGINE=InnoDB",
    "INSERT IGNORE INTO roundsman_state VALUES (1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, '', 0)",
];

/// Text as it is written, since others write it. A moment goes by the zone of its session.
const V2: [&str; 1] = ["CREATE TABLE IF NOT EXISTS roundsman_outbox (
        number BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, topic TEXT NOT NULL,
        payload LONGTEXT NOT NULL, event TEXT, `key` TEXT, id TEXT,
        deliver_at TIMESTAMP(6) NULL DEFAULT NULL, expires_at TIMESTAMP(6) NULL DEFAULT NULL,
        written TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), error TEXT
     ) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"];

/// Whether the owner lets other nodes stand by.
const V3: [&str; 1] =
    ["ALTER TABLE roundsman_state ADD COLUMN shared BOOLEAN NOT NULL DEFAULT FALSE"];

/// What nodes that stand by take in.
const V4: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS roundsman_handed (
        number BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, node BIGINT NOT NULL,
        ticket BIGINT NOT NULL, parts BIGINT NOT NULL, body LONGBLOB NOT NULL
     ) ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS roundsman_answer (
        node BIGINT NOT NULL, ticket BIGINT NOT NULL, answer LONGBLOB NOT NULL,
        written TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), PRIMARY KEY (node, ticket)
     ) ENGINE=InnoDB",
];

/// Made first, by itself: its version says which steps are done.
const STATE: &str = "CREATE TABLE IF NOT EXISTS roundsman_state (
        one TINYINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL, salt BIGINT NOT NULL,
        epoch BIGINT NOT NULL, seq BIGINT NOT NULL, lanes BIGINT NOT NULL, backlog BIGINT NOT NULL,
        scheduled BIGINT NOT NULL, held BIGINT NOT NULL, dead BIGINT NOT NULL, ids BIGINT NOT NULL,
        exact BOOLEAN NOT NULL, owner VARBINARY(512) NOT NULL, seen DOUBLE NOT NULL
     ) ENGINE=InnoDB";

/// The version of the tables that are there; `None` where there are none.
pub(super) async fn version(connection: &mut Connection) -> Sql<Option<i64>> {
    const THERE: &str = "SELECT COUNT(*) FROM information_schema.tables
         WHERE table_schema = DATABASE() AND table_name = 'roundsman_state'";
    let there = connection.query(THERE, Vec::new()).await?;
    if there.first().is_none_or(|row| int(row, 0) == 0) {
        return Ok(None);
    }
    let rows = connection.query("SELECT version FROM roundsman_state", Vec::new()).await?;
    Ok(Some(rows.first().map_or(0, |row| int(row, 0))))
}

/// Brings tables of any older version, or none, to [`VERSION`]. Done while the lock is held.
pub(super) async fn migrate(connection: &mut Connection) -> Sql<()> {
    connection.run(STATE).await?;
    let from = version(connection).await?.unwrap_or(0);
    let done = usize::try_from(from).unwrap_or(STEPS.len()).min(STEPS.len());
    let statements: Vec<&'static str> = STEPS[done..].concat();
    for statement in statements {
        match connection.run(statement).await {
            // The column is there already: whoever added it ended before it said so.
            Err(Error::Server(server)) if server.code == 1060 => {}
            answer => answer?,
        }
    }
    connection.run(&format!("UPDATE roundsman_state SET version = {VERSION}")).await
}
