//! Accepting: each draft is put in its place at once, and all are taken back if one is refused.
//!
//! Under the store's one lock nobody sees the difference, and bounds, ids and duplicates within a
//! batch need no tally of their own.

use super::ids::Spot;
use super::kept::Kept;
use super::state::{State, Taken};
use crate::{
    Bound, Bounds, Draft, Fingerprint, Fresh, LaneId, MessageId, Receipt, Refusal, Timestamp,
};
use std::sync::Arc;

/// A batch that was taken.
#[derive(Debug)]
pub struct Accepted {
    /// The answer to each draft, in order.
    pub receipts: Vec<Receipt>,
    /// What may go straight to the scheduler.
    pub fresh: Vec<Fresh>,
}

impl State {
    /// Takes a batch as a whole; see [`Store::accept`](crate::Store::accept).
    ///
    /// # Errors
    /// Every draft at fault; nothing was taken.
    pub fn accept(
        &mut self,
        batch: Vec<Draft>,
        bounds: &Bounds,
        now: Timestamp,
    ) -> Result<Accepted, Vec<Refusal>> {
        let mut receipts = Vec::with_capacity(batch.len());
        let mut fresh = Vec::with_capacity(batch.len());
        let mut spots = Vec::with_capacity(batch.len());
        let mut refusals = Vec::new();
        for (index, draft) in batch.into_iter().enumerate() {
            match self.is_duplicate(&draft) {
                Err(Conflict) => refusals.push(Refusal { index, bound: None }),
                Ok(Some(id)) => {
                    receipts.push(Receipt { id: MessageId::Given(id), duplicate: true });
                }
                Ok(None) => match self.admit(draft, bounds, now) {
                    Err(bound) => refusals.push(Refusal { index, bound: Some(bound) }),
                    Ok((receipt, spot, news)) => {
                        receipts.push(receipt);
                        spots.push(spot);
                        fresh.extend(news);
                    }
                },
            }
        }
        if refusals.is_empty() {
            return Ok(Accepted { receipts, fresh });
        }
        for spot in spots.into_iter().rev() {
            self.withdraw(spot);
        }
        Err(refusals)
    }

    fn is_duplicate(&self, draft: &Draft) -> Result<Option<Arc<str>>, Conflict> {
        let Some((id, fingerprint)) = &draft.id else { return Ok(None) };
        match self.ids.find(id) {
            None => Ok(None),
            Some(known) if known.fingerprint == *fingerprint => Ok(Some(id.clone())),
            Some(_) => Err(Conflict),
        }
    }

    fn admit(
        &mut self,
        draft: Draft,
        bounds: &Bounds,
        now: Timestamp,
    ) -> Result<(Receipt, Spot, Option<Fresh>), Bound> {
        let Draft { topic, key, event, payload, id, deliver_at, expires_at, held } = draft;
        let due = deliver_at.filter(|at| *at > now);
        let lane = self.lanes.intern(key, topic);
        if let Err(bound) = self.check(lane, bounds, id.is_some(), held && due.is_none()) {
            self.lanes.retire(lane);
            return Err(bound);
        }
        let default = bounds.expires_after.map(|span| due.unwrap_or(now).after(span));
        let (given, fingerprint) = id.unzip();
        let kept = Kept {
            given,
            event,
            payload,
            accepted_at: now,
            expires_at: expires_at.or(default),
            past: None,
            claimed: 0,
            alone: false,
        };
        Ok(self.place(kept, fingerprint, lane, due))
    }

    fn check(
        &self,
        lane: LaneId,
        bounds: &Bounds,
        has_id: bool,
        will_be_held: bool,
    ) -> Result<(), Bound> {
        let Some(state) = self.lanes.find(lane) else { return Err(Bound::Backlog) };
        let of_key = self.lanes.keys[state.key].backlog;
        let last_tenth = bounds.backlog - bounds.backlog / 10;
        if self.backlog >= bounds.backlog
            || (self.backlog >= last_tenth && of_key >= Bounds::SMALL_KEY)
        {
            return Err(Bound::Backlog);
        }
        if of_key >= bounds.backlog_per_key {
            return Err(Bound::BacklogPerKey);
        }
        if will_be_held && self.lanes.topics[state.topic].records >= bounds.held_per_topic {
            return Err(Bound::HeldPerTopic);
        }
        if has_id && self.ids.len() as u64 >= bounds.ids {
            return Err(Bound::Ids);
        }
        Ok(())
    }

    fn place(
        &mut self,
        kept: Kept,
        fingerprint: Option<Fingerprint>,
        id: LaneId,
        due: Option<Timestamp>,
    ) -> (Receipt, Spot, Option<Fresh>) {
        let (seq, salt) = (self.next_seq(), self.salt);
        let receipt = Receipt { id: kept.id(id, seq, salt), duplicate: false };
        let spot = due.map_or(Spot::Lane(id, seq), |due| Spot::Schedule(due, seq));
        if let (Some(given), Some(fingerprint)) = (&kept.given, fingerprint) {
            self.ids.insert(given.clone(), fingerprint, spot);
        }
        self.backlog += 1;
        let Some(state) = self.lanes.find(id) else { return (receipt, spot, None) };
        let (lane, key, previous) = (state.lane.clone(), state.key, state.records.last());
        let is_open = state.block.is_none() && due.is_none();
        self.lanes.keys[key].backlog += 1;
        let fresh = is_open
            .then(|| Fresh { previous: Some(previous), record: kept.record(&lane, seq, salt) });
        match due {
            None => self.lanes.push(id, seq, kept),
            Some(due) => self.put_off(Taken { kept, lane, seq }, due),
        }
        (receipt, spot, fresh)
    }

    /// Undoes what [`State::place`] did.
    fn withdraw(&mut self, spot: Spot) {
        let Some(Taken { kept, lane, seq }) = self.take(spot) else { return };
        self.uncount(lane.id);
        match &kept.given {
            Some(id) => self.ids.remove(id),
            None => self.ids.forget_place(kept.first_place(lane.id, seq)),
        }
    }
}

/// The id is taken by a message that differs.
struct Conflict;
