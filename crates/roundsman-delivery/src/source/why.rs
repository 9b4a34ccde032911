//! Why a key's messages wait: what is known of it here, for whoever asks. Pure.

use super::keys::Keys;
use super::lanes::Lanes;
use crate::{BusyKey, KeyReport, Wait};
use roundsman::fair::Parked;
use roundsman_store::{Block, Key, LaneId, Timestamp};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

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

    /// The keys with most in flight, busiest first, with what waits of them in memory.
    pub(crate) fn busiest(&self, count: usize, now: Timestamp) -> Vec<BusyKey> {
        let mut busy = busy(&self.keys, count);
        for lane in self.lanes.values() {
            let Some(key) = busy.get_mut(&lane.account) else { continue };
            key.waiting += lane.queue.len() as u64;
            if let Some(head) = lane.queue.front() {
                key.waited = key.waited.max(now.since(head.accepted_at));
            }
        }
        let mut busy: Vec<BusyKey> = busy.into_values().collect();
        busy.sort_by(|a, b| (b.in_flight, &a.key).cmp(&(a.in_flight, &b.key)));
        busy
    }
}

fn busy(keys: &Keys, count: usize) -> FxHashMap<roundsman::fair::Account, BusyKey> {
    let busiest = keys.busiest(count).into_iter();
    busiest
        .map(|(account, key, in_flight)| {
            (account, BusyKey { key: key.to_string(), in_flight, ..BusyKey::default() })
        })
        .collect()
}
