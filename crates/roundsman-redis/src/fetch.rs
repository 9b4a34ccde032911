//! Reading by lane: which lanes have something to do, and the next messages of each.

use crate::door::Door;
use crate::error::strange;
use crate::message::{Kept, Past};
use crate::reply::{Parts, hex, lane};
use crate::scripts::Verb;
use redis::{Cmd, Value};
use roundsman_store::{Ask, Fetched, IdSalt, Lane, LaneId, MessageId, Record, StoreError};
use std::sync::Arc;

pub(crate) fn walk(door: &Door, after: Option<LaneId>, limit: usize) -> Cmd {
    let mut call = door.call(Verb::Walk, None);
    call.arg(after.map(hex).unwrap_or_default()).arg(limit);
    call
}

pub(crate) fn walked(answer: Value) -> Result<Vec<Arc<Lane>>, StoreError> {
    Parts::of(answer)?.lanes()
}

pub(crate) fn fetch(door: &Door, asks: &[Ask]) -> Cmd {
    let mut call = door.call(Verb::Fetch, None);
    for Ask { lane, after, limit, max_bytes } in asks {
        call.arg(hex(*lane)).arg(after).arg(limit).arg(max_bytes);
    }
    call
}

pub(crate) fn fetched(
    asks: &[Ask],
    salt: IdSalt,
    answer: Value,
) -> Result<Vec<Fetched>, StoreError> {
    let mut parts = Parts::of(answer)?;
    let mut event = Arc::from("");
    asks.iter().map(|ask| fetched_lane(ask.lane, salt, parts.list()?, &mut event)).collect()
}

fn fetched_lane(
    id: LaneId,
    salt: IdSalt,
    mut parts: Parts,
    event: &mut Arc<str>,
) -> Result<Fetched, StoreError> {
    let more = parts.number()? != 0;
    let name = parts.text()?;
    let mut records = Vec::with_capacity(parts.len() / 3);
    if parts.len() > 0 {
        let lane = lane(id, &name)?;
        while parts.len() > 0 {
            records.push(record(&mut parts, &lane, salt, event)?);
        }
    }
    Ok(Fetched { lane: id, records, more })
}

fn record(
    parts: &mut Parts,
    lane: &Arc<Lane>,
    salt: IdSalt,
    event: &mut Arc<str>,
) -> Result<Record, StoreError> {
    let seq = parts.text()?.parse().map_err(|_| strange("no sequence"))?;
    let kept = Kept::read(parts.bytes()?)?;
    let past = parts.bytes()?;
    // Most messages of a read share their event.
    if kept.body.event()? != &**event {
        *event = kept.body.event()?.into();
    }
    let history = if past.is_empty() { None } else { Some(Past::read(&past)?.history()?) };
    let id: MessageId = kept.id(seq, salt)?;
    Ok(Record {
        lane: lane.clone(),
        seq,
        id,
        event: event.clone(),
        payload: kept.body.payload(),
        accepted_at: kept.accepted,
        expires_at: kept.expires,
        history: history.map(Box::new),
    })
}
