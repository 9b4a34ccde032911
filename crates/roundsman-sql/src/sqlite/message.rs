//! One message among those kept: found, changed, moved, and taken out for good.
//!
//! Every verb that touches messages which are there already works through [`Messages`], so that the
//! books, the claims and the ids follow each change in one place.

use super::books::Books;
use super::error::Sql;
use super::ids;
use super::ledger::{Ledger, Recent};
use super::row::{int, moment, number, text};
use crate::claims::Claims;
use crate::fate::Fate;
use crate::history::Past;
use crate::lane_row::Shift;
use bytes::Bytes;
use roundsman_store::{Block, DeadReason, Failure, IdSalt, Lane, LaneId, MessageId, Timestamp};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A message without its event and payload.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) seq: u64,
    pub(super) lane: LaneId,
    /// Its moment, while it waits outside of its lane.
    pub(super) due: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
    pub(super) accepted: Timestamp,
    /// `None`: made here, and it lies where its id says.
    pub(super) id: Option<Arc<str>>,
    past: Option<Vec<u8>>,
}

impl Kept {
    /// One that was accepted into its lane just now.
    pub(super) fn fresh(
        seq: u64,
        lane: LaneId,
        expires: Option<Timestamp>,
        accepted: Timestamp,
        id: Option<Arc<str>>,
    ) -> Self {
        Self { seq, lane, due: None, expires, accepted, id, past: None }
    }

    pub(super) fn attempts(&self) -> u32 {
        let history = self.past.as_deref().and_then(Past::decode_history);
        history.map_or(0, |history| history.attempts)
    }

    pub(super) fn past(&self) -> Past {
        self.past.as_deref().map(Past::decode).unwrap_or_default()
    }

    /// Its id as text, wherever it lies.
    fn id(&self, salt: IdSalt) -> Arc<str> {
        match &self.id {
            Some(id) => id.clone(),
            None => MessageId::Made { salt, lane: self.lane, seq: self.seq }.to_string().into(),
        }
    }
}

const FIND: &str =
    "SELECT seq, lane, due, expires, accepted, id, history FROM message WHERE seq = ?1";

pub(super) fn read(row: &Row<'_>) -> Sql<Kept> {
    let id = match row.get_ref(5)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(text(row, 5)?),
    };
    Ok(Kept {
        seq: number(row, 0)?,
        lane: LaneId(number(row, 1)?),
        due: moment(row, 2)?,
        expires: moment(row, 3)?,
        accepted: Timestamp(row.get(4)?),
        id,
        past: row.get(6)?,
    })
}

/// The messages of a ledger during one call.
pub(super) struct Messages<'a> {
    pub(super) connection: &'a Connection,
    pub(super) books: &'a mut Books,
    pub(super) claims: &'a mut Claims,
    recent: &'a mut Recent,
    pub(super) salt: IdSalt,
    pub(super) now: Timestamp,
    find: CachedStatement<'a>,
    delete: CachedStatement<'a>,
    /// Ended, but their rows are still there.
    gone: BTreeSet<u64>,
}

impl<'a> Messages<'a> {
    pub(super) fn of(ledger: &'a mut Ledger) -> Sql<Self> {
        let connection = &ledger.connection;
        Ok(Self {
            connection,
            books: &mut ledger.books,
            claims: &mut ledger.claims,
            recent: &mut ledger.recent,
            salt: ledger.place.salt,
            now: ledger.place.clock.now(),
            find: connection.prepare_cached(FIND)?,
            delete: connection.prepare_cached("DELETE FROM message WHERE seq BETWEEN ?1 AND ?2")?,
            gone: BTreeSet::new(),
        })
    }

    /// The message of this sequence, while it is neither settled nor dead, to be changed.
    pub(super) fn find(&mut self, seq: u64) -> Sql<Option<Kept>> {
        if let Some(recent) = self.recent.remove(&seq) {
            return Ok(Some(recent));
        }
        if self.gone.contains(&seq) {
            return Ok(None);
        }
        self.find.query_row([int(seq)], read).optional()
    }

    /// The message of this id, while it is neither settled nor dead.
    pub(super) fn named(&mut self, id: &str) -> Sql<Option<Kept>> {
        let known = ids::find(self.connection, id)?;
        let (place, lane) = match (known, MessageId::parse(id, self.salt)) {
            (Some(known), _) if known.fate == Fate::Kept => (known.seq, None),
            (None, MessageId::Made { lane, seq, .. }) => (seq, Some(lane)),
            _ => return Ok(None),
        };
        let kept = self.find(place)?;
        Ok(kept.filter(|kept| lane.is_none_or(|lane| kept.lane == lane && kept.id.is_none())))
    }

    /// Writes what was tried with a message that stays where it is.
    pub(super) fn remember(&mut self, seq: u64, past: &Past) -> Sql<()> {
        self.connection
            .prepare_cached("UPDATE message SET history = ?2 WHERE seq = ?1")?
            .execute((int(seq), past.encode()))
            .map(drop)
    }

