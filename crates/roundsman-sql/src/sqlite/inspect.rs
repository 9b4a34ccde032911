//! Looking in: one message by its id, and the counts, which are kept as things change.

use super::books::read_counts;
use super::error::Sql;
use super::ids;
use super::ledger::Ledger;
use super::reader::Reader;
use super::row::{block, int, key, moment, number, text};
use crate::fate::Fate;
use crate::history::Past;
use roundsman_store::{
    Block, Counts, DeadReason, Key, KeyCounts, LaneId, MessageId, Sighting, State, StoreError,
    Timestamp,
};
use rusqlite::{OptionalExtension, Row};
use std::sync::Arc;

/// The totals.
pub(super) fn counts(reader: &mut Reader, (): ()) -> Sql<Result<Counts, StoreError>> {
    reader
        .connection
        .prepare_cached("SELECT backlog, scheduled, held, dead, ids FROM state")?
        .query_row((), |row| read_counts(row, 0))
        .map(Ok)
}

/// The counts of one key, from the books: the file is a little behind them.
#[expect(clippy::needless_pass_by_value, reason = "a call owns what it asks")]
pub(super) fn key_counts(ledger: &mut Ledger, key: Key) -> Sql<Result<KeyCounts, StoreError>> {
    let Ledger { connection, books, .. } = ledger;
    let account = books.accounts.of(connection, &key)?;
    Ok(Ok(KeyCounts { backlog: account.backlog, held: account.held }))
}

/// One message by its id.
#[expect(clippy::needless_pass_by_value, reason = "a call owns what it asks")]
pub(super) fn find(reader: &mut Reader, id: Arc<str>) -> Sql<Result<Option<Sighting>, StoreError>> {
    sight(reader, &id).map(Ok)
}

fn sight(reader: &Reader, id: &Arc<str>) -> Sql<Option<Sighting>> {
    let known = ids::find(&reader.connection, id)?;
    let Some(known) = known else {
        let MessageId::Made { lane, seq, .. } = MessageId::parse(id, reader.place.salt) else {
            return Ok(None);
        };
        let kept = match kept(reader, id, seq, Some(lane))? {
            None => dead(reader, id, seq, Some(lane))?,
            kept => kept,
        };
        return Ok(kept);
    };
    match known.fate {
        Fate::Kept => kept(reader, id, known.seq, None),
        Fate::Dead => dead(reader, id, known.seq, None),
        Fate::Delivered | Fate::Expired if known.is_forgotten(reader.place.clock.now()) => Ok(None),
        Fate::Gone => Ok(None),
        Fate::Delivered => gone(reader, id, State::Delivered),
        Fate::Expired => gone(reader, id, State::Expired),
    }
}

/// A message that is neither settled nor dead; with `lane`, only one that is still where that says.
fn kept(reader: &Reader, id: &Arc<str>, seq: u64, lane: Option<LaneId>) -> Sql<Option<Sighting>> {
    reader
        .connection
        .prepare_cached(
            "SELECT key, topic, accepted, expires, history, event, due, wait, until, lane.id
             FROM message JOIN lane ON lane.id = message.lane
             WHERE seq = ?1 AND (?2 IS NULL OR (message.lane = ?2 AND message.id IS NULL))",
        )?
        .query_row((int(seq), lane.map(|lane| int(lane.0))), |row| {
            let mut sighting = common(row, id)?;
            sighting.event = text(row, 5)?;
            let lane = LaneId(number(row, 9)?);
            let has_failed = sighting.history.failures > 0;
            (sighting.state, sighting.due_at) = match (moment(row, 6)?, block(row, 7)?) {
                (Some(due), _) if has_failed => (State::Retrying, Some(due)),
                (Some(due), _) => (State::Scheduled, Some(due)),
                (None, Some(Block::Absent)) => (State::Held, None),
                (None, Some(Block::Until(at))) if has_failed => (State::Retrying, Some(at)),
                (None, _) => (State::Ready, None),
            };
            sighting.place = moment(row, 6)?.is_none().then_some((lane, seq));
            Ok(sighting)
        })
        .optional()
}

/// A dead letter; with `lane`, only one that died where its made id says.
pub(super) fn dead(
    reader: &Reader,
    id: &Arc<str>,
    seq: u64,
    lane: Option<LaneId>,
) -> Sql<Option<Sighting>> {
    reader
        .connection
        .prepare_cached(
            "SELECT key, topic, accepted, expires, history, event, reason, died FROM dead
             WHERE seq = ?1 AND (?2 IS NULL OR (lane = ?2 AND id IS NULL))",
        )?
        .query_row((int(seq), lane.map(|lane| int(lane.0))), |row| {
            let mut sighting = common(row, id)?;
            sighting.state = State::Dead;
            sighting.event = text(row, 5)?;
            sighting.reason = DeadReason::parse(row.get_ref(6)?.as_str()?);
            sighting.settled_at = moment(row, 7)?;
            Ok(sighting)
        })
        .optional()
}

/// A message that is gone, as long as its id is remembered.
fn gone(reader: &Reader, id: &Arc<str>, state: State) -> Sql<Option<Sighting>> {
    reader
        .connection
        .prepare_cached(
            "SELECT key, topic, accepted, expires, history, settled FROM ids WHERE id = ?1",
        )?
        .query_row([&**id], |row| {
            Ok(Sighting { state, settled_at: moment(row, 5)?, ..common(row, id)? })
        })
        .optional()
}

/// What all have, from five columns: key, topic, accepted, expires, history.
fn common(row: &Row<'_>, id: &Arc<str>) -> Sql<Sighting> {
    let Past { history, log } =
        row.get_ref(4)?.as_blob_or_null()?.map(Past::decode).unwrap_or_default();
    Ok(Sighting {
        id: id.clone(),
        state: State::Ready,
        topic: text(row, 1)?,
        key: key(row, 0)?,
        event: "".into(),
        accepted_at: Timestamp(row.get(2)?),
        due_at: None,
        expires_at: moment(row, 3)?,
        settled_at: None,
        history,
        attempts: log,
        reason: None,
        place: None,
    })
}
