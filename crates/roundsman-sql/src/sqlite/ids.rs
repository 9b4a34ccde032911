//! Senders' ids as long as they are remembered, and where messages are whose made id no longer says.
//!
//! An id is remembered until 24 hours after its message is settled and no longer dead, which is
//! never before its acceptance. Nothing indexes that moment: a sweep goes round the table, a few
//! rows a call, and what it has not reached yet is treated as forgotten where it is found.

use super::error::Sql;
use super::message::Kept;
use super::row::{int, moment, number};
use crate::fate::Fate;
use crate::history::Past;
use roundsman_store::{Draft, Fingerprint, IdSalt, Lane, MessageId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};
use std::time::Duration;

/// How long an id outlives its message.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// What is known of an id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// `None`: made here, and the message was moved.
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) seq: u64,
    pub(super) fate: Fate,
    settled: Option<Timestamp>,
}

impl Known {
    /// Whether it would be gone by now, had the sweep come by.
    pub(super) fn is_forgotten(&self, now: Timestamp) -> bool {
        matches!(self.fate, Fate::Delivered | Fate::Expired | Fate::Gone)
            && self.settled.is_some_and(|at| at.after(REMEMBERED) <= now)
    }
}

fn read(row: &Row<'_>) -> Sql<Known> {
    let fingerprint = row.get::<_, Option<[u8; 16]>>(0)?.map(Fingerprint);
    Ok(Known {
        fingerprint,
        seq: number(row, 1)?,
        fate: Fate::of(row.get(2)?),
        settled: moment(row, 3)?,
    })
}

/// What is known of an id, forgotten or not.
pub(super) fn find(connection: &Connection, id: &str) -> Sql<Option<Known>> {
    connection
        .prepare_cached("SELECT fingerprint, seq, fate, settled FROM ids WHERE id = ?1")?
        .query_row([id], read)
        .optional()
}

/// Remembers a sender's id from now on.
pub(super) fn insert(
    connection: &Connection,
    id: &str,
    fingerprint: &Fingerprint,
    seq: u64,
    draft: &Draft,
    accepted: Timestamp,
    expires: Option<Timestamp>,
) -> Sql<()> {
    connection
        .prepare_cached(
            "INSERT INTO ids (id, fingerprint, seq, key, topic, accepted, expires, fate)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
        )?
        .execute((
            id,
            fingerprint.0,
            int(seq),
            draft.key.as_str(),
            &*draft.topic,
            accepted.0,
            expires.map(|at| at.0),
        ))
        .map(drop)
}

/// The message has a new sequence. A made id has a row from its first move on.
pub(super) fn relocate(
    connection: &Connection,
    id: &str,
    seq: u64,
    lane: &Lane,
    kept: &Kept,
) -> Sql<()> {
    connection
        .prepare_cached(
            "INSERT INTO ids (id, seq, key, topic, accepted, expires, fate)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)
             ON CONFLICT (id) DO UPDATE SET seq = excluded.seq",
        )?
        .execute((
            id,
            int(seq),
            lane.key.as_str(),
            &*lane.topic,
            kept.accepted.0,
            kept.expires.map(|at| at.0),
        ))
        .map(drop)
}

/// The message is no longer dead: it lies in a lane again, as if it were new.
pub(super) fn revive(
    connection: &Connection,
    id: &str,
    seq: u64,
    lane: &Lane,
    accepted: Timestamp,
) -> Sql<()> {
    connection
        .prepare_cached(
            "INSERT INTO ids (id, seq, key, topic, accepted, fate) VALUES (?1, ?2, ?3, ?4, ?5, 0)
             ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, expires = NULL, fate = 0,
                                            settled = NULL, history = NULL",
        )?
        .execute((id, int(seq), lane.key.as_str(), &*lane.topic, accepted.0))
        .map(drop)
}

/// The message is no longer kept. Answers how many senders' ids less are remembered.
pub(super) fn settle(
    connection: &Connection,
    id: &str,
    salt: IdSalt,
    fate: Fate,
    now: Timestamp,
    past: &Past,
) -> Sql<i64> {
    if let MessageId::Made { .. } = MessageId::parse(id, salt) {
        return forget(connection, id);
    }
    connection
        .prepare_cached("UPDATE ids SET fate = ?2, settled = ?3, history = ?4 WHERE id = ?1")?
        .execute((id, fate as i64, now.0, past.encode()))?;
    Ok(0)
}

/// The message is among the dead letters.
pub(super) fn bury(connection: &Connection, id: &str, now: Timestamp) -> Sql<()> {
    connection
        .prepare_cached("UPDATE ids SET fate = ?2, settled = ?3 WHERE id = ?1")?
        .execute((id, Fate::Dead as i64, now.0))
        .map(drop)
}

/// Forgets an id. Answers how many senders' ids less are remembered: 0 where it was made here.
pub(super) fn forget(connection: &Connection, id: &str) -> Sql<i64> {
    let given = connection
        .prepare_cached("DELETE FROM ids WHERE id = ?1 RETURNING fingerprint IS NOT NULL")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(given.unwrap_or(0))
}

/// One step of the sweep: looks at `limit` ids behind `after`, forgets those whose time is over,
/// and answers how many that were and where to go on; an empty text at the end of the round.
pub(super) fn sweep(
    connection: &Connection,
    after: &str,
    limit: i64,
    now: Timestamp,
) -> Sql<(i64, String)> {
    let (mut over, mut last, mut seen) = (Vec::new(), String::new(), 0);
    let mut look = connection.prepare_cached(
        "SELECT fingerprint, seq, fate, settled, id FROM ids WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let mut rows = look.query((after, limit))?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(4)?;
        seen += 1;
        if read(row)?.is_forgotten(now) {
            over.push(id.clone());
        }
        last = id;
    }
    let mut forgotten = 0;
    for id in &over {
        forgotten += forget(connection, id)?;
    }
    Ok((forgotten, if seen < limit { String::new() } else { last }))
}
