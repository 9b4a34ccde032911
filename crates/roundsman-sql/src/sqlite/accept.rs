//! Accepting: every draft of a batch is judged before the first is written.
//!
//! A batch shares its transaction with others, so that a refused one must leave no trace in it.
//! Judging reads and counts; only a batch without a fault is written. A savepoint would do as
//! well, and would cost every batch what only the refused ones need.

use super::books::Books;
use super::error::Sql;
use super::ids;
use super::ledger::Ledger;
use super::take::Taker;
use roundsman_store::{
    AcceptError, Bound, Bounds, Draft, Fingerprint, IdSalt, Key, MessageId, Receipt, Refusal,
    Timestamp,
};
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::Arc;

/// Accepts a batch as a whole, or nothing of it.
pub(super) fn accept(
    ledger: &mut Ledger,
    (batch, bounds): (Vec<Draft>, Bounds),
) -> Sql<Result<Vec<Receipt>, AcceptError>> {
    if let Err(full) = ledger.place.reserve.check(&ledger.connection)? {
        return Ok(Err(full.into()));
    }
    let now = ledger.place.clock.now();
    let judged = Judge::of(ledger, &batch, bounds, now).judge(&batch)?;
    let refusals: Vec<_> =
        judged.iter().filter_map(|verdict| verdict.as_ref().err()).copied().collect();
    if !refusals.is_empty() {
        return Ok(Err(AcceptError::Refused(refusals)));
    }
    let mut receipts = Vec::with_capacity(batch.len());
    let mut taker = Taker::of(ledger, batch.len(), bounds, now)?;
    for (draft, verdict) in batch.into_iter().zip(judged) {
        let duplicate = draft.id.as_ref().filter(|_| verdict == Ok(Verdict::Duplicate));
        let receipt = match duplicate {
            Some((id, _)) => Receipt { id: MessageId::Given(id.clone()), duplicate: true },
            None => taker.take(draft, verdict == Ok(Verdict::Renew))?,
        };
        receipts.push(receipt);
    }
    taker.flush()?;
    Ok(Ok(receipts))
}

/// What is to be done with a draft that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Take,
    /// Take it, and forget what its id meant before.
    Renew,
    Duplicate,
}

/// Judges the drafts of one batch.
struct Judge<'a> {
    connection: &'a Connection,
    books: &'a mut Books,
    salt: IdSalt,
    bounds: Bounds,
    now: Timestamp,
    /// As many as the batch has: a bound that is farther away is not reached by it.
    crowd: u64,
    /// What was taken of this batch already.
    taken: u64,
    ids: HashMap<Arc<str>, Fingerprint>,
    keys: HashMap<Key, u64>,
    topics: HashMap<Arc<str>, u64>,
}

impl<'a> Judge<'a> {
    fn of(ledger: &'a mut Ledger, batch: &[Draft], bounds: Bounds, now: Timestamp) -> Self {
        Self {
            connection: &ledger.connection,
            books: &mut ledger.books,
            salt: ledger.place.salt,
            bounds,
            now,
            crowd: batch.len() as u64,
            taken: 0,
            ids: HashMap::new(),
            keys: HashMap::new(),
            topics: HashMap::new(),
        }
    }

    fn judge(mut self, batch: &[Draft]) -> Sql<Vec<Result<Verdict, Refusal>>> {
        let mut verdicts = Vec::with_capacity(batch.len());
        for (index, draft) in batch.iter().enumerate() {
            let verdict = self.identify(draft)?.map_err(|Conflict| Refusal { index, bound: None });
            let verdict = match verdict {
                Ok(Verdict::Take | Verdict::Renew) => match self.check(draft)? {
                    Some(bound) => Err(Refusal { index, bound: Some(bound) }),
                    None => verdict,
                },
                done => done,
            };
            if let Ok(Verdict::Take | Verdict::Renew) = verdict {
                self.count(draft);
            }
            verdicts.push(verdict);
        }
        Ok(verdicts)
    }

    /// Whether the draft's id is new, or known and the same message, or taken.
    fn identify(&self, draft: &Draft) -> Sql<Result<Verdict, Conflict>> {
        let Some((id, fingerprint)) = &draft.id else { return Ok(Ok(Verdict::Take)) };
        let same = |known: Option<&Fingerprint>| {
            if known == Some(fingerprint) { Ok(Verdict::Duplicate) } else { Err(Conflict) }
        };
        if let Some(known) = self.ids.get(id) {
            return Ok(same(Some(known)));
        }
        match ids::find(self.connection, id)? {
            Some(known) if known.is_forgotten(self.now) => Ok(Ok(Verdict::Renew)),
            Some(known) => Ok(same(known.fingerprint.as_ref())),
            None => match MessageId::parse(id, self.salt) {
                MessageId::Given(_) => Ok(Ok(Verdict::Take)),
                // One namespace: a sender cannot take an id that was made here.
                MessageId::Made { .. } => Ok(Err(Conflict)),
            },
        }
    }

    /// The bound that the draft would go past.
    fn check(&mut self, draft: &Draft) -> Sql<Option<Bound>> {
        let bounds = self.bounds;
        let backlog = self.books.counts.backlog + self.taken;
        let last_tenth = bounds.backlog - bounds.backlog / 10;
        let of_key = self.books.accounts.of(self.connection, &draft.key)?.backlog;
        let of_key = of_key + self.keys.get(&draft.key).copied().unwrap_or(0);
        if backlog >= bounds.backlog || (backlog >= last_tenth && of_key >= Bounds::SMALL_KEY) {
            return Ok(Some(Bound::Backlog));
        }
        if of_key >= bounds.backlog_per_key {
            return Ok(Some(Bound::BacklogPerKey));
        }
        if self.will_be_held(draft) {
            let of_topic = self.books.in_topic(self.connection, &draft.topic)?;
            let of_topic = of_topic + self.topics.get(&draft.topic).copied().unwrap_or(0);
            if of_topic >= bounds.held_per_topic {
                return Ok(Some(Bound::HeldPerTopic));
            }
        }
        if draft.id.is_some() && self.books.counts.ids + self.ids.len() as u64 >= bounds.ids {
            return Ok(Some(Bound::Ids));
        }
        Ok(None)
    }

    fn count(&mut self, draft: &Draft) {
        self.taken += 1;
        if let Some((id, fingerprint)) = &draft.id {
            self.ids.insert(id.clone(), *fingerprint);
        }
        // Only near a bound does it matter how many of the batch came before.
        let bounds = &self.bounds;
        let near = bounds.backlog_per_key.saturating_sub(self.crowd);
        let of_key = self.books.accounts.of(self.connection, &draft.key);
        let is_crowded =
            self.books.counts.backlog + self.crowd >= bounds.backlog - bounds.backlog / 10;
        if is_crowded || of_key.is_ok_and(|account| account.backlog >= near) {
            *self.keys.entry(draft.key.clone()).or_default() += 1;
        }
        if draft.deliver_at.is_none_or(|at| at <= self.now) && bounds.held_per_topic != u64::MAX {
            *self.topics.entry(draft.topic.clone()).or_default() += 1;
        }
    }

    fn will_be_held(&self, draft: &Draft) -> bool {
        draft.held && draft.deliver_at.is_none_or(|at| at <= self.now)
    }
}

/// The id is taken by a message that differs.
struct Conflict;
