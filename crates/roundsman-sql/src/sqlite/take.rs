//! Taking drafts in: a row each, in the order of acceptance.

use super::books::Books;
use super::error::Sql;
use super::ids;
use super::ledger::Ledger;
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
        let (ready, later) = if due.is_none() { (1, 0) } else { (0, 1) };
        let previous = self.previous(lane)?;
        self.books.shift(self.connection, lane, ready, later, self.now)?;
        let id = match &draft.id {
            Some((id, _)) => MessageId::Given(id.clone()),
            None => MessageId::Made { salt: self.salt, lane, seq },
        };
        if due.is_none() {
            self.announce(draft, id.clone(), lane, seq, previous, expires)?;
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

    /// The newest message of the lane: 0 where there is none, `None` where that is not known.
    fn previous(&mut self, lane: LaneId) -> Sql<Option<u64>> {
        let row = self.books.lane(self.connection, lane)?;
        Ok(row.map_or(Some(0), |row| if row.ready == 0 { Some(0) } else { row.tail }))
    }

    fn announce(
        &mut self,
        draft: Draft,
        id: MessageId,
        lane: LaneId,
        seq: u64,
        previous: Option<u64>,
        expires_at: Option<Timestamp>,
    ) -> Sql<()> {
        let Some(row) = self.books.lane(self.connection, lane)? else { return Ok(()) };
        row.tail = Some(seq);
        if row.block.is_some() {
            return Ok(());
        }
        let record = Record {
            lane: row.lane.clone(),
            seq,
            id,
            event: draft.event,
            payload: draft.payload,
            accepted_at: self.now,
            expires_at,
            history: None,
        };
        self.fresh.push(Fresh { previous, record });
        Ok(())
    }
}
