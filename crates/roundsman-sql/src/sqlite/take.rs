//! Taking drafts in: a row each, in the order of acceptance.

use super::books::{Books, Shifted};
use super::error::Sql;
use super::ids;
use super::ledger::{Ledger, Recent};
use super::message::Kept;
use super::row::{by_rows, int};
use crate::lane_row::Shift;
use bytes::Bytes;
use roundsman_store::{
    Bounds, Draft, Fresh, IdSalt, LaneId, MessageId, Receipt, Record, Timestamp,
};
use rusqlite::{CachedStatement, Connection};
use std::sync::Arc;
use std::time::Duration;

/// Writes the drafts of one batch, none of which is refused.
pub(super) struct Taker<'a> {
    connection: &'a Connection,
    books: &'a mut Books,
    fresh: &'a mut Vec<Fresh>,
    recent: &'a mut Recent,
    /// Most rows first.
    inserts: Vec<(usize, CachedStatement<'a>)>,
    /// Not written yet, fewer than [`MANY`].
    rows: Vec<NewRow>,
    salt: IdSalt,
    expires_after: Option<Duration>,
    now: Timestamp,
}

/// A row of `message` that is to be written.
struct NewRow {
    seq: u64,
    lane: LaneId,
    due: Option<Timestamp>,
    expires: Option<Timestamp>,
    is_named: bool,
    id: Option<Arc<str>>,
    event: Arc<str>,
    payload: Bytes,
}

const INSERTS: [(usize, &str); 3] = by_rows!(
    "INSERT INTO message (seq, lane, due, expires, named, accepted, id, event, payload) VALUES ",
    "(?,?,?,?,?,?,?,?,?)"
);
const MANY: usize = 64;

impl<'a> Taker<'a> {
    /// For `count` drafts at most.
    pub(super) fn of(
        ledger: &'a mut Ledger,
        count: usize,
        bounds: Bounds,
        now: Timestamp,
    ) -> Sql<Self> {
        let connection = &ledger.connection;
        let fitting = INSERTS.iter().filter(|(rows, _)| *rows <= count);
        let inserts = fitting
            .map(|(rows, statement)| Ok((*rows, connection.prepare_cached(statement)?)))
            .collect::<Sql<Vec<_>>>()?;
        Ok(Self {
            connection,
            books: &mut ledger.books,
            fresh: &mut ledger.fresh,
            recent: &mut ledger.recent,
            inserts,
            rows: Vec::with_capacity(MANY.min(count)),
            salt: ledger.place.salt,
            expires_after: bounds.expires_after,
            now,
        })
    }

    /// Writes one; `renews` says that its id meant another message once.
    pub(super) fn take(&mut self, draft: Draft, renews: bool) -> Sql<Receipt> {
        let due = draft.deliver_at.filter(|at| *at > self.now);
        let default = self.expires_after.map(|span| due.unwrap_or(self.now).after(span));
        let expires = draft.expires_at.or(default);
        let lane = self.books.intern(self.connection, draft.key.clone(), draft.topic.clone())?;
        let seq = self.books.next_seq();
        self.rows.push(NewRow {
            seq,
            lane,
            due,
            expires,
            is_named: draft.expires_at.is_some(),
            id: draft.id.as_ref().map(|(id, _)| id.clone()),
            event: draft.event.clone(),
            payload: draft.payload.clone(),
        });
        if self.rows.len() == MANY {
            self.flush()?;
        }
        if let Some((id, fingerprint)) = &draft.id {
            if renews {
                let forgotten = ids::forget(self.connection, id)?;
                self.books.shift_kept(0, -forgotten);
            }
            ids::insert(self.connection, id, fingerprint, seq, &draft, self.now, expires)?;
            self.books.shift_kept(0, 1);
        }
        let shift = if due.is_none() { Shift::In(seq) } else { Shift::Later };
        let shifted = self.books.shift(self.connection, lane, shift, self.now)?;
        let id = match &draft.id {
            Some((id, _)) => MessageId::Given(id.clone()),
            None => MessageId::Made { salt: self.salt, lane, seq },
        };
        if let Some(shifted) = shifted.filter(|_| due.is_none()) {
            self.remember(&draft, lane, seq, expires);
            if !shifted.is_blocked {
                self.announce(draft, id.clone(), seq, shifted, expires);
            }
        }
        Ok(Receipt { id, duplicate: false })
    }

    /// Writes what is left over. To be called at the end.
    pub(super) fn flush(&mut self) -> Sql<()> {
        let mut rest = &self.rows[..];
        for (count, statement) in &mut self.inserts {
            while let Some((rows, behind)) = rest.split_at_checked(*count) {
                write(statement, rows, self.now)?;
                rest = behind;
            }
        }
        self.rows.clear();
        Ok(())
    }

    /// Most messages are settled soon: their row need not be read for that.
    fn remember(&mut self, draft: &Draft, lane: LaneId, seq: u64, expires: Option<Timestamp>) {
        let id = draft.id.as_ref().map(|(id, _)| id.clone());
        self.recent.insert(seq, Kept::fresh(seq, lane, expires, self.now, id));
    }

    fn announce(
        &mut self,
        draft: Draft,
        id: MessageId,
        seq: u64,
        shifted: Shifted,
        expires_at: Option<Timestamp>,
    ) {
        let Shifted { lane, previous, .. } = shifted;
        let record = Record {
            lane,
            seq,
            id,
            event: draft.event,
            payload: draft.payload,
            accepted_at: self.now,
            expires_at,
            history: None,
        };
        self.fresh.push(Fresh { previous, record });
    }
}

/// Writes as many rows as the statement has.
fn write(statement: &mut CachedStatement<'_>, rows: &[NewRow], now: Timestamp) -> Sql<()> {
    for (number, row) in rows.iter().enumerate() {
        let first = number * 9;
        statement.raw_bind_parameter(first + 1, int(row.seq))?;
        statement.raw_bind_parameter(first + 2, int(row.lane.0))?;
        statement.raw_bind_parameter(first + 3, row.due.map(|at| at.0))?;
        statement.raw_bind_parameter(first + 4, row.expires.map(|at| at.0))?;
        statement.raw_bind_parameter(first + 5, row.is_named)?;
        statement.raw_bind_parameter(first + 6, now.0)?;
        statement.raw_bind_parameter(first + 7, row.id.as_deref())?;
        statement.raw_bind_parameter(first + 8, &*row.event)?;
        statement.raw_bind_parameter(first + 9, &*row.payload)?;
    }
    statement.raw_execute().map(drop)
}
