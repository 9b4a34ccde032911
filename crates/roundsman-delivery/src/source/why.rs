//! Why a key's messages wait: what is known of it here, for whoever asks. Pure.

use super::lanes::Lanes;
use crate::dispatch::paths;
use crate::{BusyKey, KeyReport, Wait};
use roundsman::fair::Parked;
use roundsman_store::{Block, Key, LaneId, Timestamp};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Duration;

/// The keys of which a lane had to be set aside, with the last reason: a lane that waits is not
/// resident. A bounded memory; what is forgotten is not explained, and waits all the same.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    waits: FxHashMap<Key, Wait>,
    order: VecDeque<Key>,
}

impl Aside {
    /// Keys remembered at most.
    const KEYS: usize = 10_000;

    /// A lane of `key` waits.
    pub(super) fn set(&mut self, key: &Key, wait: Wait) {
        if self.waits.insert(key.clone(), wait).is_none() {
            self.order.push_back(key.clone());
            if self.order.len() > Self::KEYS
                && let Some(oldest) = self.order.pop_front()
            {
                self.waits.remove(&oldest);
            }
        }
    }

    fn get(&self, key: &Key, now: Timestamp) -> Option<Wait> {
        let wait = *self.waits.get(key)?;
        (!matches!(wait, Wait::Backoff { until } if until <= now)).then_some(wait)
    }

    /// An endpoint answers: whoever waited for it does no longer.
    pub(super) fn opened(&mut self) {
        self.waits.retain(|_, wait| *wait != Wait::Endpoint);
        self.order.retain(|key| self.waits.contains_key(key));
    }
}

impl Lanes {
    /// A lane of this key is set aside in the store.
    pub(super) fn set_aside(&mut self, id: LaneId, block: Block) {
        let wait = match block {
            Block::Parked(_) => Wait::Endpoint,
            _ => return,
        };
        if let Some(lane) = self.lanes.get(&id) {
            self.aside.set(&lane.lane.key, wait);
        }
    }

    /// What is known of a key, or of all keys that begin with it.
    pub(crate) fn explain(&self, key: &Key, now: Timestamp) -> KeyReport {
        let mut report = KeyReport::default();
        let below = format!("{}/", key.as_str());
        for lane in self.lanes.values() {
            let name = lane.lane.key.as_str();
            if name != key.as_str() && !name.starts_with(&below) {
                continue;
            }
            report.in_flight += lane.flying as u64;
            report.waiting += lane.queue.len() as u64;
            if let Some(head) = lane.queue.front() {
                report.waited = report.waited.max(Some(now.since(head.accepted_at)));
            }
            if lane.parked {
                report.add(Wait::Window);
            }
            if lane.unseated {
                report.add(Wait::Slots);
            }
        }
        for standing in self.keys.standings(key) {
            report.ready |= standing.ready && standing.parked.is_none();
            report.debt = report.debt.max(standing.debt);
            report.turns_ahead = report.turns_ahead.max(standing.turns_ahead);
            match standing.parked.filter(|_| standing.ready) {
                Some(Parked::Cap) => report.add(Wait::Cap),
                Some(Parked::Rate) => report.add(Wait::Rate),
                Some(Parked::Reserve) => report.add(Wait::Reserve),
                Some(Parked::Barred) | None => {}
            }
        }
        if let Some(wait) = self.aside.get(key, now) {
            report.add(wait);
        }
        report
    }

    /// The busiest keys: most in flight first, then most waiting in memory. Of a path that several
    /// keys begin with, all of them together, too.
    pub(crate) fn busiest(&self, count: usize, now: Timestamp) -> Vec<BusyKey> {
        let mut found: FxHashMap<&str, Busy<'_>> = FxHashMap::default();
        for lane in self.lanes.values() {
            let key = lane.lane.key.as_str();
            if lane.flying == 0 && lane.queue.is_empty() {
                continue;
            }
            for path in paths(key) {
                let busy = found
                    .entry(path)
                    .or_insert_with(|| Busy { only: Some(key), ..Busy::default() });
                busy.only = busy.only.filter(|only| *only == key);
                busy.in_flight += lane.flying as u64;
                busy.waiting += lane.queue.len() as u64;
                let oldest = lane.queue.front().map(|head| now.since(head.accepted_at));
                busy.waited = busy.waited.max(oldest.unwrap_or_default());
            }
        }
        // A path that one key alone begins with says no more than the key.
        found.retain(|path, busy| busy.only.is_none_or(|only| only == *path));
        let mut busiest: Vec<_> = found.into_iter().collect();
        busiest.sort_by_key(|(path, busy)| (Reverse((busy.in_flight, busy.waiting)), *path));
        busiest.truncate(count);
        busiest.into_iter().map(|(path, busy)| busy.named(path)).collect()
    }
}

/// What is known of one path.
#[derive(Default)]
struct Busy<'a> {
    /// The one key that begins with it, where there is only one.
    only: Option<&'a str>,
    in_flight: u64,
    waiting: u64,
    waited: Duration,
}

impl Busy<'_> {
    fn named(self, path: &str) -> BusyKey {
        let Self { in_flight, waiting, waited, .. } = self;
        BusyKey { key: path.into(), in_flight, waiting, waited }
    }
}
