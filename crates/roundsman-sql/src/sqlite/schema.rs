//! The tables, drawn, and how an older file becomes a newer one.
//!
//! ```text
//!  message   seq ─ lane · due · expires · named · accepted · id · event · history · payload
//!    │         every message that is neither settled nor dead, in the order of acceptance
//!    ├─ message_due (due, seq)     where due is not null: scheduled, and retries that left their lane
//!    └─ message_expiry (expires)   where named: the sender said when
//!  road      lane · seq              those whose due is null, read by lane; written late
//!  departed  id ─ members            what the road still has although it is gone, a row a commit
//!  lane      id ─ key · topic · ready · later · wait · until · turn
//!    │         every lane that has messages, and for a while those that ran empty
//!    ├─ lane_name (topic, key)
//!    ├─ lane_turn (id)             where turn = 1: what a walk visits
//!    ├─ lane_absent (topic)        where wait = 1: what a join releases
//!    ├─ lane_until (until)         where wait = 2: what the clock releases
//!    └─ lane_parked (until)        where wait = 3: what an endpoint releases, by its number
//!  account   key ─ backlog · held
//!  ids       id ─ fingerprint · seq · key · topic · accepted · expires · fate · settled · history
//!              every sender's id that is remembered, and made ids of messages that were moved
//!  dead      seq ─ lane · key · topic · accepted · expires · id · event · reason · died · history · payload
//!              what a filter asks for lies before what may be long
//!  claim     id ─ alone · members        one row a claimed batch, inserted and deleted, never rewritten
//!  state     one row: salt, epoch, the last sequence and lane number, the totals, exact
//! ```
//!
//! **Why messages lie in the order of acceptance**, and not by lane: most are settled within
//! milliseconds, so that what costs is to put them in and to take them out. Appended, a hundred
//! messages for a hundred lanes change a dozen pages; clustered by lane they change a hundred. The
//! road holds only numbers, two hundred a page, and a read of a thousand messages of many lanes
//! pays with a look-up each, which it can afford. It would change as many pages itself, were it not
//! written late and by lane; see [`road`](super::road).
//!
//! **Why sequences are row ids**: they grow with acceptance across the store, so that one integer
//! is primary key, order, place in every index and half of a made id. They are never used again:
//! the last one is written with each commit.
//!
//! **What is written late**: how many messages a lane and a key have. A message that comes and goes
//! would change both rows twice; so they are written a few times a second, and `exact` says whether
//! they are as they should be. After a crash they are counted anew, from the road.
//!
//! **What is not written**: no claim, no lease, no state on a message. `turn` is cleared late, when
//! a lane is blocked or swept, since a lane that runs empty fills again in the next moment; a walk
//! looks whether there is a message as well. Default expiries have no index either; a slow sweep finds them.
//!
//! The version is in `user_version`, what kind of file it is in `application_id`, both in the first
//! hundred bytes of the file, so that looking needs no lock and creates nothing.

use super::error::Sql;
use rusqlite::Connection;

/// Marks the file as one of ours: "RNDM".
pub(super) const APPLICATION: i32 = 0x524e_444d;

/// The version that this code reads and writes.
pub(super) const VERSION: i32 = 3;

/// How each version came to be out of the one before it; the first out of nothing.
const STEPS: [&str; VERSION as usize] = [V1, V2, V3];

const V1: &str = "
CREATE TABLE state (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    salt      INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    lanes     INTEGER NOT NULL,
    backlog   INTEGER NOT NULL,
    scheduled INTEGER NOT NULL,
    held      INTEGER NOT NULL,
    dead      INTEGER NOT NULL,
    ids       INTEGER NOT NULL,
    exact     INTEGER NOT NULL
) STRICT;

