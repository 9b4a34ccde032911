//! Verbs: what an owner did to the state, as it is written down and performed again.

use crate::codec::{In, Out};
use crate::place::Place;
use bytes::Bytes;
use roundsman_store::{
    Block, Bounds, Claim, ClaimId, Claimed, DeadFilter, DeadReason, Draft, Endpoint, Failure,
    Fingerprint, Key, LaneId, MemoryState, Outcome, Pattern, Place as Waits, Release, Settlement,
    Sweep, Timestamp, Which,
};
use std::sync::Arc;

/// One verb, read back.
#[derive(Debug)]
pub(crate) enum Verb {
    /// A batch came in. Where its bounds are given it was refused, and left nothing but the
    /// numbers it had used.
    Accept(Vec<Draft>, Bounds),
    Claim(Claim),
    Settle(Settlement),
    Block(Vec<(LaneId, Block)>),
    Release(Release),
    Promote,
    TakeBack(Arc<str>, Option<(LaneId, u64)>),
    Replay(Sweep),
    DropDead(Sweep),
}

impl Verb {
    /// Performs it again.
    pub(crate) fn perform(self, state: &mut MemoryState, now: Timestamp) {
        match self {
            Self::Accept(batch, bounds) => drop(state.accept(batch, &bounds, now)),
            Self::Claim(claim) => drop(state.claim(&claim)),
            Self::Settle(settlement) => drop(state.settle(settlement, now)),
            Self::Block(lanes) => state.block(&lanes),
            Self::Release(which) => drop(state.release(which)),
            Self::Promote => drop(state.promote(now)),
            Self::TakeBack(id, place) => drop(state.take_back(&id, place, now)),
            Self::Replay(sweep) => drop(state.replay(&sweep)),
            Self::DropDead(sweep) => drop(state.drop_dead(&sweep, now)),
        }
    }

    /// Reads the next one of the record at `offset`.
    pub(crate) fn take(bytes: &mut In, offset: u64) -> Option<Self> {
        Some(match bytes.byte()? {
            0 => Self::Accept(bytes.many(|bytes| take_draft(bytes, Some(offset)))?, Bounds::NONE),
            1 => {
                let bounds = take_bounds(bytes)?;
                Self::Accept(bytes.many(|bytes| take_draft(bytes, None))?, bounds)
            }
            2 => Self::Claim(Claim {
                alone: bytes.flag()?,
                members: bytes.many(|bytes| {
                    let (lane, seq) = (LaneId(bytes.u64()?), bytes.u64()?);
                    Some(Claimed { lane, seq, attempt: bytes.u32()? })
                })?,
            }),
            3 => Self::Settle(take_settlement(bytes, offset)?),
            4 => Self::Block(bytes.many(|bytes| Some((LaneId(bytes.u64()?), take_block(bytes)?)))?),
            5 => Self::Release(take_release(bytes)?),
            6 => Self::Promote,
            7 => Self::TakeBack(bytes.text()?.into(), bytes.option(take_spot)?),
            8 => Self::Replay(take_sweep(bytes)?),
            9 => Self::DropDead(take_sweep(bytes)?),
            _ => return None,
        })
    }
}

/// Writes down a batch that came in; answers where each payload lies in the record.
pub(crate) fn put_accept(out: &mut Out, batch: &[Draft], offset: u64) -> Vec<Place> {
    out.byte(0);
    out.count(batch.len());
    batch
        .iter()
        .map(|draft| {
            put_names(out, draft);
            put_payload(out, &draft.payload, offset)
        })
        .collect()
}

/// Writes down a batch that was refused: only what the refusal followed from.
pub(crate) fn put_refused(out: &mut Out, batch: &[Draft], bounds: &Bounds) {
    out.byte(1);
    for bound in [bounds.backlog, bounds.backlog_per_key, bounds.held_per_topic, bounds.ids] {
        out.u64(bound);
    }
    out.count(batch.len());
    for draft in batch {
        put_names(out, draft);
    }
}

fn put_names(out: &mut Out, draft: &Draft) {
    out.text(&draft.topic);
    out.text(draft.key.as_str());
    out.text(&draft.event);
    out.option(draft.id.as_ref(), |out, (id, fingerprint)| {
        out.text(id);
        out.0.extend(fingerprint.0);
    });
    put_time(out, draft.deliver_at);
    put_time(out, draft.expires_at);
    out.flag(draft.held);
}

fn put_payload(out: &mut Out, payload: &Bytes, offset: u64) -> Place {
    out.count(payload.len());
    let place = Place::new(offset, out.0.len(), payload.len());
    out.0.extend(&payload[..]);
    place
}