    /// Ends a message for good: only its id, where the sender gave one, stays.
    pub(super) fn finish(&mut self, kept: &Kept, attempt: u32, fate: Fate) -> Sql<()> {
        self.take_out(kept)?;
        if let Some(id) = &kept.id {
            let mut past = kept.past();
            past.history.attempts = past.history.attempts.max(attempt);
            let gone = ids::settle(self.connection, id, self.salt, fate, self.now, &past)?;
            self.books.shift_kept(0, -gone);
        }
        Ok(())
    }

    /// Moves a message to the dead letters.
    pub(super) fn bury(&mut self, kept: &Kept, past: &Past, reason: DeadReason) -> Sql<()> {
        let lane = self.books.see(self.connection, kept.lane, |row| row.lane.clone())?;
        let Some(lane) = lane else {
            return Ok(());
        };
        self.connection
            .prepare_cached(
                "INSERT INTO dead
                 SELECT seq, lane, ?2, ?3, accepted, expires, id, event, ?5, ?6, ?4, payload
                 FROM message WHERE seq = ?1",
            )?
            .execute((
                int(kept.seq),
                lane.key.as_str(),
                &*lane.topic,
                past.encode(),
                reason.as_str(),
                self.now.0,
            ))?;
        self.take_out(kept)?;
        self.books.shift_kept(1, 0);
        match &kept.id {
            Some(id) => ids::bury(self.connection, id, self.now),
            None => Ok(()),
        }
    }

    /// Takes a message out of its lane until `due`.
    pub(super) fn put_off(&mut self, kept: &Kept, past: &Past, due: Timestamp) -> Sql<()> {
        self.connection
            .prepare_cached("UPDATE message SET due = ?2, history = ?3 WHERE seq = ?1")?
            .execute((int(kept.seq), due.0, past.encode()))?;
        if kept.due.is_some() {
            return Ok(());
        }
        self.books.shift(self.connection, kept.lane, Shift::PutOff(kept.seq), self.now).map(drop)
    }

    /// Puts a message whose moment has come behind all others of its lane, under a new sequence;
    /// its id leads there from now on.
    pub(super) fn bring_back(&mut self, kept: &Kept) -> Sql<()> {
        let seq = self.books.next_seq();
        let id = kept.id(self.salt);
        self.connection
            .prepare_cached("UPDATE message SET seq = ?2, due = NULL, id = ?3 WHERE seq = ?1")?
            .execute((int(kept.seq), int(seq), &*id))?;
        let shifted = self.books.shift(self.connection, kept.lane, Shift::Back(seq), self.now)?;
        match shifted {
            Some(shifted) => ids::relocate(self.connection, &id, seq, &shifted.lane, kept),
            None => Ok(()),
        }
    }

    /// Keeps what lookups made of the payload.
    pub(super) fn augment(&mut self, seq: u64, payload: &Bytes) -> Sql<()> {
        self.connection
            .prepare_cached("UPDATE message SET payload = ?2 WHERE seq = ?1")?
            .execute((int(seq), &**payload))
            .map(drop)
    }

    /// Whether a lane waits for the moment of this message, its head.
    pub(super) fn waits_for(&mut self, kept: &Kept) -> Sql<bool> {
        let block = self.books.see(self.connection, kept.lane, |row| row.block)?.flatten();
        if kept.due.is_some() || !matches!(block, Some(Block::Until(_))) {
            return Ok(false);
        }
        self.flush()?;
        Ok(self.books.head(self.connection, kept.lane)? == Some(kept.seq))
    }

    /// Releases a lane whose head is gone, and answers it if it has anything to go on with.
    pub(super) fn go_on(&mut self, lane: LaneId) -> Sql<Option<Arc<Lane>>> {
        self.set_block(lane, None)?;
        let lane =
            self.books.see(self.connection, lane, |row| (row.ready > 0).then(|| row.lane.clone()));
        Ok(lane?.flatten())
    }

    /// Ends or renews a block; see [`Books::set_block`].
    pub(super) fn set_block(&mut self, lane: LaneId, block: Option<Block>) -> Sql<()> {
        self.books.set_block(self.connection, lane, block)
    }

    /// Deletes the rows of what has ended: a run of sequences, such as those of one batch, at once.
    /// To be called at the end, and before rows are looked for by anything else than their sequence.
    pub(super) fn flush(&mut self) -> Sql<()> {
        let gone: Vec<_> = std::mem::take(&mut self.gone).into_iter().collect();
        for run in gone.chunk_by(|one, next| one + 1 == *next) {
            if let (Some(first), Some(last)) = (run.first(), run.last()) {
                self.delete.execute((int(*first), int(*last)))?;
            }
        }
        Ok(())
    }

    /// What is written down of a failed attempt.
    pub(super) fn failed(&self, kept: &Kept, attempt: u32, failure: Failure) -> Past {
        let mut past = kept.past();
        past.fail(attempt, failure, self.now);
        past
    }

    fn take_out(&mut self, kept: &Kept) -> Sql<()> {
        self.gone.insert(kept.seq);
        // One that was found by its expiry may still be among the recent.
        self.recent.remove(&kept.seq);
        let shift = if kept.due.is_none() { Shift::Out(kept.seq) } else { Shift::NoMore };
        self.books.shift(self.connection, kept.lane, shift, self.now).map(drop)
    }
}