CREATE TABLE lane (
    id    INTEGER PRIMARY KEY,
    key   TEXT NOT NULL,
    topic TEXT NOT NULL,
    ready INTEGER NOT NULL,
    later INTEGER NOT NULL,
    wait  INTEGER NOT NULL,
    until INTEGER,
    turn  INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX lane_name ON lane (topic, key);
CREATE INDEX lane_turn ON lane (id) WHERE turn = 1;
CREATE INDEX lane_absent ON lane (topic) WHERE wait = 1;
CREATE INDEX lane_until ON lane (until) WHERE wait = 2;

CREATE TABLE message (
    seq      INTEGER PRIMARY KEY,
    lane     INTEGER NOT NULL,
    due      INTEGER,
    expires  INTEGER,
    named    INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    id       TEXT,
    event    TEXT NOT NULL,
    history  BLOB,
    payload  BLOB NOT NULL
) STRICT;
CREATE INDEX message_lane ON message (lane) WHERE due IS NULL;
CREATE INDEX message_due ON message (due) WHERE due IS NOT NULL;
CREATE INDEX message_expiry ON message (expires) WHERE named = 1;

CREATE TABLE account (
    key     TEXT PRIMARY KEY,
    backlog INTEGER NOT NULL,
    held    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ids (
    id          TEXT PRIMARY KEY,
    fingerprint BLOB,
    seq         INTEGER NOT NULL,
    key         TEXT NOT NULL,
    topic       TEXT NOT NULL,
    accepted    INTEGER NOT NULL,
    expires     INTEGER,
    fate        INTEGER NOT NULL,
    settled     INTEGER,
    history     BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE dead (
    seq      INTEGER PRIMARY KEY,
    lane     INTEGER NOT NULL,
    key      TEXT NOT NULL,
    topic    TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    expires  INTEGER,
    id       TEXT,
    event    TEXT NOT NULL,
    history  BLOB,
    reason   TEXT NOT NULL,
    died     INTEGER NOT NULL,
    payload  BLOB NOT NULL
) STRICT;

CREATE TABLE claim (
    id      INTEGER PRIMARY KEY,
    alone   INTEGER NOT NULL,
    members BLOB NOT NULL
) STRICT;

INSERT INTO state VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
";

/// Endpoints are parked; dead letters are looked through.
const V2: &str = "
UPDATE lane SET wait = 0, until = NULL, turn = 1 WHERE wait = 3;
CREATE INDEX lane_parked ON lane (until) WHERE wait = 3;

CREATE TABLE dead_letter (
    seq      INTEGER PRIMARY KEY,
    lane     INTEGER NOT NULL,
    key      TEXT NOT NULL,
    topic    TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    expires  INTEGER,
    id       TEXT,
    event    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    died     INTEGER NOT NULL,
    history  BLOB,
    payload  BLOB NOT NULL
) STRICT;
INSERT INTO dead_letter
    SELECT seq, lane, key, topic, accepted, expires, id, event, reason, died, history, payload
    FROM dead;
DROP TABLE dead;
ALTER TABLE dead_letter RENAME TO dead;
";

/// The index by lane becomes a table, so that it can be written late.
const V3: &str = "
CREATE TABLE road (
    lane INTEGER NOT NULL,
    seq  INTEGER NOT NULL,
    PRIMARY KEY (lane, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO road
    SELECT lane, seq FROM message INDEXED BY message_lane WHERE due IS NULL ORDER BY lane, seq;
DROP INDEX message_lane;
CREATE TABLE departed (
    id      INTEGER PRIMARY KEY,
    members BLOB NOT NULL
) STRICT;
ALTER TABLE state ADD COLUMN paved INTEGER NOT NULL DEFAULT 0;
UPDATE state SET paved = seq;
";

/// Brings a file of any older version, or an empty one, to [`VERSION`] in one transaction.
pub(super) fn migrate(connection: &mut Connection) -> Sql<()> {
    // As the connection has it, not as the head of the file does: the log may know more.
    let from = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0))?;
    let done = usize::try_from(from).unwrap_or(STEPS.len());
    if done >= STEPS.len() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for step in &STEPS[done..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.commit()
}
