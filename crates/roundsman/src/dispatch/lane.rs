//! One partition of a [`ByPartition`](super::ByPartition): its demand, or what waits for it.
//!
//! Either a lane has demand or it has events waiting, never both. What waits is in order: first its
//! queue, then what was parked outside of it.

use std::{collections::VecDeque, mem};

use super::Park;
use crate::SubscriptionId;

pub(super) struct Lane<E> {
    pub(super) subscription: Option<SubscriptionId>,
    pub(super) demand: usize,
    /// Its share of the dispatch that is going on.
    pub(super) arriving: Vec<E>,
    /// Events were dispatched to it until as many waited as may. What comes back from a consumer
    /// does not count: the producer could not have kept it.
    pub(super) is_full: bool,
    queue: VecDeque<E>,
    /// How many events wait elsewhere, behind those in the queue.
    parked: usize,
    /// How many of those that wait came with each dispatch, by how many events went before it.
    runs: VecDeque<(u64, usize)>,
}

/// What becomes of events that a full lane has no room for.
pub(super) enum Full<E> {
    /// They wait as well, and nobody gets anything until the lane has room.
    Hold,
    Spill(Box<dyn FnMut(usize, E) + Send>),
    Park(Box<dyn Park<E>>),
}

impl<E> Lane<E> {
    pub(super) fn new() -> Self {
        Self {
            subscription: None,
            demand: 0,
            arriving: Vec::new(),
            is_full: false,
            queue: VecDeque::new(),
            parked: 0,
            runs: VecDeque::new(),
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len() + self.parked
    }

    /// How many of those that wait were among the first `before` events dispatched.
    pub(super) fn held(&self, before: u64) -> usize {
        self.runs.iter().filter(|(dispatch, _)| *dispatch < before).map(|(_, n)| n).sum()
    }

    /// What of its share it has demand for, to be delivered. The rest stays in `arriving`.
    pub(super) fn deliverable(&mut self) -> Option<(SubscriptionId, Vec<E>)> {
        let n = self.demand.min(self.arriving.len());
        let subscription = self.subscription.filter(|_| n > 0)?;
        self.demand -= n;
        // A share is as large as the last one was, more often than not.
        let rest = if n == self.arriving.len() {
            Vec::with_capacity(n)
        } else {
            self.arriving.split_off(n)
        };
        Some((subscription, mem::replace(&mut self.arriving, rest)))
    }

    /// Has the rest of its share wait, `limit` events in its queue and others as `full` says.
    pub(super) fn keep(&mut self, number: usize, dispatch: u64, limit: usize, full: &mut Full<E>) {
        let room = match full {
            Full::Hold => usize::MAX,
            _ if self.parked > 0 => 0,
            _ => limit.saturating_sub(self.queue.len()),
        };
        let mut kept = room.min(self.arriving.len());
        // What held them is used for the next share.
        self.queue.extend(self.arriving.drain(..kept));
        match full {
            Full::Hold => {}
            Full::Spill(spill) => self.arriving.drain(..).for_each(|event| spill(number, event)),
            Full::Park(park) => {
                self.parked += self.arriving.len();
                kept += self.arriving.len();
                self.arriving.drain(..).for_each(|event| park.put(number, event));
            }
        }
        if kept > 0 {
            self.runs.push_back((dispatch, kept));
        }
        self.is_full = self.queue.len() >= limit;
    }

    /// Has what its consumer did not finish wait before all others.
    pub(super) fn put_back(&mut self, events: Vec<E>) {
        self.runs.push_front((0, events.len()));
        for event in events.into_iter().rev() {
            self.queue.push_front(event);
        }
    }

    /// The oldest of those that wait, as far as there is demand for them.
    pub(super) fn take(&mut self, number: usize, limit: usize, full: &mut Full<E>) -> Vec<E> {
        let mut events: Vec<E> = if self.demand < self.queue.len() {
            self.queue.drain(..self.demand).collect()
        } else {
            mem::take(&mut self.queue).into()
        };
        if let Full::Park(park) = full
            && self.parked > 0
        {
            self.unpark(number, &mut events, &mut **park);
        }
        self.demand -= events.len();
        self.forget(events.len());
        self.is_full = self.is_full && self.queue.len() >= limit;
        events
    }

    /// Adds to `events`, of what was parked, what there is demand for.
    fn unpark(&mut self, number: usize, events: &mut Vec<E>, park: &mut dyn Park<E>) {
        while self.parked > 0 && events.len() < self.demand {
            let wanted = self.parked.min(self.demand - events.len());
            let mut back = park.take(number, wanted);
            if back.is_empty() {
                tracing::warn!(partition = number, n = self.parked, "parked events are gone");
                self.parked = 0;
            }
            self.parked = self.parked.saturating_sub(back.len());
            self.queue.extend(back.drain(wanted.min(back.len())..));
            events.append(&mut back);
        }
    }

    /// The oldest `n` wait no longer.
    fn forget(&mut self, mut n: usize) {
        while let Some((_, run)) = self.runs.front_mut()
            && n > 0
        {
            let of_this = n.min(*run);
            n -= of_this;
            *run -= of_this;
            if *run == 0 {
                self.runs.pop_front();
            }
        }
        if self.waiting() == 0 {
            self.runs.clear();
        }
    }
}
