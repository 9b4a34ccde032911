//! What became of each sender's id, and where a message is whose made id no longer says so.

use super::kept::Past;
use crate::{Fingerprint, Lane, LaneId, State, Timestamp};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Where a message lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    Lane(LaneId, u64),
    /// Due at this moment, with the sequence it had in its lane.
    Schedule(Timestamp, u64),
    /// Dead, by the sequence it had last.
    Dead(u64),
}

/// What is remembered of a message that is gone, as long as its id is.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) lane: Arc<Lane>,
    /// `None`: taken back, or dropped from the dead letters; only its id is still known.
    pub(super) state: Option<State>,
    pub(super) accepted_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) settled_at: Timestamp,
    pub(super) attempts: u32,
    pub(super) past: Option<Box<Past>>,
}

#[derive(Debug)]
pub(super) enum Fate {
    Kept(Spot),
    Gone(Box<Gone>),
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) fingerprint: Fingerprint,
    pub(super) fate: Fate,
}

#[derive(Debug, Default)]
pub(super) struct Ids {
    given: FxHashMap<Arc<str>, Known>,
    /// Made ids of messages that have left their first place.
    moved: FxHashMap<(LaneId, u64), Spot>,
    /// Ids of settled messages with the moment of settling, in that order.
    settled: VecDeque<(Timestamp, Arc<str>)>,
}

impl Ids {
    /// How long an id outlives the settling of its message. That is never before its acceptance,
    /// so that the 24 hours from there are over by then as well.
    const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

    pub(super) fn len(&self) -> usize {
        self.given.len()
    }

    pub(super) fn find(&self, id: &str) -> Option<&Known> {
        self.given.get(id)
    }

    pub(super) fn find_moved(&self, first: (LaneId, u64)) -> Option<Spot> {
        self.moved.get(&first).copied()
    }

    pub(super) fn insert(&mut self, id: Arc<str>, fingerprint: Fingerprint, spot: Spot) {
        self.given.insert(id, Known { fingerprint, fate: Fate::Kept(spot) });
    }

    /// Forgets an id as if it had never been.
    pub(super) fn remove(&mut self, id: &str) {
        self.given.remove(id);
    }

    /// Forgets where a made id's message is, as if it had never moved.
    pub(super) fn forget_place(&mut self, first: (LaneId, u64)) {
        self.moved.remove(&first);
    }

    /// The message lies elsewhere by now.
    pub(super) fn relocate(&mut self, given: Option<&Arc<str>>, first: (LaneId, u64), spot: Spot) {
        let Some(id) = given else {
            self.moved.insert(first, spot);
            return;
        };
        if let Some(known) = self.given.get_mut(id) {
            known.fate = Fate::Kept(spot);
        }
    }

    /// The message is no longer kept. `gone` is only asked for where an id remembers it.
    pub(super) fn settle(
        &mut self,
        given: Option<Arc<str>>,
        first: (LaneId, u64),
        gone: impl FnOnce() -> Gone,
    ) {
        let Some(id) = given else {
            self.moved.remove(&first);
            return;
        };
        let Some(known) = self.given.get_mut(&id) else { return };
        let gone = gone();
        self.settled.push_back((gone.settled_at, id));
        known.fate = Fate::Gone(Box::new(gone));
    }

    /// The ids of messages that are gone, in the order of their settling.
    pub(super) fn gone(&self) -> impl Iterator<Item = (&Arc<str>, Fingerprint, &Gone)> {
        self.settled.iter().filter_map(|(_, id)| {
            let known = self.given.get(id)?;
            match &known.fate {
                Fate::Gone(gone) => Some((id, known.fingerprint, &**gone)),
                Fate::Kept(_) => None,
            }
        })
    }

    /// Puts back an id of a message that is gone, behind those that are there.
    pub(super) fn restore_gone(&mut self, id: Arc<str>, fingerprint: Fingerprint, gone: Gone) {
        self.settled.push_back((gone.settled_at, id.clone()));
        self.given.insert(id, Known { fingerprint, fate: Fate::Gone(Box::new(gone)) });
    }

    /// Whether there is an id to forget.
    pub(super) fn has_old(&self, now: Timestamp) -> bool {
        self.settled.front().is_some_and(|(at, _)| at.after(Self::REMEMBERED) <= now)
    }

    /// Forgets what was settled long enough ago, at most `limit` of them, and says how many it were.
    pub(super) fn forget(&mut self, now: Timestamp, limit: usize) -> usize {
        for count in 0..limit {
            match self.settled.front() {
                Some((at, id)) if at.after(Self::REMEMBERED) <= now => self.given.remove(id),
                _ => return count,
            };
            self.settled.pop_front();
        }
        limit
    }
}
