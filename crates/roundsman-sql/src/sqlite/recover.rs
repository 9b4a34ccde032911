//! After a crash: which attempts it cut off, as the claims say that were open.

use super::error::Sql;
use super::ledger::Ledger;
use super::message::Messages;
use super::row::number;
use crate::claims::{self, Claims};
use roundsman_store::{Claimed, DeadReason, History};
use rusqlite::{Connection, OptionalExtension};

/// The members of claims in the file that are still under way: the message is there and has not
/// had that attempt.
pub(super) fn open_members(connection: &Connection) -> Sql<Vec<(u64, Claimed)>> {
    let mut open = Vec::new();
    for (id, _, members) in rows(connection)? {
        for member in claims::decode(&members) {
            if is_open(connection, &member)? {
                open.push((id, member));
            }
        }
    }
    Ok(open)
}

fn is_open(connection: &Connection, member: &Claimed) -> Sql<bool> {
    let history = connection
        .prepare_cached("SELECT history FROM message WHERE seq = ?1 AND lane = ?2")?
        .query_row((member.seq.cast_signed(), member.lane.0.cast_signed()), |row| {
            row.get::<_, Option<Vec<u8>>>(0)
        })
        .optional()?;
    let attempts = |bytes: Vec<u8>| crate::history::Past::decode_history(&bytes);
    Ok(history.is_some_and(|bytes| {
        bytes.and_then(attempts).map_or(0, |history| history.attempts) < member.attempt
    }))
}

/// Counts every attempt that was under way as cut off, and closes all claims.
///
/// A message that was alone in flight when the process ended, twice, is dead: it takes the process
/// with it. One among others is not judged; after three times it goes alone.
pub(super) fn cut_off(ledger: &mut Ledger) -> Sql<()> {
    let rows = rows(&ledger.connection)?;
    let last = ledger.claims.last();
    let mut messages = Messages::of(ledger)?;
    for (_, alone, members) in &rows {
        for member in claims::decode(members) {
            let Some(kept) = messages.find(member.seq)? else { continue };
            if kept.lane != member.lane || kept.attempts() >= member.attempt {
                continue;
            }
            let mut past = kept.past();
            past.cut(member.attempt, *alone, messages.now);
            if *alone && past.history.cuts_alone >= History::CUTS_ALONE_UNTIL_DEAD {
                messages.bury(&kept, &past, DeadReason::Crash)?;
            } else {
                messages.remember(kept.seq, &past)?;
            }
        }
    }
    messages.flush()?;
    drop(messages);
    ledger.connection.execute("DELETE FROM claim", ())?;
    ledger.claims = Claims::open(last, Vec::new());
    Ok(())
}

fn rows(connection: &Connection) -> Sql<Vec<(u64, bool, Vec<u8>)>> {
    connection
        .prepare("SELECT id, alone, members FROM claim ORDER BY id")?
        .query_map((), |row| Ok((number(row, 0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}
