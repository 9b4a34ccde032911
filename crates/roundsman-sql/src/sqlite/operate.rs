//! What a person does by hand: takes one back, looks through the dead, replays and drops them.

use super::error::Sql;
use super::ids;
use super::inspect;
use super::ledger::Ledger;
use super::message::Messages;
use super::reader::Reader;
use super::row::{int, key, number, text};
use crate::fate::Fate;
use crate::history::Past;
use crate::lane_row::Shift;
use crate::letter::{self, Letter};
use bytes::Bytes;
use roundsman_store::{
    DeadLetter, DeadPage, DeadReason, IdSalt, Lane, LaneId, MessageId, StoreError, Sweep, Swept,
    TakenBack, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Takes one message back that lies where it was seen.
pub(super) fn take_back(
    ledger: &mut Ledger,
    (id, place): (Arc<str>, Option<(LaneId, u64)>),
) -> Sql<Result<TakenBack, StoreError>> {
    let mut messages = Messages::of(ledger)?;
    let Some(kept) = messages.named(&id)? else { return Ok(Ok(TakenBack::Elsewhere)) };
    let lies_in = kept.due.is_none().then_some((kept.lane, kept.seq));
    if lies_in != place {
        return Ok(Ok(TakenBack::Elsewhere));
    }
    let is_waited_for = messages.waits_for(&kept)?;
    messages.finish(&kept, 0, Fate::Gone)?;
    messages.flush()?;
    let released = if is_waited_for { messages.go_on(kept.lane)? } else { None };
    Ok(Ok(TakenBack::Done { released }))
}

/// A page of dead letters.
#[expect(clippy::needless_pass_by_value, reason = "a call owns what it asks")]
pub(super) fn dead(reader: &mut Reader, sweep: Sweep) -> Sql<Result<DeadPage, StoreError>> {
    let (picked, next) = pick(&reader.connection, reader.place.salt, &sweep, sweep.limit)?;
    let mut page = DeadPage { letters: Vec::with_capacity(picked.len()), next };
    let mut look = reader.connection.prepare_cached("SELECT payload FROM dead WHERE seq = ?1")?;
    for letter in picked {
        let id = letter.id(reader.place.salt);
        let Some(sighting) = inspect::dead(reader, &id, letter.seq, None)? else { continue };
        let payload = look.query_row([int(letter.seq)], |row| row.get::<_, Vec<u8>>(0))?;
        let payload = Bytes::from(payload);
        page.letters.push(DeadLetter { cursor: letter.seq, sighting, payload });
    }
    Ok(Ok(page))
}

/// Sends dead letters again, behind all others of their lanes.
#[expect(clippy::needless_pass_by_value, reason = "a call owns what it asks")]
pub(super) fn replay(ledger: &mut Ledger, sweep: Sweep) -> Sql<Result<Swept, StoreError>> {
    let salt = ledger.place.salt;
    let (picked, next) = pick(&ledger.connection, salt, &sweep, sweep.limit.min(Sweep::CHANGED))?;
    let mut swept = Swept { next, ..Swept::default() };
    for letter in picked {
        let id = letter.id(salt);
        let (lane, is_open) = bring_back(ledger, &letter, &id)?;
        if is_open {
            swept.lanes.push(lane.clone());
        }
        swept.done.push((id, lane));
    }
    swept.lanes.sort_unstable_by_key(|lane| lane.id);
    swept.lanes.dedup_by_key(|lane| lane.id);
    Ok(Ok(swept))
}

/// Puts one dead letter into its lane, and answers that and whether it is open.
fn bring_back(ledger: &mut Ledger, letter: &Letter, id: &str) -> Sql<(Arc<Lane>, bool)> {
    const MOVE: &str = "INSERT INTO message
             (seq, lane, due, expires, named, accepted, id, event, history, payload)
         SELECT ?2, ?3, NULL, NULL, 0, accepted, ?4, event, NULL, payload
         FROM dead WHERE seq = ?1";
    let now = ledger.place.clock.now();
    let Ledger { connection, books, .. } = ledger;
    let (key, topic) = (letter.lane.key.clone(), letter.lane.topic.clone());
    // Lanes that ran empty are forgotten: the same name may have another number by now.
    let lane = books.intern(connection, key, topic)?;
    let seq = books.next_seq();
    connection.prepare_cached(MOVE)?.execute((int(letter.seq), int(seq), int(lane.0), id))?;
    remove(connection, letter.seq)?;
    books.shift_kept(-1, 0);
    let shifted = books.shift(connection, lane, Shift::In(seq), now)?;
    let (lane, is_open) = match shifted {
        Some(shifted) => (shifted.lane, !shifted.is_blocked),
        None => (letter.lane.clone(), false),
    };
    ids::revive(connection, id, seq, &lane, letter.accepted)?;
    Ok((lane, is_open))
}

/// Removes dead letters for good.
#[expect(clippy::needless_pass_by_value, reason = "a call owns what it asks")]
pub(super) fn drop_dead(ledger: &mut Ledger, sweep: Sweep) -> Sql<Result<Swept, StoreError>> {
    let (salt, now) = (ledger.place.salt, ledger.place.clock.now());
    let Ledger { connection, books, .. } = ledger;
    let (picked, next) = pick(connection, salt, &sweep, sweep.limit.min(Sweep::CHANGED))?;
    let mut swept = Swept { next, ..Swept::default() };
    for letter in picked {
        remove(connection, letter.seq)?;
        let forgotten = match &letter.id {
            Some(id) => ids::settle(connection, id, salt, Fate::Gone, now, &Past::default())?,
            None => 0,
        };
        books.shift_kept(-1, -forgotten);
        swept.done.push((letter.id(salt), letter.lane));
    }
    Ok(Ok(swept))
}

fn remove(connection: &Connection, seq: u64) -> Sql<()> {
    connection.prepare_cached("DELETE FROM dead WHERE seq = ?1")?.execute([int(seq)]).map(drop)
}

const LOOK: &str =
    "SELECT seq, lane, key, topic, accepted, id, reason, died, length(payload) FROM dead";

fn read(row: &Row<'_>) -> Sql<Letter> {
    let id: Option<String> = row.get(5)?;
    let lane = Lane { id: LaneId(number(row, 1)?), key: key(row, 2)?, topic: text(row, 3)? };
    Ok(Letter {
        seq: number(row, 0)?,
        lane: Arc::new(lane),
        accepted: Timestamp(row.get(4)?),
        id: id.map(Arc::from),
        reason: DeadReason::parse(row.get_ref(6)?.as_str()?),
        died: Timestamp(row.get(7)?),
        bytes: row.get::<_, u32>(8)? as usize,
    })
}

/// At most `limit` letters that pass, and where to go on.
fn pick(
    connection: &Connection,
    salt: IdSalt,
    sweep: &Sweep,
    limit: usize,
) -> Sql<(Vec<Letter>, Option<u64>)> {
    match &sweep.filter.ids {
        Some(ids) => {
            let mut seqs = BTreeSet::new();
            for id in ids {
                seqs.extend(cursor(connection, salt, id)?);
            }
            let mut look = connection.prepare_cached(&format!("{LOOK} WHERE seq = ?1"))?;
            let behind = seqs.into_iter().filter(|seq| *seq > sweep.after);
            let letters = behind.map(|seq| look.query_row([int(seq)], read));
            step(letters, sweep, limit)
        }
        None => {
            let look = format!("{LOOK} WHERE seq > ?1 ORDER BY seq");
            let mut look = connection.prepare_cached(&look)?;
            let letters = look.query_map([int(sweep.after)], read)?;
            step(letters, sweep, limit)
        }
    }
}

/// One step through letters, and the first failure to read one.
fn step(
    mut letters: impl Iterator<Item = Sql<Letter>>,
    sweep: &Sweep,
    limit: usize,
) -> Sql<(Vec<Letter>, Option<u64>)> {
    let mut failed = None;
    let readable = std::iter::from_fn(|| match letters.next()? {
        Ok(letter) => Some(letter),
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    let picked = letter::step(readable, sweep, limit);
    failed.map_or(Ok(picked), Err)
}

/// Where the dead letter of this id lies.
fn cursor(connection: &Connection, salt: IdSalt, id: &str) -> Sql<Option<u64>> {
    if let Some(known) = ids::find(connection, id)? {
        return Ok((known.fate == Fate::Dead).then_some(known.seq));
    }
    let MessageId::Made { lane, seq, .. } = MessageId::parse(id, salt) else { return Ok(None) };
    connection
        .prepare_cached("SELECT seq FROM dead WHERE seq = ?1 AND lane = ?2 AND id IS NULL")?
        .query_row((int(seq), int(lane.0)), |row| number(row, 0))
        .optional()
}
