//! Accepting: every draft of a batch is judged before the first is taken.
//!
//! A batch shares its transaction with others, so that a refused one must leave no trace in it.

use super::changes::{NewId, NewMessage};
use super::kept::Kept;
use super::ledger::{Ledger, Outcome, Step};
use super::message::Shifted;
use super::wants::Known;
use crate::fate::Fate;
use crate::lane_row::Shift;
use roundsman_store::{
    AcceptError, Bound, Bounds, Draft, Fingerprint, Fresh, Key, MessageId, Receipt, Record,
    Refusal, Timestamp,
};
use std::collections::HashMap;
use std::sync::Arc;

/// What is to be done with a draft that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Take,
    /// Take it, and forget what its id meant before.
    Renew,
    Duplicate,
}

/// The id is taken by a message that differs.
struct Conflict;

/// Accepts a batch as a whole, or nothing of it.
pub(super) fn accept(
    ledger: &mut Ledger,
    (batch, bounds): &mut (Vec<Draft>, Bounds),
) -> Outcome<Vec<Receipt>, AcceptError> {
    let now = ledger.now();
    if !ledger.is_batch_at_hand(batch, bounds, now) {
        return Step::Load;
    }
    let judged = Judge::of(ledger, *bounds, now).judge(batch);
    let refusals: Vec<_> =
        judged.iter().filter_map(|verdict| verdict.as_ref().err()).copied().collect();
    if !refusals.is_empty() {
        return Step::Done(Err(AcceptError::Refused(refusals)));
    }
    let drafts = std::mem::take(batch).into_iter().zip(judged);
    let last = ledger.last_seq();
    ledger.ages.accepted(now, last, bounds.expires_after);
    let receipts = drafts.map(|(draft, verdict)| match &draft.id {
        Some((id, _)) if verdict == Ok(Verdict::Duplicate) => {
            Receipt { id: MessageId::Given(id.clone()), duplicate: true }
        }
        _ => ledger.take_in(draft, verdict == Ok(Verdict::Renew), bounds, now),
    });
    Step::Done(Ok(receipts.collect()))
}

/// Judges the drafts of one batch.
struct Judge<'a> {
    ledger: &'a mut Ledger,
    bounds: Bounds,
    now: Timestamp,
    /// Of this batch so far: messages, ids, messages of a key, and in the lanes of a topic.
    taken: u64,
    ids: HashMap<Arc<str>, Fingerprint>,
    keys: HashMap<Key, u64>,
    topics: HashMap<Arc<str>, u64>,
}

impl<'a> Judge<'a> {
    fn of(ledger: &'a mut Ledger, bounds: Bounds, now: Timestamp) -> Self {
        let (ids, keys, topics) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { ledger, bounds, now, taken: 0, ids, keys, topics }
    }

    fn judge(mut self, batch: &[Draft]) -> Vec<Result<Verdict, Refusal>> {
        let judged = batch.iter().enumerate().map(|(index, draft)| {
            let verdict =
                self.identify(draft).map_err(|Conflict| Refusal { index, bound: None })?;
            if verdict == Verdict::Duplicate {
                return Ok(verdict);
            }
            if let Some(bound) = self.check(draft) {
                return Err(Refusal { index, bound: Some(bound) });
            }
            self.count(draft);
            Ok(verdict)
        });
        judged.collect()
    }

    /// Whether the draft's id is new, or known and the same message, or taken.
    fn identify(&mut self, draft: &Draft) -> Result<Verdict, Conflict> {
        let Some((id, fingerprint)) = &draft.id else { return Ok(Verdict::Take) };
        let same = |known: Option<&Fingerprint>| {
            if known == Some(fingerprint) { Ok(Verdict::Duplicate) } else { Err(Conflict) }
        };
        if let Some(known) = self.ids.get(id) {
            return same(Some(known));
        }
        match self.ledger.peek_id(id).flatten() {
            Some(known) if known.is_forgotten(self.now) => Ok(Verdict::Renew),
            Some(known) => same(known.fingerprint.as_ref()),
            // One namespace: a sender cannot take an id that was made here.
            None if self.ledger.made_spot(id).is_some() => Err(Conflict),
            None => Ok(Verdict::Take),
        }
    }

