//! Parts of a state, as a checkpoint keeps them.

use crate::codec::{In, Out};
use crate::verb::{put_block, put_time, take_block, take_reason, take_time};
use bytes::Bytes;
use roundsman_store::{
    Attempt, ClaimId, Fingerprint, History, IdSalt, Key, Lane, LaneId, Saved, SavedGone, SavedLane,
    SavedMessage, SavedPast, SavedPlace, State, Timestamp,
};
use std::collections::HashMap;
use std::sync::Arc;

/// The lanes that parts name by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Lanes(HashMap<LaneId, Arc<Lane>>);

/// Writes one part down. A lane that is named without having been among those known (it ran empty
/// long ago, and a dead letter is left) is written out each time.
pub(crate) fn put(out: &mut Out, part: &Saved, known: &mut Lanes) {
    match part {
        Saved::Head(salt, (seq, lane, claim)) => {
            out.byte(0);
            for number in [salt.0, *seq, *lane, claim.0] {
                out.u64(number);
            }
        }
        Saved::Lane(lane) => {
            out.byte(1);
            put_lane(out, lane);
            known.0.insert(lane.id, lane.clone());
        }
        Saved::Message(message) => {
            out.byte(2);
            put_message(out, message, known);
        }
        Saved::Gone(gone) => {
            out.byte(3);
            put_gone(out, gone, known);
        }
        Saved::Rest(rest) => {
            out.byte(4);
            out.u64(rest.id.0);
            out.option(rest.block, put_block);
            put_time(out, rest.expiring_at);
            put_time(out, rest.last_expiry);
            out.flag(rest.expires_in_order);
        }
        Saved::Idle(id) => {
            out.byte(5);
            out.u64(id.0);
        }
    }
}

/// Reads the next one.
pub(crate) fn take(bytes: &mut In, known: &mut Lanes) -> Option<Saved> {
    Some(match bytes.byte()? {
        0 => {
            let salt = IdSalt(bytes.u64()?);
            Saved::Head(salt, (bytes.u64()?, bytes.u64()?, ClaimId(bytes.u64()?)))
        }
        1 => {
            let lane = take_lane(bytes)?;
            known.0.insert(lane.id, lane.clone());
            Saved::Lane(lane)
        }
        2 => Saved::Message(Box::new(take_message(bytes, known)?)),
        3 => Saved::Gone(Box::new(take_gone(bytes, known)?)),
        4 => Saved::Rest(SavedLane {
            id: LaneId(bytes.u64()?),
            block: bytes.option(take_block)?,
            expiring_at: take_time(bytes)?,
            last_expiry: take_time(bytes)?,
            expires_in_order: bytes.flag()?,
        }),
        5 => Saved::Idle(LaneId(bytes.u64()?)),
        _ => return None,
    })
}

fn put_lane(out: &mut Out, lane: &Lane) {
    out.u64(lane.id.0);
    out.text(lane.key.as_str());
    out.text(&lane.topic);
}

fn take_lane(bytes: &mut In) -> Option<Arc<Lane>> {
    let id = LaneId(bytes.u64()?);
    let key = Key::parse(bytes.text()?).ok()?;
    Some(Arc::new(Lane { id, key, topic: bytes.text()?.into() }))
}

fn put_lane_of(out: &mut Out, lane: &Lane, known: &Lanes) {
    let is_known = known.0.contains_key(&lane.id);
    out.flag(is_known);
    if is_known {
        out.u64(lane.id.0);
    } else {
        put_lane(out, lane);
    }
}

fn take_lane_of(bytes: &mut In, known: &Lanes) -> Option<Arc<Lane>> {
    if bytes.flag()? { known.0.get(&LaneId(bytes.u64()?)).cloned() } else { take_lane(bytes) }
}

fn put_message(out: &mut Out, message: &SavedMessage, known: &Lanes) {
    put_lane_of(out, &message.lane, known);
    out.u64(message.seq);
    match message.place {
        SavedPlace::Lane => out.byte(0),
        SavedPlace::Schedule(due) => {
            out.byte(1);
            out.i64(due.0);
        }
        SavedPlace::Dead(reason, at) => {
            out.byte(2);
            out.text(reason.as_str());
            out.i64(at.0);
        }
    }
    out.option(message.id.as_ref(), put_id);
    out.text(&message.event);
    out.bytes(&message.payload);
    out.i64(message.accepted_at.0);
    put_time(out, message.expires_at);
    out.option(message.past.as_deref(), put_past);
    out.u32(message.claimed.0);
    out.flag(message.claimed.1);
}

