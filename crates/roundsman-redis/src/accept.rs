//! Accepting: the drafts as the script wants them, and its answer as receipts and news.

use crate::door::Door;
use crate::error::strange;
use crate::message::Body;
use crate::reply::{Parts, lane_id, name};
use crate::scripts::Verb;
use crate::writer::Ledger;
use redis::{Cmd, Value};
use roundsman_store::{
    AcceptError, Bound, Bounds, Draft, Fresh, IdSalt, Lane, LaneId, MessageId, Receipt, Record,
    Refusal, StoreError, Timestamp, shard_of,
};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A batch on its way, with the lanes that it names.
#[derive(Debug)]
pub(crate) struct Batch {
    drafts: Vec<Draft>,
    bounds: Bounds,
    /// For each draft, which of `lanes` it goes to.
    lane_of: Vec<usize>,
    /// For each lane, one of its drafts.
    lanes: Vec<usize>,
}

impl Batch {
    pub(crate) fn of(drafts: Vec<Draft>, bounds: Bounds) -> Self {
        let (mut known, mut lanes) = (FxHashMap::default(), Vec::new());
        let mut lane_of = Vec::with_capacity(drafts.len());
        for (index, draft) in drafts.iter().enumerate() {
            let number = *known.entry((draft.key.as_str(), &*draft.topic)).or_insert_with(|| {
                lanes.push(index);
                lanes.len() - 1
            });
            lane_of.push(number);
        }
        Self { lane_of, lanes, drafts, bounds }
    }

    /// Bytes of it, about.
    pub(crate) fn weight(&self) -> usize {
        self.drafts.iter().map(|draft| draft.payload.len() + 64).sum()
    }