    /// The bound that the draft would go past.
    fn check(&mut self, draft: &Draft) -> Option<Bound> {
        let (bounds, ledger) = (&self.bounds, &mut *self.ledger);
        let backlog = ledger.counts.backlog + self.taken;
        let last_tenth = bounds.backlog - bounds.backlog / 10;
        let of_key = ledger.accounts.of(&draft.key).backlog
            + self.keys.get(&draft.key).copied().unwrap_or(0);
        if backlog >= bounds.backlog || (backlog >= last_tenth && of_key >= Bounds::SMALL_KEY) {
            return Some(Bound::Backlog);
        }
        if of_key >= bounds.backlog_per_key {
            return Some(Bound::BacklogPerKey);
        }
        if draft.held && is_ready(draft, self.now) {
            let of_topic = ledger.accounts.topic(&draft.topic)
                + self.topics.get(&draft.topic).copied().unwrap_or(0);
            if of_topic >= bounds.held_per_topic {
                return Some(Bound::HeldPerTopic);
            }
        }
        let ids = ledger.counts.ids + self.ids.len() as u64;
        (draft.id.is_some() && ids >= bounds.ids).then_some(Bound::Ids)
    }

    fn count(&mut self, draft: &Draft) {
        self.taken += 1;
        if let Some((id, fingerprint)) = &draft.id {
            self.ids.insert(id.clone(), *fingerprint);
        }
        if self.bounds.backlog_per_key != u64::MAX || self.bounds.backlog != u64::MAX {
            *self.keys.entry(draft.key.clone()).or_default() += 1;
        }
        if is_ready(draft, self.now) && self.bounds.held_per_topic != u64::MAX {
            *self.topics.entry(draft.topic.clone()).or_default() += 1;
        }
    }
}

fn is_ready(draft: &Draft, now: Timestamp) -> bool {
    draft.deliver_at.is_none_or(|at| at <= now)
}

impl Ledger {
    /// Whether all that a batch touches is in memory; what is not is wanted.
    fn is_batch_at_hand(&mut self, batch: &[Draft], bounds: &Bounds, now: Timestamp) -> bool {
        let mut all = true;
        for draft in batch {
            let Self { lanes, accounts, wants, .. } = self;
            all &= lanes.is_name_at_hand(&draft.key, &draft.topic, wants);
            all &= accounts.is_at_hand(&draft.key, wants);
            if draft.held && bounds.held_per_topic != u64::MAX && is_ready(draft, now) {
                all &= accounts.is_topic_at_hand(&draft.topic, wants);
            }
            if let Some((id, _)) = &draft.id {
                all &= self.id(id).is_some();
            }
        }
        all
    }

    /// Takes one in; `renews` says that its id meant another message once.
    fn take_in(&mut self, draft: Draft, renews: bool, bounds: &Bounds, now: Timestamp) -> Receipt {
        let due = draft.deliver_at.filter(|at| *at > now);
        let default = bounds.expires_after.map(|span| due.unwrap_or(now).after(span));
        let expires = draft.expires_at.or(default);
        let lane = self.intern(draft.key.clone(), draft.topic.clone());
        let seq = self.next_seq();
        let kept = Kept {
            lane,
            seq,
            due,
            expires,
            is_named: draft.expires_at.is_some(),
            accepted: now,
            id: draft.id.as_ref().map(|(id, _)| id.clone()),
            past: None,
        };
        self.touch(seq);
        self.name(&draft, renews, &kept);
        let shifted = self.shift(lane, if due.is_none() { Shift::In(seq) } else { Shift::Later });
        let id = match &kept.id {
            Some(id) => MessageId::Given(id.clone()),
            None => MessageId::Made { salt: self.salt, lane, seq },
        };
        if let Some(shifted) = shifted.filter(|_| due.is_none()) {
            // Most messages are settled soon: their row need not be read for that.
            self.recent.insert(seq, kept.clone());
            self.announce(&draft, &id, &kept, shifted);
        }
        let Draft { event, payload, .. } = draft;
        self.changes.new.push(NewMessage { kept, event, payload });
        Receipt { id, duplicate: false }
    }

    /// Remembers a sender's id from now on.
    fn name(&mut self, draft: &Draft, renews: bool, kept: &Kept) {
        let Some((id, fingerprint)) = &draft.id else { return };
        let (spot, fingerprint) = (kept.spot(), Some(*fingerprint));
        if renews {
            self.changes.ids_forgotten.push(id.clone());
        } else {
            self.counts.ids += 1;
        }
        self.learn(id, Some(Known { fingerprint, spot, fate: Fate::Kept, settled: None }));
        self.changes.ids_new.push(NewId {
            id: id.clone(),
            fingerprint,
            spot,
            key: draft.key.clone(),
            topic: draft.topic.clone(),
            accepted: kept.accepted,
            expires: kept.expires,
        });
    }

    fn announce(&mut self, draft: &Draft, id: &MessageId, kept: &Kept, shifted: Shifted) {
        let Shifted { lane, previous, is_blocked } = shifted;
        if is_blocked {
            return;
        }
        let record = Record {
            lane,
            seq: kept.seq,
            id: id.clone(),
            event: draft.event.clone(),
            payload: draft.payload.clone(),
            accepted_at: kept.accepted,
            expires_at: kept.expires,
            history: None,
        };
        self.fresh.push(Fresh { previous, record });
    }
}
