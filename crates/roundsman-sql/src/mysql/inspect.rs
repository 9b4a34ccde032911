//! Looking in: one message by its id, and pages of dead letters.

use super::connect::Connection;
use super::error::Sql;
use super::load::{known, letters};
use super::row::{block, bytes, bytes_or_none, int, key, moment, number, signed, text};
use super::rows::{Rows, table};
use crate::fate::Fate;
use crate::history::Past;
use crate::letter;
use crate::served::ask;
use crate::served::wants::{Known, Spot};
use bytes::Bytes;
use mysql_async::Row;
use roundsman_store::{
    Block, DeadLetter, DeadPage, DeadReason, IdSalt, LaneId, MessageId, Sighting, State, Sweep,
    Timestamp,
};
use std::sync::Arc;

macro_rules! kept {
    ($table:literal, $due:literal) => {
        concat!(
            "SELECT l.`key`, l.topic, m.accepted, m.expires, m.history, m.event, ",
            $due,
            ", l.wait, l.until, m.lane, m.seq
             FROM ",
            $table,
            " m STRAIGHT_JOIN roundsman_lane l ON l.id = m.lane
             WHERE m.lane = ? AND m.seq = ? AND (m.id IS NULL OR m.id = ?)"
        )
    };
}
const IN_LANE: &str = kept!("roundsman_message", "NULL");
const OUTSIDE: &str = kept!("roundsman_later", "m.due");
const DEAD: &str =
    "SELECT `key`, topic, accepted, expires, history, event, reason, died, payload, seq
     FROM roundsman_dead WHERE lane = ? AND seq = ? AND (id IS NULL OR id = ?)";
const PAGE: &str = concat!(
    "SELECT d.`key`, d.topic, d.accepted, d.expires, d.history, d.event, d.reason, d.died,
            d.payload, d.seq FROM ",
    table!("seq BIGINT"),
    " STRAIGHT_JOIN roundsman_dead d ON d.seq = j.seq ORDER BY d.seq"
);
const GONE: &str =
    "SELECT `key`, topic, accepted, expires, history, settled FROM roundsman_ids WHERE id = ?";

/// One message by its id.
pub(super) async fn find(
    connection: &mut Connection,
    id: Arc<str>,
    salt: IdSalt,
    now: Timestamp,
) -> Sql<Option<Sighting>> {
    let known = known(connection, std::slice::from_ref(&id)).await?;
    let Some((_, known)) = known.first() else {
        let Some(spot) = made(&id, salt) else { return Ok(None) };
        return match kept(connection, &id, spot).await? {
            None => dead(connection, &id, spot).await,
            kept => Ok(kept),
        };
    };
    let Known { fate, spot, .. } = *known;
    match fate {
        Fate::Kept => kept(connection, &id, spot).await,
        Fate::Dead => dead(connection, &id, spot).await,
        Fate::Delivered | Fate::Expired if known.is_forgotten(now) => Ok(None),
        Fate::Gone => Ok(None),
        Fate::Delivered => gone(connection, &id, State::Delivered).await,
        Fate::Expired => gone(connection, &id, State::Expired).await,
    }
}

/// Where the message was put that an id of ours was made for.
pub(super) fn made(id: &str, salt: IdSalt) -> Option<Spot> {
    match MessageId::parse(id, salt) {
        MessageId::Made { lane, seq, .. } => Some(Spot { lane, seq }),
        MessageId::Given(_) => None,
    }
}

/// A message that is neither settled nor dead.
async fn kept(connection: &mut Connection, id: &Arc<str>, spot: Spot) -> Sql<Option<Sighting>> {
    for statement in [IN_LANE, OUTSIDE] {
        let values =
            vec![signed(spot.lane.0).into(), signed(spot.seq).into(), id.as_bytes().into()];
        let rows = connection.query(statement, values).await?;
        let Some(row) = rows.first() else { continue };
        let Some(mut sighting) = common(row, id) else { return Ok(None) };
        sighting.event = text(row, 5);
        let has_failed = sighting.history.failures > 0;
        let due = moment(row, 6);
        (sighting.state, sighting.due_at) = match (due, block(row, 7)) {
            (Some(due), _) if has_failed => (State::Retrying, Some(due)),
            (Some(due), _) => (State::Scheduled, Some(due)),
            (None, Some(Block::Absent)) => (State::Held, None),
            (None, Some(Block::Until(at))) if has_failed => (State::Retrying, Some(at)),
            (None, _) => (State::Ready, None),
        };
        sighting.place = due.is_none().then(|| (LaneId(number(row, 9)), number(row, 10)));
        return Ok(Some(sighting));
    }
    Ok(None)
}

async fn dead(connection: &mut Connection, id: &Arc<str>, spot: Spot) -> Sql<Option<Sighting>> {
    let values = vec![signed(spot.lane.0).into(), signed(spot.seq).into(), id.as_bytes().into()];
    let rows = connection.query(DEAD, values).await?;
    Ok(rows.first().and_then(|row| died(row, id)))
}

fn died(row: &Row, id: &Arc<str>) -> Option<Sighting> {
    Some(Sighting {
        state: State::Dead,
        event: text(row, 5),
        reason: DeadReason::parse(&text(row, 6)),
        settled_at: moment(row, 7),
        ..common(row, id)?
    })
}

/// A message that is gone, as long as its id is remembered.
async fn gone(connection: &mut Connection, id: &Arc<str>, state: State) -> Sql<Option<Sighting>> {
    let rows = connection.query(GONE, vec![id.as_bytes().into()]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(common(row, id).map(|common| Sighting { state, settled_at: moment(row, 5), ..common }))
}

/// What all have, from five columns: key, topic, accepted, expires, history.
fn common(row: &Row, id: &Arc<str>) -> Option<Sighting> {
    let Past { history, log } = bytes_or_none(row, 4).map(Past::decode).unwrap_or_default();
    Some(Sighting {
        id: id.clone(),
        state: State::Ready,
        topic: text(row, 1),
        key: key(row, 0)?,
        event: "".into(),
        accepted_at: Timestamp(int(row, 2)),
        due_at: None,
        expires_at: moment(row, 3),
        settled_at: None,
        history,
        attempts: log,
        reason: None,
        place: None,
    })
}

/// A page of dead letters.
pub(super) async fn page(
    connection: &mut Connection,
    sweep: &Sweep,
    salt: IdSalt,
) -> Sql<DeadPage> {
    let found = letters(connection, &ask(sweep), |id| made(id, salt)).await?;
    let (picked, next) = letter::step(found.into_iter(), sweep, sweep.limit);
    let seqs = Rows::of(&picked, |cells, letter| cells.int(signed(letter.seq)));
    let rows = connection.query(PAGE, vec![seqs]).await?;
    let mut page = DeadPage { letters: Vec::with_capacity(picked.len()), next };
    for row in &rows {
        let cursor = number(row, 9);
        let Some(letter) = picked.iter().find(|letter| letter.seq == cursor) else { continue };
        let Some(sighting) = died(row, &letter.id(salt)) else { continue };
        let payload = Bytes::copy_from_slice(bytes(row, 8));
        page.letters.push(DeadLetter { cursor, sighting, payload });
    }
    Ok(page)
}
