-- A file as version 1 left it: one message that waits, and two dead letters with their failures.
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

INSERT INTO state VALUES (1, 5, 3, 9, 1, 1, 0, 0, 2, 2, 1);

INSERT INTO lane VALUES (281474976710657, 'k', 't', 1, 0, 3, NULL, 0);
INSERT INTO account VALUES ('k', 1, 0);
INSERT INTO message VALUES (9, 281474976710657, NULL, NULL, 0, 1700000000000000, 'alive', 'message', NULL, CAST('{"n":9}' AS BLOB));
INSERT INTO ids VALUES ('alive', zeroblob(16), 9, 'k', 't', 1700000000000000, NULL, 0, NULL, NULL);
INSERT INTO ids VALUES ('dead', zeroblob(16), 7, 'k', 't', 1700000000000000, NULL, 3, 1700000000000005, NULL);
INSERT INTO dead VALUES (7, 281474976710657, 'k', 't', 1700000000000000, NULL, 'dead', 'push', X'0200000002000000000000000000000000401E18240A06000100000001401E18240A0600090000006E6F20616E737765720200000002401E18240A06000A00000069742073616964206E6F', 'attempts', 1700000000000005, CAST('{"n":7}' AS BLOB));
INSERT INTO dead VALUES (8, 281474976710657, 'k', 't', 1700000000000000, NULL, NULL, 'push', NULL, 'age', 1700000000000006, CAST('{"n":8}' AS BLOB));

PRAGMA application_id = 1380861005;
PRAGMA user_version = 1;
