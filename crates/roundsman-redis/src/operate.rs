//! What a person does by hand: takes one back, looks through the dead, replays and drops them.

use crate::door::Door;
use crate::error::strange;
use crate::ids::{spots, write_id};
use crate::inspect::{dead, id_of, lane_of, read_letter};
use crate::link::Link;
use crate::message::{Body, Letter};
use crate::reply::{Parts, hex, lane_id, name, number};
use crate::scripts::Verb;
use crate::writer::Ledger;
use redis::{Cmd, Value};
use roundsman_store::{
    DeadLetter, DeadPage, DeadReason, IdSalt, Lane, LaneId, StoreError, Sweep, Swept, TakenBack,
    shard_of,
};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) fn take_back(
    ledger: &Ledger,
    salt: IdSalt,
    id: &str,
    place: Option<(LaneId, u64)>,
) -> Cmd {
    let mut call = ledger.call(Verb::TakeBack);
    call.arg(write_id(id, salt));
    match place {
        Some((lane, seq)) => call.arg(hex(lane)).arg(seq),
        None => call.arg("").arg(""),
    };
    call
}

pub(crate) fn taken_back(answer: Value) -> Result<TakenBack, StoreError> {
    let mut parts = Parts::of(answer)?;
    if parts.len() == 0 {
        return Ok(TakenBack::Elsewhere);
    }
    parts.next()?;
    let released = if parts.len() > 0 { Some(parts.lane()?) } else { None };
    Ok(TakenBack::Done { released })
}

/// The letters that pass, by their sequences, and where to go on.
#[derive(Debug)]
pub(crate) struct Picked {
    letters: Vec<(u64, Letter)>,
    next: Option<u64>,
}

/// How many letters are read in one go.
const PAGE: usize = 256;

/// Picks at most `limit` letters that pass, by looking at a bounded number.
pub(crate) async fn pick(
    link: &Link,
    door: &Door,
    salt: IdSalt,
    sweep: &Sweep,
    limit: usize,
) -> Result<Picked, StoreError> {
    let seqs = candidates(link, door, salt, sweep).await?;
    let (mut picked, mut bytes, mut last) = (Vec::new(), 0, sweep.after);
    let mut looked = 0;
    for page in seqs.chunks(PAGE) {
        for (seq, letter) in page.iter().zip(read(link, door, "letters", page).await?) {
            let is_enough = picked.len() >= limit.max(1) || bytes >= Sweep::BYTES;
            if is_enough || looked == Sweep::LOOKED_AT {
                return Ok(Picked { letters: picked, next: Some(last) });
            }
            looked += 1;
            last = *seq;
            let Value::BulkString(letter) = letter else { continue };
            let letter = read_letter(&letter)?;
            if passes(&letter, sweep)? {
                bytes += letter.size;
                picked.push((*seq, letter));
            }
        }
    }
    Ok(Picked { letters: picked, next: None })
}

fn passes(letter: &Letter, sweep: &Sweep) -> Result<bool, StoreError> {
    let reason = DeadReason::parse(&letter.reason).ok_or_else(|| strange("no reason"))?;
    let died = crate::reply::moment(&letter.died)?.unwrap_or_default();
    Ok(sweep.filter.matches((&lane_of(letter)?.1, &letter.topic), reason, died))
}

/// The sequences behind the cursor, one more than are looked at.
async fn candidates(
    link: &Link,
    door: &Door,
    salt: IdSalt,
    sweep: &Sweep,
) -> Result<Vec<u64>, StoreError> {
    if let Some(ids) = &sweep.filter.ids {
        let found = named(link, door, salt, ids).await?;
        return Ok(found.into_iter().filter(|seq| *seq > sweep.after).collect());
    }
    let mut call = redis::cmd("ZRANGEBYSCORE");
    call.arg(door.key("dead")).arg(format!("({}", sweep.after)).arg("+inf");
    call.arg("LIMIT").arg(0).arg(Sweep::LOOKED_AT + 1);
    let mut parts = Parts::of(link.ask(call).await?)?;
    let mut seqs = Vec::with_capacity(parts.len());
    while parts.len() > 0 {
        seqs.push(parts.number()?);
    }
    Ok(seqs)
}

