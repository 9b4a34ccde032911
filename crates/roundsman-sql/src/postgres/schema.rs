//! The tables, drawn, and how an older schema becomes a newer one.
//!
//! ```text
//!  message   (lane, seq) ─ expires · named · accepted · id · event · history · payload
//!    │         every message that is in its lane
//!    └─ message_expiry (expires)   where named: the sender said when
//!  later     seq ─ lane · due · expires · named · accepted · id · event · history · payload
//!    │         every message that waits outside of its lane: scheduled, and retries that left it
//!    └─ later_due (due, seq)
//!  lane      id ─ key · topic · ready · later · wait · until · turn
//!    │         every lane that has messages, and for a while those that ran empty
//!    ├─ lane_name (topic, key)
//!    ├─ lane_turn (id)             where turn: what a walk visits
//!    ├─ lane_absent (topic)        where wait = 1: what a join releases
//!    ├─ lane_until (until)         where wait = 2: what the clock releases
//!    └─ lane_parked (until)        where wait = 3: what an endpoint releases, by its number
//!  account   key ─ backlog · held
//!  ids       id ─ fingerprint · lane · seq · key · topic · accepted · expires · fate · settled · history
//!              every sender's id that is remembered, and made ids of messages that were moved
//!  dead      seq ─ lane · key · topic · accepted · expires · id · event · reason · died · history · payload
//!  outbox    number ─ topic · payload · event · key · id · deliver_at · expires_at · written · error
//!              what others insert; the one table that is theirs to write to
//!  handed    number ─ node · ticket · parts · body      what nodes that stand by hand to the owner
//!  answer    (node, ticket) ─ answer · written           what they are told of it
//!  claim     id ─ alone · members        one row a claimed batch, inserted and deleted, never rewritten
//!  state     one row: version · salt · epoch · numbers reserved · totals · exact · owner · seen · shared
//! ```
//!
//! **Why one index on messages**: a message is put in and taken out once, and each index is paid
//! for twice. What lies outside of its lane is in a table of its own, so that neither needs an
//! index for the other.
//!
//! **Why nothing is updated with each message**: a row that is updated leaves a dead one behind, and
//! while somebody holds a transaction open none of them is cleaned up; see [`served`](crate::served).
//!
//! Text is compared byte by byte, whatever the database's language is. The version is in `state`.

use super::connect::Connection;
use super::error::Sql;

/// The version that this code reads and writes.
pub(super) const VERSION: i32 = 5;

/// How each version came to be out of the one before it; the first out of nothing.
const STEPS: [&str; VERSION as usize] = [V1, V2, V3, V4, V5];

const V1: &str = r#"
CREATE TABLE state (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    version   integer NOT NULL,
    salt      bigint NOT NULL,
    epoch     bigint NOT NULL,
    seq       bigint NOT NULL,
    lanes     bigint NOT NULL,
    backlog   bigint NOT NULL,
    scheduled bigint NOT NULL,
    held      bigint NOT NULL,
    dead      bigint NOT NULL,
    ids       bigint NOT NULL,
    exact     boolean NOT NULL,
    owner     text NOT NULL,
    seen      timestamptz NOT NULL
);

CREATE TABLE lane (
    id    bigint PRIMARY KEY,
    key   text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    ready bigint NOT NULL,
    later bigint NOT NULL,
    wait  smallint NOT NULL,
    until bigint,
    turn  boolean NOT NULL
);
CREATE UNIQUE INDEX lane_name ON lane (topic, key);
CREATE INDEX lane_turn ON lane (id) WHERE turn;
CREATE INDEX lane_absent ON lane (topic) WHERE wait = 1;
CREATE INDEX lane_until ON lane (until) WHERE wait = 2;
CREATE INDEX lane_parked ON lane (until) WHERE wait = 3;

CREATE TABLE message (
    lane     bigint NOT NULL,
    seq      bigint NOT NULL,
    expires  bigint,
    named    boolean NOT NULL,
    accepted bigint NOT NULL,
    id       text COLLATE "C",
    event    text COLLATE "C" NOT NULL,
    history  bytea,
    payload  bytea NOT NULL,
    PRIMARY KEY (lane, seq)
);
CREATE INDEX message_expiry ON message (expires) WHERE named;

CREATE TABLE later (
    seq      bigint PRIMARY KEY,
    lane     bigint NOT NULL,
    due      bigint NOT NULL,
    expires  bigint,
    named    boolean NOT NULL,
    accepted bigint NOT NULL,
    id       text COLLATE "C",
    event    text COLLATE "C" NOT NULL,
    history  bytea,
    payload  bytea NOT NULL
);
CREATE INDEX later_due ON later (due, seq);

