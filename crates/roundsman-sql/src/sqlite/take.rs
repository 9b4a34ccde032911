//! Taking drafts in: a row each, in the order of acceptance.

use super::books::{Books, Shifted};
use super::error::Sql;
use super::ids;
use super::lanes::Shift;
use super::ledger::{Ledger, Recent};
use super::message::Kept;
use super::row::int;
use roundsman_store::{
    Bounds, Draft, Fresh, IdSalt, LaneId, MessageId, Receipt, Record, Timestamp,
};
use rusqlite::{CachedStatement, Connection};
use std::time::Duration;

/// Writes the drafts of one batch, none of which is refused.
pub(super) struct Taker<'a> {
    connection: &'a Connection,
    books: &'a mut Books,
    fresh: &'a mut Vec<Fresh>,
    recent: &'a mut Recent,
    insert: CachedStatement<'a>,
    salt: IdSalt,
    expires_after: Option<Duration>,
    now: Timestamp,
}

const INSERT: &str = "INSERT INTO message
     (seq, lane, due, expires, named, accepted, id, event, payload)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

impl<'a> Taker<'a> {
    pub(super) fn of(ledger: &'a mut Ledger, bounds: Bounds, now: Timestamp) -> Sql<Self> {
        let connection = &ledger.connection;
        Ok(Self {
            connection,
            books: &mut ledger.books,
            fresh: &mut ledger.fresh,
            recent: &mut ledger.recent,
            insert: connection.prepare_cached(INSERT)?,
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
        self.write(&draft, lane, seq, due, expires)?;
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

    fn write(
        &mut self,
        draft: &Draft,
        lane: LaneId,
        seq: u64,
        due: Option<Timestamp>,
        expires: Option<Timestamp>,
    ) -> Sql<()> {
        let row = &mut self.insert;
        row.raw_bind_parameter(1, int(seq))?;
        row.raw_bind_parameter(2, int(lane.0))?;
        row.raw_bind_parameter(3, due.map(|at| at.0))?;
        row.raw_bind_parameter(4, expires.map(|at| at.0))?;
        row.raw_bind_parameter(5, draft.expires_at.is_some())?;
        row.raw_bind_parameter(6, self.now.0)?;
        row.raw_bind_parameter(7, draft.id.as_ref().map(|(id, _)| &**id))?;
        row.raw_bind_parameter(8, &*draft.event)?;
        row.raw_bind_parameter(9, &*draft.payload)?;
        row.raw_execute().map(drop)
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