/// Those of these ids that are dead.
async fn named(
    link: &Link,
    door: &Door,
    salt: IdSalt,
    ids: &[Arc<str>],
) -> Result<BTreeSet<u64>, StoreError> {
    let mut seqs = BTreeSet::new();
    for page in ids.chunks(PAGE) {
        let page: Vec<String> = page.iter().map(|id| write_id(id, salt)).collect();
        let spots = spots(link, door, &page).await?;
        seqs.extend(spots.into_iter().flatten().filter(|(is, _)| *is == 'X').map(|(_, seq)| seq));
    }
    Ok(seqs)
}

async fn read(link: &Link, door: &Door, key: &str, seqs: &[u64]) -> Result<Vec<Value>, StoreError> {
    if seqs.is_empty() {
        return Ok(Vec::new());
    }
    let mut call = redis::cmd("HMGET");
    call.arg(door.key(key)).arg(seqs);
    match link.ask(call).await? {
        Value::Array(values) => Ok(values),
        _ => Err(strange("no list")),
    }
}

/// A page of what was picked, with the payloads.
pub(crate) async fn page(
    link: &Link,
    door: &Door,
    salt: IdSalt,
    picked: Picked,
) -> Result<DeadPage, StoreError> {
    let seqs: Vec<u64> = picked.letters.iter().map(|(seq, _)| *seq).collect();
    let bodies = read(link, door, "bodies", &seqs).await?;
    let mut letters = Vec::with_capacity(bodies.len());
    for ((cursor, letter), body) in picked.letters.iter().zip(bodies) {
        // One that was replayed meanwhile is no longer dead.
        let Value::BulkString(body) = body else { continue };
        let body = Body::read(body.into())?;
        let sighting = dead(letter, &body, salt)?;
        letters.push(DeadLetter { cursor: *cursor, sighting, payload: body.payload() });
    }
    Ok(DeadPage { letters, next: picked.next })
}

/// What the script is asked to send again.
pub(crate) fn replay(call: &mut Cmd, picked: &Picked) -> Result<(), StoreError> {
    for (seq, letter) in &picked.letters {
        let shard = format!("{:04x}", shard_of(&lane_of(letter)?.1));
        call.arg(*seq).arg(name(&letter.key, &letter.topic)).arg(shard);
    }
    Ok(())
}

pub(crate) fn replayed(picked: Picked, salt: IdSalt, answer: Value) -> Result<Swept, StoreError> {
    let mut parts = Parts::of(answer)?;
    let mut swept = Swept { next: picked.next, ..Swept::default() };
    let mut letters = picked.letters.into_iter();
    while parts.len() > 0 {
        let (seq, lane, is_open) = (parts.number()?, parts.text()?, parts.number()? != 0);
        let letter = letters.find(|(of, _)| *of == seq).ok_or_else(|| strange("no letter"))?.1;
        let (_, key) = lane_of(&letter)?;
        let lane = Lane { id: lane_id(&lane)?, key, topic: letter.topic.clone() };
        let lane = Arc::new(lane);
        if is_open {
            swept.lanes.push(lane.clone());
        }
        swept.done.push((id_of(&letter, salt)?, lane));
    }
    swept.lanes.sort_unstable_by_key(|lane| lane.id);
    swept.lanes.dedup_by_key(|lane| lane.id);
    Ok(swept)
}

/// What the script is asked to remove.
pub(crate) fn drop_dead(call: &mut Cmd, picked: &Picked) {
    for (seq, _) in &picked.letters {
        call.arg(*seq);
    }
}

pub(crate) fn dropped(picked: &Picked, salt: IdSalt, answer: &Value) -> Result<Swept, StoreError> {
    let Value::Array(gone) = answer else { return Err(strange("no list")) };
    let gone = gone.iter().map(number).collect::<Result<BTreeSet<u64>, _>>()?;
    let mut swept = Swept { next: picked.next, ..Swept::default() };
    for (_, letter) in picked.letters.iter().filter(|(seq, _)| gone.contains(seq)) {
        let (id, key) = lane_of(letter)?;
        let lane = Arc::new(Lane { id, key, topic: letter.topic.clone() });
        swept.done.push((id_of(letter, salt)?, lane));
    }
    Ok(swept)
}