CREATE TABLE account (
    key     text COLLATE "C" PRIMARY KEY,
    backlog bigint NOT NULL,
    held    bigint NOT NULL
);

CREATE TABLE ids (
    id          text COLLATE "C" PRIMARY KEY,
    fingerprint bytea,
    lane        bigint NOT NULL,
    seq         bigint NOT NULL,
    key         text COLLATE "C" NOT NULL,
    topic       text COLLATE "C" NOT NULL,
    accepted    bigint NOT NULL,
    expires     bigint,
    fate        smallint NOT NULL,
    settled     bigint,
    history     bytea
);

CREATE TABLE dead (
    seq      bigint PRIMARY KEY,
    lane     bigint NOT NULL,
    key      text COLLATE "C" NOT NULL,
    topic    text COLLATE "C" NOT NULL,
    accepted bigint NOT NULL,
    expires  bigint,
    id       text COLLATE "C",
    event    text COLLATE "C" NOT NULL,
    reason   text NOT NULL,
    died     bigint NOT NULL,
    history  bytea,
    payload  bytea NOT NULL
);

CREATE TABLE claim (
    id      bigint PRIMARY KEY,
    alone   boolean NOT NULL,
    members bytea NOT NULL
);

-- Rows come and go by the thousand: swept up soon, and in small helpings.
ALTER TABLE message SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 1);
ALTER TABLE claim SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE state SET (fillfactor = 20);
ALTER TABLE lane SET (fillfactor = 70);

INSERT INTO state VALUES (true, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, true, '', now());
"#;

const V2: &str = r#"
CREATE TABLE outbox (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic      text NOT NULL,
    payload    text NOT NULL,
    event      text,
    key        text,
    id         text,
    deliver_at timestamptz,
    expires_at timestamptz,
    written    timestamptz NOT NULL DEFAULT clock_timestamp(),
    error      text
);
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 1);
"#;

/// Whether the owner lets other nodes stand by.
const V3: &str =
    "ALTER TABLE state ADD COLUMN IF NOT EXISTS shared boolean NOT NULL DEFAULT false;";

/// What nodes that stand by take in.
const V4: &str = r#"
CREATE TABLE IF NOT EXISTS handed (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node   bigint NOT NULL,
    ticket bigint NOT NULL,
    parts  bigint NOT NULL,
    body   bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS answer (
    node    bigint NOT NULL,
    ticket  bigint NOT NULL,
    answer  bytea NOT NULL,
    written timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (node, ticket)
);
ALTER TABLE handed SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 1);
ALTER TABLE answer SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 1);
"#;

/// What lives for milliseconds is not compressed: where claims are large, that took a fifth of the
/// server's time.
const V5: &str = "
ALTER TABLE claim ALTER COLUMN members SET STORAGE EXTERNAL;
ALTER TABLE handed ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE answer ALTER COLUMN answer SET STORAGE EXTERNAL;
";

/// The version of the schema that is there; `None` where there is none.
pub(super) async fn version(connection: &Connection) -> Sql<Option<i32>> {
    let there = connection
        .client
        .query_one(
            "SELECT to_regclass(quote_ident($1) || '.state') IS NOT NULL",
            &[&connection.schema],
        )
        .await?;
    if !there.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = connection.client.query_one("SELECT version FROM state", &[]).await?;
    Ok(Some(row.get(0)))
}

/// Brings a schema of any older version, or none, to [`VERSION`] in one transaction. Two processes
/// that come at once do it one after the other.
pub(super) async fn migrate(connection: &Connection) -> Sql<()> {
    let client = &connection.client;
    client.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(1380861005, 0)").await?;
    let schema = quoted(&connection.schema);
    let is_there = client
        .query_one(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)",
            &[&connection.schema],
        )
        .await?;
    if !is_there.get::<_, bool>(0) {
        client.batch_execute(&format!("CREATE SCHEMA {schema}")).await?;
    }
    let from = version(connection).await?.unwrap_or(0);
    let done = usize::try_from(from).unwrap_or(STEPS.len()).min(STEPS.len());
    for step in &STEPS[done..] {
        client.batch_execute(step).await?;
    }
    if done < STEPS.len() {
        client.execute("UPDATE state SET version = $1", &[&VERSION]).await?;
    }
    client.batch_execute("COMMIT").await
}

/// A name as it is written in a statement.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