    /// What the script is asked; without an epoch by a node that stands by.
    pub(crate) fn call(&self, door: &Door, epoch: Option<u64>, salt: IdSalt) -> Cmd {
        let mut call = door.call(Verb::Accept, epoch);
        let Bounds { backlog, backlog_per_key, held_per_topic, ids, expires_after } = self.bounds;
        call.arg(backlog).arg(backlog - backlog / 10).arg(Bounds::SMALL_KEY);
        call.arg(backlog_per_key).arg(held_per_topic).arg(ids);
        match expires_after {
            Some(span) => call.arg(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
            None => call.arg(""),
        };
        call.arg(self.lanes.len());
        for index in &self.lanes {
            let Draft { key, topic, .. } = &self.drafts[*index];
            call.arg(name(key.as_str(), topic)).arg(format!("{:04x}", shard_of(key)));
            call.arg(key.as_str()).arg(&**topic);
        }
        for (draft, lane) in self.drafts.iter().zip(&self.lane_of) {
            add(&mut call, draft, lane + 1, salt);
        }
        call
    }

    /// What the script answered. News goes to the hints of the owner, since calls are answered in the
    /// order of their commits.
    pub(crate) fn finish(
        self,
        ledger: &mut Ledger,
        (salt, owns): (IdSalt, bool),
        answer: Value,
    ) -> Result<Vec<Receipt>, AcceptError> {
        let mut parts = Parts::of(answer)?;
        if parts.text()? == "R" {
            return Err(AcceptError::Refused(refusals(parts.list()?)?));
        }
        let now = parts.moment()?.ok_or_else(|| strange("no moment"))?;
        let first = parts.number()?;
        let mut duplicates = parts.list()?;
        let mut next =
            || if duplicates.len() > 0 { duplicates.number().map(Some) } else { Ok(None) };
        let mut duplicate = next()?;
        let mut lanes = self.places(parts.list()?)?;
        let (mut seq, mut fresh) = (first, Vec::with_capacity(self.drafts.len()));
        let mut receipts = Vec::with_capacity(self.drafts.len());
        for (index, (draft, lane)) in self.drafts.into_iter().zip(self.lane_of).enumerate() {
            let given = draft.id.as_ref().map(|(id, _)| MessageId::Given(id.clone()));
            if duplicate == Some(index as u64) {
                duplicate = next()?;
                let id = given.ok_or_else(|| strange("a duplicate without an id"))?;
                receipts.push(Receipt { id, duplicate: true });
                continue;
            }
            seq += 1;
            let place = lanes.get_mut(lane).and_then(Option::as_mut);
            let place = place.ok_or_else(|| strange("no lane"))?;
            let id = given.unwrap_or(MessageId::Made { salt, lane: place.lane.id, seq });
            receipts.push(Receipt { id: id.clone(), duplicate: false });
            fresh.extend(place.news(draft, id, seq, now, self.bounds));
        }
        if owns && !fresh.is_empty() {
            ledger.hints.lock().announce(fresh);
        }
        Ok(receipts)
    }

    fn places(&self, mut parts: Parts) -> Result<Vec<Option<Place>>, StoreError> {
        let mut places = Vec::with_capacity(self.lanes.len());
        for index in &self.lanes {
            let (lane, blocked, newest) = (parts.text()?, parts.number()?, parts.text()?);
            if lane.is_empty() {
                places.push(None);
                continue;
            }
            let Draft { key, topic, .. } = &self.drafts[*index];
            let id: LaneId = lane_id(&lane)?;
            let lane = Arc::new(Lane { id, key: key.clone(), topic: topic.clone() });
            let newest = newest.parse().ok();
            places.push(Some(Place { lane, is_blocked: blocked != 0, newest }));
        }
        Ok(places)
    }
}

/// A lane as the batch found it.
struct Place {
    lane: Arc<Lane>,
    is_blocked: bool,
    /// The newest message in it so far.
    newest: Option<u64>,
}

impl Place {
    fn news(
        &mut self,
        draft: Draft,
        id: MessageId,
        seq: u64,
        now: Timestamp,
        bounds: Bounds,
    ) -> Option<Fresh> {
        if draft.deliver_at.is_some_and(|at| at > now) {
            return None;
        }
        let previous = self.newest.replace(seq);
        if self.is_blocked {
            return None;
        }
        let default = bounds.expires_after.map(|span| now.after(span));
        let record = Record {
            lane: self.lane.clone(),
            seq,
            id,
            event: draft.event,
            payload: draft.payload,
            accepted_at: now,
            expires_at: draft.expires_at.or(default),
            history: None,
        };
        Some(Fresh { previous, record })
    }
}

fn add(call: &mut Cmd, draft: &Draft, lane: usize, salt: IdSalt) {
    let Draft { event, payload, id, deliver_at, expires_at, held, .. } = draft;
    let body = Body::write(event, payload);
    if id.is_none() && deliver_at.is_none() && expires_at.is_none() && !held {
        call.arg(lane).arg(body);
        return;
    }
    call.arg(format!("{lane}+"));
    match id {
        Some((id, fingerprint)) => {
            let is_ours = matches!(MessageId::parse(id, salt), MessageId::Made { .. });
            let fingerprint = u128::from_be_bytes(fingerprint.0);
            call.arg(&**id);
            call.arg(if is_ours { String::new() } else { format!("{fingerprint:032x}") });
        }
        None => {
            call.arg("").arg("");
        }
    }
    for moment in [deliver_at, expires_at] {
        call.arg(moment.map(|at| at.0.to_string()).unwrap_or_default());
    }
    call.arg(if *held { "1" } else { "" }).arg(body);
}

fn refusals(mut parts: Parts) -> Result<Vec<Refusal>, StoreError> {
    let mut refusals = Vec::with_capacity(parts.len() / 2);
    while parts.len() > 0 {
        let index = usize::try_from(parts.number()?).map_err(|_| strange("no index"))?;
        let bound = match parts.number()? {
            0 => None,
            1 => Some(Bound::Backlog),
            2 => Some(Bound::BacklogPerKey),
            3 => Some(Bound::HeldPerTopic),
            _ => Some(Bound::Ids),
        };
        refusals.push(Refusal { index, bound });
    }
    Ok(refusals)
}
