//! Looking in: one message by its id, and the counts, which are kept as things change.

use crate::error::strange;
use crate::ids::read_id;
use crate::message::{Body, Kept, Letter, Past};
use crate::reply::{Parts, lane, lane_id, moment, number};
use redis::Value;
use roundsman_store::{
    Counts, DeadReason, History, IdSalt, Key, KeyCounts, LaneId, Sighting, State, StoreError,
    Timestamp,
};
use std::sync::Arc;
use std::time::Duration;

/// How long an id outlives its message; the scripts know it too.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn counts(answer: Value) -> Result<Counts, StoreError> {
    let mut parts = Parts::of(answer)?;
    Ok(Counts {
        backlog: parts.number()?,
        scheduled: parts.number()?,
        held: parts.number()?,
        dead: parts.number()?,
        ids: parts.number()?,
    })
}

/// The counts of one key: its backlog, and what is held of it.
pub(crate) fn key_counts(answers: &[Value]) -> Result<KeyCounts, StoreError> {
    let mut counts = answers.iter().map(|answer| match answer {
        Value::Nil => Ok(0),
        answer => number(answer),
    });
    let mut next = || counts.next().unwrap_or(Ok(0));
    Ok(KeyCounts { backlog: next()?, held: next()? })
}

/// What was found of the message with this id.
pub(crate) fn found(id: &str, salt: IdSalt, answer: Value) -> Result<Option<Sighting>, StoreError> {
    let mut parts = Parts::of(answer)?;
    if parts.len() == 0 {
        return Ok(None);
    }
    match &*parts.text()? {
        "K" => kept(id, parts).map(Some),
        "X" => {
            parts.next()?;
            let (letter, body) = (parts.bytes()?, parts.bytes()?);
            if letter.is_empty() {
                return Ok(None);
            }
            dead(&read_letter(&letter)?, &Body::read(body.into())?, salt).map(Some)
        }
        "D" => gone(id, State::Delivered, parts),
        "E" => gone(id, State::Expired, parts),
        _ => Ok(None),
    }
}

fn kept(id: &str, mut parts: Parts) -> Result<Sighting, StoreError> {
    let seq = parts.text()?.parse().map_err(|_| strange("no sequence"))?;
    let kept = Kept::read(parts.bytes()?)?;
    let past = Past::read(&parts.bytes()?)?;
    let lane = lane(kept.lane, &parts.text()?)?;
    let block = parts.text()?;
    let history = past.history()?;
    let has_failed = history.failures > 0;
    let (state, due_at) = match (kept.due, block.split_at_checked(1)) {
        (Some(due), _) if has_failed => (State::Retrying, Some(due)),
        (Some(due), _) => (State::Scheduled, Some(due)),
        (None, Some(("A", _))) => (State::Held, None),
        (None, Some(("U", at))) if has_failed => (State::Retrying, moment(at)?),
        _ => (State::Ready, None),
    };
    Ok(Sighting {
        id: id.into(),
        state,
        topic: lane.topic.clone(),
        key: lane.key.clone(),
        event: kept.body.event()?.into(),
        accepted_at: kept.accepted,
        due_at,
        expires_at: kept.expires,
        settled_at: None,
        history,
        attempts: past.log()?,
        reason: None,
        place: kept.due.is_none().then_some((lane.id, seq)),
    })
}

pub(crate) fn read_letter(bytes: &[u8]) -> Result<Letter, StoreError> {
    serde_json::from_slice(bytes).map_err(|_| strange("no dead letter"))
}

/// A dead letter's id as text.
pub(crate) fn id_of(letter: &Letter, salt: IdSalt) -> Result<Arc<str>, StoreError> {
    Ok(read_id(&letter.id, salt)?.to_string().into())
}

/// The lane that a letter lay in.
pub(crate) fn lane_of(letter: &Letter) -> Result<(LaneId, Key), StoreError> {
    Ok((lane_id(&letter.lane)?, Key::parse(&letter.key).map_err(|_| strange("no key"))?))
}

pub(crate) fn dead(letter: &Letter, body: &Body, salt: IdSalt) -> Result<Sighting, StoreError> {
    Ok(Sighting {
        id: id_of(letter, salt)?,
        state: State::Dead,
        topic: letter.topic.clone(),
        key: lane_of(letter)?.1,
        event: body.event()?.into(),
        accepted_at: moment(&letter.accepted)?.unwrap_or_default(),
        due_at: None,
        expires_at: moment(&letter.expires)?,
        settled_at: moment(&letter.died)?,
        history: letter.past.history()?,
        attempts: letter.past.log()?,
        reason: DeadReason::parse(&letter.reason),
        place: None,
    })
}

/// Reads `settled accepted expires attempts length:name past`.
fn gone(id: &str, state: State, mut parts: Parts) -> Result<Option<Sighting>, StoreError> {
    let now: Timestamp = parts.moment()?.unwrap_or_default();
    let text = parts.text()?;
    let mut words = text.splitn(5, ' ');
    let mut word = || words.next().ok_or_else(|| strange("no memory of an id"));
    let settled = moment(word()?)?.unwrap_or_default();
    let (accepted, expires) = (moment(word()?)?.unwrap_or_default(), moment(word()?)?);
    let attempts = word()?.parse().map_err(|_| strange("no attempts"))?;
    let (length, rest) = word()?.split_once(':').ok_or_else(|| strange("no name of a lane"))?;
    let length = length.parse().map_err(|_| strange("no name of a lane"))?;
    let (name, past) = rest.split_at_checked(length).ok_or_else(|| strange("no name"))?;
    if settled.after(REMEMBERED) <= now {
        return Ok(None);
    }
    let lane = lane(LaneId(0), name)?;
    let past = Past::read(past.as_bytes())?;
    Ok(Some(Sighting {
        id: id.into(),
        state,
        topic: lane.topic.clone(),
        key: lane.key.clone(),
        event: "".into(),
        accepted_at: accepted,
        due_at: None,
        expires_at: expires,
        settled_at: Some(settled),
        history: History { attempts, ..past.history()? },
        attempts: past.log()?,
        reason: None,
        place: None,
    }))
}