fn take_message(bytes: &mut In, known: &Lanes) -> Option<SavedMessage> {
    Some(SavedMessage {
        lane: take_lane_of(bytes, known)?,
        seq: bytes.u64()?,
        place: match bytes.byte()? {
            0 => SavedPlace::Lane,
            1 => SavedPlace::Schedule(Timestamp(bytes.i64()?)),
            2 => SavedPlace::Dead(take_reason(bytes)?, Timestamp(bytes.i64()?)),
            _ => return None,
        },
        id: bytes.option(take_id)?,
        event: bytes.text()?.into(),
        payload: Bytes::copy_from_slice(bytes.bytes()?),
        accepted_at: Timestamp(bytes.i64()?),
        expires_at: take_time(bytes)?,
        past: bytes.option(take_past)?.map(Box::new),
        claimed: (bytes.u32()?, bytes.flag()?),
    })
}

fn put_gone(out: &mut Out, gone: &SavedGone, known: &Lanes) {
    put_id(out, &gone.id);
    put_lane_of(out, &gone.lane, known);
    out.option(gone.state, |out, state| {
        out.byte(match state {
            State::Delivered => 0,
            State::Expired => 1,
            // No message is gone in any other state; one read back is at least not found.
            _ => 2,
        });
    });
    out.i64(gone.accepted_at.0);
    put_time(out, gone.expires_at);
    out.i64(gone.settled_at.0);
    out.u32(gone.attempts);
    out.option(gone.past.as_deref(), put_past);
}

fn take_gone(bytes: &mut In, known: &Lanes) -> Option<SavedGone> {
    Some(SavedGone {
        id: take_id(bytes)?,
        lane: take_lane_of(bytes, known)?,
        state: bytes
            .option(|bytes| match bytes.byte()? {
                0 => Some(Some(State::Delivered)),
                1 => Some(Some(State::Expired)),
                2 => Some(None),
                _ => None,
            })?
            .flatten(),
        accepted_at: Timestamp(bytes.i64()?),
        expires_at: take_time(bytes)?,
        settled_at: Timestamp(bytes.i64()?),
        attempts: bytes.u32()?,
        past: bytes.option(take_past)?.map(Box::new),
    })
}

fn put_id(out: &mut Out, (id, fingerprint): &(Arc<str>, Fingerprint)) {
    out.text(id);
    out.0.extend(fingerprint.0);
}

fn take_id(bytes: &mut In) -> Option<(Arc<str>, Fingerprint)> {
    let id = bytes.text()?.into();
    Some((id, Fingerprint(bytes.array()?)))
}

fn put_past(out: &mut Out, past: &SavedPast) {
    let SavedPast { made, history, log } = past;
    out.option(*made, |out, (lane, seq)| {
        out.u64(lane.0);
        out.u64(seq);
    });
    for number in [history.attempts, history.failures, history.cuts, history.cuts_alone] {
        out.u32(number);
    }
    put_time(out, history.first_attempt_at);
    out.flag(history.augmented);
    out.count(log.len());
    for attempt in log {
        out.u32(attempt.number);
        out.i64(attempt.at.0);
        out.text(&attempt.what);
        out.option(attempt.status, Out::u16);
        out.option(attempt.answer.as_deref(), Out::text);
    }
}

fn take_past(bytes: &mut In) -> Option<SavedPast> {
    Some(SavedPast {
        made: bytes.option(|bytes| Some((LaneId(bytes.u64()?), bytes.u64()?)))?,
        history: History {
            attempts: bytes.u32()?,
            failures: bytes.u32()?,
            cuts: bytes.u32()?,
            cuts_alone: bytes.u32()?,
            first_attempt_at: take_time(bytes)?,
            augmented: bytes.flag()?,
        },
        log: bytes.many(|bytes| {
            Some(Attempt {
                number: bytes.u32()?,
                at: Timestamp(bytes.i64()?),
                what: bytes.text()?.into(),
                status: bytes.option(In::u16)?,
                answer: bytes.option(|bytes| bytes.text().map(Arc::from))?,
            })
        })?,
    })
}