/// Without an offset the payload was not written down.
fn take_draft(bytes: &mut In, offset: Option<u64>) -> Option<Draft> {
    Some(Draft {
        topic: bytes.text()?.into(),
        key: Key::parse(bytes.text()?).ok()?,
        event: bytes.text()?.into(),
        id: bytes.option(|bytes| {
            let id = bytes.text()?.into();
            Some((id, Fingerprint(bytes.array()?)))
        })?,
        deliver_at: take_time(bytes)?,
        expires_at: take_time(bytes)?,
        held: bytes.flag()?,
        payload: match offset {
            Some(offset) => take_payload(bytes, offset)?,
            None => Bytes::new(),
        },
    })
}

fn take_payload(bytes: &mut In, offset: u64) -> Option<Bytes> {
    let length = bytes.count()?;
    let position = bytes.skip(length)?;
    Some(Place::new(offset, position, length).to_bytes())
}

fn take_bounds(bytes: &mut In) -> Option<Bounds> {
    Some(Bounds {
        backlog: bytes.u64()?,
        backlog_per_key: bytes.u64()?,
        held_per_topic: bytes.u64()?,
        ids: bytes.u64()?,
        expires_after: None,
    })
}

pub(crate) fn put_claim(out: &mut Out, claim: &Claim) {
    out.byte(2);
    out.flag(claim.alone);
    out.count(claim.members.len());
    for member in &claim.members {
        out.u64(member.lane.0);
        out.u64(member.seq);
        out.u32(member.attempt);
    }
}

/// Writes down what became of an attempt; a payload that comes with it is replaced by its place.
pub(crate) fn put_settlement(out: &mut Out, settlement: &mut Settlement, offset: u64) {
    out.byte(3);
    match &settlement.which {
        Which::At { lane, seq, attempt } => {
            out.byte(0);
            out.u64(lane.0);
            out.u64(*seq);
            out.u32(*attempt);
        }
        Which::Id { id, topic } => {
            out.byte(1);
            out.text(id);
            out.text(topic);
        }
    }
    out.option(settlement.claim, |out, claim| out.u64(claim.0));
    put_outcome(out, &mut settlement.outcome, offset);
}

fn put_outcome(out: &mut Out, outcome: &mut Outcome, offset: u64) {
    match outcome {
        Outcome::Delivered => out.byte(0),
        Outcome::Sent => out.byte(1),
        Outcome::Released => out.byte(2),
        Outcome::Retry { at, place, failure, payload } => {
            out.byte(3);
            out.i64(at.0);
            out.flag(*place == Waits::Leave);
            put_failure(out, failure);
            out.option(payload.as_mut(), |out, payload| {
                *payload = put_payload(out, payload, offset).to_bytes();
            });
        }
        Outcome::Dead { reason, failure } => {
            out.byte(4);
            out.text(reason.as_str());
            out.option(failure.as_ref(), put_failure);
        }
        Outcome::Expired => out.byte(5),
        Outcome::Dropped => out.byte(6),
    }
}

fn take_settlement(bytes: &mut In, offset: u64) -> Option<Settlement> {
    let which = match bytes.byte()? {
        0 => {
            let (lane, seq) = take_spot(bytes)?;
            Which::At { lane, seq, attempt: bytes.u32()? }
        }
        1 => Which::Id { id: bytes.text()?.into(), topic: bytes.text()?.into() },
        _ => return None,
    };
    let claim = bytes.option(|bytes| bytes.u64().map(ClaimId))?;
    Some(Settlement { which, claim, outcome: take_outcome(bytes, offset)? })
}

fn take_outcome(bytes: &mut In, offset: u64) -> Option<Outcome> {
    Some(match bytes.byte()? {
        0 => Outcome::Delivered,
        1 => Outcome::Sent,
        2 => Outcome::Released,
        3 => Outcome::Retry {
            at: Timestamp(bytes.i64()?),
            place: if bytes.flag()? { Waits::Leave } else { Waits::Keep },
            failure: take_failure(bytes)?,
            payload: bytes.option(|bytes| take_payload(bytes, offset))?,
        },
        4 => Outcome::Dead { reason: take_reason(bytes)?, failure: bytes.option(take_failure)? },
        5 => Outcome::Expired,
        6 => Outcome::Dropped,
        _ => return None,
    })
}

fn put_failure(out: &mut Out, failure: &Failure) {
    out.i64(failure.at.0);
    out.text(&failure.what);
    out.option(failure.status, Out::u16);
    out.option(failure.answer.as_deref(), Out::text);
}

