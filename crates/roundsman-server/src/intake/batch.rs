//! A batch on its way into the store: what is tried next, and what of it the store refused. Pure.

use super::OnError;
use super::mapping::{Mapped, Mapping};
use crate::http::Checks;
use roundsman_logs::{Record, Spot};
use roundsman_store::{Bound, Draft, Refusal};

/// The records of a batch that are not done yet, in order.
#[derive(Debug)]
pub(super) struct Batch {
    items: Vec<Item>,
    /// How many of them are tried together, from the front.
    room: usize,
    on_error: OnError,
    /// The record behind these that cannot be a message, where that is in the way.
    pub(super) fault: Option<Fault>,
    /// Those that were passed over since this was last looked at.
    pub(super) skipped: Vec<Fault>,
}

#[derive(Debug)]
struct Item {
    spot: Spot,
    /// `None`: nothing is to be stored of it.
    draft: Option<Draft>,
    is_made: bool,
}

/// A record that cannot be a message, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) spot: Spot,
    pub(super) words: String,
}

const CONFLICT: &str = "id: this id was given to a message that differs from this one";

impl Batch {
    /// These records as messages.
    pub(super) fn of(
        records: Vec<Record>,
        mapping: &Mapping,
        on_error: OnError,
        checks: &Checks<'_>,
    ) -> Self {
        let items = Vec::with_capacity(records.len());
        let mut batch = Self { items, room: 0, on_error, fault: None, skipped: Vec::new() };
        for record in records {
            match mapping.message(&record, checks) {
                Ok(Mapped { draft, is_made }) => {
                    batch.items.push(Item { spot: record.spot, draft: Some(draft), is_made });
                }
                Err(words) => {
                    let fault = Fault { spot: record.spot.clone(), words };
                    if on_error == OnError::Stop {
                        batch.fault = Some(fault);
                        break;
                    }
                    batch.skipped.push(fault);
                    batch.items.push(Item { spot: record.spot, draft: None, is_made: false });
                }
            }
        }
        batch.room = batch.items.len();
        batch
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What is tried next.
    pub(super) fn drafts(&self) -> Vec<Draft> {
        self.items[..self.room].iter().filter_map(|item| item.draft.clone()).collect()
    }

    /// What was tried is in the store: whose that was. What is behind it is next.
    pub(super) fn accepted(&mut self) -> Vec<Spot> {
        let spots = self.items.drain(..self.room).map(|item| item.spot).collect();
        self.room = self.items.len();
        spots
    }

    /// Of what was tried, these were refused. Answers what there is no room for, where even the
    /// first has none: try again later.
    pub(super) fn refused(&mut self, refusals: &[Refusal]) -> Option<Bound> {
        let tried = self.items.iter().take(self.room).enumerate();
        let at: Vec<usize> =
            tried.filter(|(_, item)| item.draft.is_some()).map(|(at, _)| at).collect();
        let places = refusals.iter().filter_map(|it| Some((*at.get(it.index)?, it.bound)));
        let (conflicts, full): (Vec<_>, Vec<_>) = places.partition(|(_, bound)| bound.is_none());
        if conflicts.is_empty() {
            let first = full.into_iter().min_by_key(|(at, _)| *at);
            let (room, bound) = first.unwrap_or_default();
            self.room = if room == 0 { self.items.len() } else { room };
            return bound.filter(|_| room == 0);
        }
        for (at, _) in conflicts {
            let Some(item) = self.items.get_mut(at) else { break };
            if item.is_made {
                // It was this record, as it was mapped before: it has been sent.
                item.draft = None;
                continue;
            }
            let fault = Fault { spot: item.spot.clone(), words: CONFLICT.to_owned() };
            if self.on_error == OnError::Stop {
                self.items.truncate(at);
                self.fault = Some(fault);
                break;
            }
            item.draft = None;
            self.skipped.push(fault);
        }
        self.room = self.items.len();
        None
    }
}