fn take_failure(bytes: &mut In) -> Option<Failure> {
    Some(Failure {
        at: Timestamp(bytes.i64()?),
        what: bytes.text()?.into(),
        status: bytes.option(In::u16)?,
        answer: bytes.option(|bytes| bytes.text().map(Arc::from))?,
    })
}

pub(crate) fn put_blocks(out: &mut Out, lanes: &[(LaneId, Block)]) {
    out.byte(4);
    out.count(lanes.len());
    for (lane, block) in lanes {
        out.u64(lane.0);
        put_block(out, *block);
    }
}

pub(crate) fn put_block(out: &mut Out, block: Block) {
    match block {
        Block::Absent => out.byte(0),
        Block::Until(at) => {
            out.byte(1);
            out.i64(at.0);
        }
        Block::Parked(endpoint) => {
            out.byte(2);
            out.u64(endpoint.0);
        }
    }
}

pub(crate) fn take_block(bytes: &mut In) -> Option<Block> {
    Some(match bytes.byte()? {
        0 => Block::Absent,
        1 => Block::Until(Timestamp(bytes.i64()?)),
        2 => Block::Parked(Endpoint(bytes.u64()?)),
        _ => return None,
    })
}

pub(crate) fn put_release(out: &mut Out, which: &Release) {
    out.byte(5);
    match which {
        Release::Topic(topic) => {
            out.byte(0);
            out.text(topic);
        }
        Release::Lanes(lanes) => {
            out.byte(1);
            out.count(lanes.len());
            lanes.iter().for_each(|lane| out.u64(lane.0));
        }
        Release::Endpoint(endpoint) => {
            out.byte(2);
            out.u64(endpoint.0);
        }
        Release::Endpoints => out.byte(3),
    }
}

fn take_release(bytes: &mut In) -> Option<Release> {
    Some(match bytes.byte()? {
        0 => Release::Topic(bytes.text()?.into()),
        1 => Release::Lanes(bytes.many(|bytes| bytes.u64().map(LaneId))?),
        2 => Release::Endpoint(Endpoint(bytes.u64()?)),
        3 => Release::Endpoints,
        _ => return None,
    })
}

pub(crate) fn put_promote(out: &mut Out) {
    out.byte(6);
}

pub(crate) fn put_take_back(out: &mut Out, id: &str, place: Option<(LaneId, u64)>) {
    out.byte(7);
    out.text(id);
    out.option(place, |out, (lane, seq)| {
        out.u64(lane.0);
        out.u64(seq);
    });
}

pub(crate) fn put_replay(out: &mut Out, sweep: &Sweep) {
    out.byte(8);
    put_sweep(out, sweep);
}

pub(crate) fn put_drop_dead(out: &mut Out, sweep: &Sweep) {
    out.byte(9);
    put_sweep(out, sweep);
}

fn put_sweep(out: &mut Out, sweep: &Sweep) {
    let Sweep { filter, after, limit } = sweep;
    out.option(filter.ids.as_ref(), |out, ids| {
        out.count(ids.len());
        ids.iter().for_each(|id| out.text(id));
    });
    out.option(filter.key.as_ref(), |out, key| out.text(key.as_str()));
    out.option(filter.topic.as_ref(), |out, topic| out.text(topic.as_str()));
    out.option(filter.reason, |out, reason| out.text(reason.as_str()));
    put_time(out, filter.since);
    put_time(out, filter.until);
    out.u64(*after);
    out.count(*limit);
}

fn take_sweep(bytes: &mut In) -> Option<Sweep> {
    let filter = DeadFilter {
        ids: bytes.option(|bytes| bytes.many(|bytes| bytes.text().map(Arc::from)))?,
        key: bytes.option(|bytes| Key::parse(bytes.text()?).ok())?,
        topic: bytes.option(|bytes| bytes.text().map(Pattern::new))?,
        reason: bytes.option(take_reason)?,
        since: take_time(bytes)?,
        until: take_time(bytes)?,
    };
    Some(Sweep { filter, after: bytes.u64()?, limit: bytes.count()? })
}

pub(crate) fn take_reason(bytes: &mut In) -> Option<DeadReason> {
    DeadReason::parse(bytes.text()?)
}

fn take_spot(bytes: &mut In) -> Option<(LaneId, u64)> {
    Some((LaneId(bytes.u64()?), bytes.u64()?))
}

pub(crate) fn put_time(out: &mut Out, at: Option<Timestamp>) {
    out.option(at, |out, at| out.i64(at.0));
}

pub(crate) fn take_time(bytes: &mut In) -> Option<Option<Timestamp>> {
    bytes.option(|bytes| bytes.i64().map(Timestamp))
}
