//! Whose turn it is among the keys: the scheduler, and the lanes of each key that wait. Pure.
//!
//! The lanes of a key share its account and take turns in it. Rules that can serve only so many
//! messages at once have a pool of their own: what they cannot serve takes up no slot of the node.
//! The same goes for messages that need lookups first: while a source is slow, what waits for it
//! waits here, and leaves slots to all that does not. What a key may have over all pools together
//! is counted apart, where there are several.

use super::bounds::Bounds;
use super::lane::Resident;
use super::lanes::Limits;
use super::needs::Needs;
use crate::dispatch::{Charge, Dispatch, parts, paths};
use roundsman::fair::{Account, Parked, Scheduler, Standing};
use roundsman_store::{Key, LaneId, Timestamp};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// The keys that have resident lanes, and those that still owe something.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(super) turns: Scheduler<Box<str>>,
    pub(super) charge: Charge,
    /// Of each rule, the pool that its messages are served from, and its slots.
    pools: Vec<(Account, u32)>,
    /// Of each rule, its slots and what is handed over ahead of them.
    handed: Vec<u32>,
    /// Slots are held free for some: then nothing goes ahead of them, where it would use those up.
    keeps: bool,
    /// Of messages that need lookups, the pool they are taken out of for that, and its slots.
    lookups: FxHashMap<(Account, Needs), (Account, u32)>,
    /// Every pool, once.
    all: Vec<Account>,
    /// What keys may have over all pools, where there are several.
    bounds: Option<Bounds>,
    /// Slots of the node.
    most: u32,
    /// Lanes that wait for their turn to be looked up.
    looking: usize,
    open: FxHashMap<Account, Open>,
}

/// A key that has resident lanes under the rules of one pool.
#[derive(Debug, Default)]
struct Open {
    /// Its resident lanes.
    lanes: usize,
    /// Those of them that wait for their turn, in order.
    waiting: VecDeque<LaneId>,
    /// Others of its lanes wait to become resident.
    crowded: bool,
    /// What waits here needs lookups.
    looks_up: bool,
}

impl Keys {
    /// Pools for different needs; what needs something else beyond that shares one.
    const LOOKUPS: usize = 6;

    /// `capacities`: of each rule, how many messages it can serve at once, where that is bounded;
    /// `looks_up`: whether any message needs lookups.
    pub(crate) fn new(dispatch: &Dispatch, capacities: &[Option<usize>], looks_up: bool) -> Self {
        let slots = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let mut turns = Scheduler::new(dispatch.policy(), u32::MAX);
        let most = slots(dispatch.max_in_flight);
        let shared = turns.pool(most);
        let pool = |capacity: &Option<usize>| match capacity {
            Some(count) => (turns.pool(slots(*count).min(most)), slots(*count).min(most)),
            None => (shared, most),
        };
        let pools: Vec<_> = capacities.iter().map(pool).collect();
        let mut all: Vec<Account> = pools.iter().map(|(pool, _)| *pool).collect();
        all.sort_unstable();
        all.dedup();
        let bounds = (all.len() > 1 || looks_up).then(|| Bounds::new(dispatch));
        let (lookups, open) = (FxHashMap::default(), FxHashMap::default());
        let charge = dispatch.charge;
        let handed = pools.iter().map(|(_, slots)| *slots).collect();
        let keeps = dispatch.keeps_slots();
        Self { turns, charge, pools, handed, keeps, lookups, all, bounds, most, looking: 0, open }
    }

    /// Acts on whatever waits, at once.
    pub(crate) fn set_dispatch(&mut self, dispatch: &Dispatch, now: Timestamp) {
        self.charge = dispatch.charge;
        self.turns.set_policy(dispatch.policy());
        self.keeps = dispatch.keeps_slots();
        if self.keeps {
            (0..self.pools.len()).for_each(|rule| self.set_ahead(rule, |_| 0));
        }
        self.bound(|bounds, bar| bounds.set(dispatch, moment(now), bar));
    }

    /// How many messages under this rule are served at once at most.
    pub(super) fn slots(&self, rule: usize) -> u32 {
        self.pools.get(rule).map_or(self.most, |(_, slots)| *slots)
    }

    /// The pool of a rule has room for so many messages ahead of its slots from now on.
    pub(crate) fn set_ahead(&mut self, rule: usize, ahead: impl FnOnce(u32) -> u32) {
        let Some((pool, slots)) = self.pools.get(rule).copied() else { return };
        let ahead = if self.keeps { 0 } else { ahead(slots) };
        let room = slots.saturating_add(ahead).min(self.most);
        let before = std::mem::replace(&mut self.handed[rule], room);
        if before != room {
            self.turns.set_slots(pool, room);
        }
    }

    /// Counts what keys have over all pools: whoever reaches a bound waits in each of them.
    pub(super) fn bound(&mut self, count: impl FnOnce(&mut Bounds, &mut dyn FnMut(&str, bool))) {
        let Self { turns, all, bounds, .. } = self;
        let Some(bounds) = bounds else { return };
        count(bounds, &mut |path, barred| {
            for pool in all.iter() {
                let at = turns.find(*pool, path.split('/'));
                // What ended there before others went on below it is an account of its own now.
                let end = turns.find_leaf(*pool, path.split('/')).filter(|_| !barred);
                at.into_iter().chain(end).for_each(|account| turns.bar(account, barred));
            }
        });
    }

    /// The pool of messages under a rule that need this.
    fn pool(&mut self, rule: usize, needs: Needs) -> Account {
        let (pool, slots) = self.pools.get(rule).copied().unwrap_or((self.turns.root(), self.most));
        if needs.is_none() {
            return pool;
        }
        let mut name = (pool, needs);
        if !self.lookups.contains_key(&name) && self.lookups.len() >= Self::LOOKUPS {
            name = (self.turns.root(), Needs::default());
        }
        if let Some((pool, _)) = self.lookups.get(&name) {
            return *pool;
        }
        let pool = self.turns.pool(slots);
        self.lookups.insert(name, (pool, slots));
        self.all.push(pool);
        self.share_out();
        pool
    }

    /// Shares three quarters of the slots of the node among the pools of those that need lookups.
    fn share_out(&mut self) {
        let count = u32::try_from(self.lookups.len()).unwrap_or(u32::MAX).max(1);
        let share = (self.most - self.most.div_ceil(4)) / count;
        for (pool, slots) in self.lookups.values() {
            self.turns.set_slots(*pool, share.min(*slots).max(1));
        }
    }

    /// The pools of a rule.
    fn pools_of(&self, rule: usize) -> impl Iterator<Item = Account> {
        let pool = self.pools.get(rule).map(|(pool, _)| *pool);
        let lookups = self.lookups.iter().filter(move |((of, _), _)| Some(*of) == pool);
        pool.into_iter().chain(lookups.map(|(_, (pool, _))| *pool))
    }

    /// The accounts of a key under a rule.
    fn accounts(&self, key: &Key, rule: usize) -> Vec<Account> {
        self.pools_of(rule).filter_map(|pool| self.turns.find_leaf(pool, parts(key))).collect()
    }

    /// Opens the account of a key for one more lane, of whose messages nothing is known yet.
    pub(crate) fn open(&mut self, key: &Key, rule: usize) -> Account {
        self.open_for(key, rule, Needs::default())
    }

    fn open_for(&mut self, key: &Key, rule: usize, needs: Needs) -> Account {
        let pool = self.pool(rule, needs);
        let account = self.turns.open(pool, parts(key));
        if let Some(bounds) = &self.bounds {
            for path in paths(key.as_str()).filter(|path| bounds.barred(path).is_some()) {
                let at = self.turns.find(pool, path.split('/'));
                at.into_iter().for_each(|at| self.turns.bar(at, true));
            }
        }
        let open = self.open.entry(account).or_default();
        open.looks_up = !needs.is_none();
        open.lanes += 1;
        account
    }

    /// A lane waits for its turn, before or behind the others of its key that need the same.
    pub(crate) fn list(&mut self, id: LaneId, lane: &mut Resident, first: bool, now: Timestamp) {
        if lane.needs != lane.seat {
            let account = self.open_for(&lane.lane.key, lane.rule, lane.needs);
            self.close(lane.account, id);
            (lane.account, lane.seat) = (account, lane.needs);
        }
        lane.listed = true;
        self.wait(lane.account, id, first, now);
    }

    /// A lane of the key has gone; an account that nothing is left of is forgotten.
    pub(crate) fn close(&mut self, account: Account, lane: LaneId) {
        let Some(open) = self.open.get_mut(&account) else { return };
        let before = open.waiting.len();
        open.waiting.retain(|other| *other != lane);
        if open.looks_up {
            self.looking -= before - open.waiting.len();
        }
        open.lanes -= 1;
        open.crowded &= open.lanes > Limits::KEY_LANES / 4 * 3;
        let (left, waiting) = (open.lanes, open.waiting.len());
        if waiting == 0 {
            self.turns.rest(account);
        }
        if left == 0 {
            self.open.remove(&account);
        }
        self.turns.close(account);
    }

    /// How many lanes of the key are resident.
    pub(crate) fn lanes(&self, key: &Key, rule: usize) -> usize {
        let accounts = self.accounts(key, rule).into_iter();
        accounts.filter_map(|account| self.open.get(&account)).map(|open| open.lanes).sum()
    }

    /// More lanes of a key have something to do than may be resident.
    pub(crate) fn crowd(&mut self, key: &Key, rule: usize) {
        for account in self.accounts(key, rule) {
            if let Some(open) = self.open.get_mut(&account) {
                open.crowded = true;
            }
        }
    }

    /// Whether lanes of the key wait to become resident.
    pub(crate) fn is_crowded(&self, account: Account) -> bool {
        self.open.get(&account).is_some_and(|open| open.crowded)
    }

    /// A lane waits for its turn, behind or before the others of its key.
    pub(super) fn wait(&mut self, account: Account, lane: LaneId, first: bool, now: Timestamp) {
        let Some(open) = self.open.get_mut(&account) else { return };
        self.looking += usize::from(open.looks_up);
        if first {
            open.waiting.push_front(lane);
        } else {
            open.waiting.push_back(lane);
        }
        self.turns.ready(account, moment(now));
    }

    /// The lane whose turn it is; it waits no longer. Say [`rested`](Self::rested) behind it.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<(Account, LaneId)> {
        self.bound(|bounds, bar| bounds.wake(moment(now), bar));
        loop {
            let account = self.turns.next(moment(now))?;
            let open = self.open.get_mut(&account);
            let looks_up = open.as_ref().is_some_and(|open| open.looks_up);
            if let Some(lane) = open.and_then(|open| open.waiting.pop_front()) {
                self.looking -= usize::from(looks_up);
                return Some((account, lane));
            }
            self.turns.rest(account);
        }
    }

    /// Whether the key may go on: it has credit left, and nobody comes before it.
    pub(crate) fn goes_on(&mut self, account: Account, now: Timestamp) -> bool {
        self.turns.next(moment(now)) == Some(account)
    }

    /// A turn is over: without a lane that waits, the key has none to come.
    pub(crate) fn rested(&mut self, account: Account) {
        if self.open.get(&account).is_some_and(|open| open.waiting.is_empty()) {
            self.turns.rest(account);
        }
    }

    /// How many lanes wait for their turn to be looked up.
    pub(crate) fn looking(&self) -> usize {
        self.looking
    }

    /// Whether somebody has a turn to come, or would have but for others that wait for lookups.
    pub(crate) fn is_waiting(&self) -> bool {
        let is_full = |(pool, _): &(Account, u32)| {
            let standing = self.turns.standing(*pool);
            standing.ready && standing.full
        };
        self.turns.is_waiting() || self.lookups.values().any(is_full)
    }

    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        let is_unbound = self.bounds.as_ref().is_none_or(Bounds::is_empty);
        self.open.is_empty() && self.turns.is_empty() && is_unbound && self.looking == 0
    }

    /// When a key's rate lets it go on, where one waits for that.
    pub(crate) fn alarm(&self) -> Option<Timestamp> {
        let bounds = self.bounds.as_ref().and_then(Bounds::alarm);
        let alarm = self.turns.alarm().into_iter().chain(bounds).min()?;
        Some(Timestamp(i64::try_from(alarm).unwrap_or(i64::MAX)))
    }

    /// Where a key stands, in each pool that knows it; a path that others begin with, too.
    pub(crate) fn standings(&self, key: &Key) -> Vec<Standing> {
        let barred = self
            .bounds
            .as_ref()
            .and_then(|bounds| paths(key.as_str()).find_map(|path| bounds.barred(path)));
        let found = self.all.iter().filter_map(|pool| self.turns.find(*pool, parts(key)));
        let standings = found.map(|account| self.turns.standing(account));
        standings
            .map(|standing| match standing.parked {
                Some(Parked::Barred) => Standing { parked: barred, ..standing },
                _ => standing,
            })
            .collect()
    }
}

/// As the scheduler counts time.
pub(super) fn moment(now: Timestamp) -> u64 {
    u64::try_from(now.0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(5);

    #[test]
    fn a_cap_holds_at_every_level_and_its_end_wakes_who_waits() {
        let dispatch = Dispatch { per_key: 2, ..Dispatch::default() };
        let mut keys = Keys::new(&dispatch, &[None], false);
        let (one, two) = (Key::parse("team/a").unwrap(), Key::parse("team/b").unwrap());
        let (a, b) = (keys.open(&one, 0), keys.open(&two, 0));
        keys.wait(a, LaneId(1), false, NOW);
        let fares: Vec<_> = (0..2).map(|_| keys.start((a, &one), 10, NOW)).collect();
        keys.wait(b, LaneId(2), false, NOW);
        assert_eq!(keys.next(NOW), None, "the team is at its cap");
        keys.settle(&one, fares[0], None, NOW);
        assert!(keys.next(NOW).is_some());
        keys.settle(&one, fares[1], None, NOW);
        keys.close(a, LaneId(1));
        keys.close(b, LaneId(2));
        assert!(keys.is_idle(), "an idle key costs nothing");
    }

    #[test]
    fn nothing_goes_ahead_of_slots_where_some_are_held_free() {
        let (one, two) = (Key::parse("a").unwrap(), Key::parse("b").unwrap());
        let kept = Dispatch { min_slots: vec![(two.clone(), 1)], ..Dispatch::default() };
        let mut keys = Keys::new(&Dispatch::default(), &[Some(4)], false);
        keys.set_ahead(0, |_| 100);
        let handed = |keys: &mut Keys, key: &Key, lane| {
            let account = keys.open(key, 0);
            keys.wait(account, LaneId(lane), false, NOW);
            let mut went = 0;
            while keys.next(NOW).is_some() {
                let _ = keys.start((account, key), 1, NOW);
                keys.wait(account, LaneId(lane), false, NOW);
                went += 1;
            }
            keys.close(account, LaneId(lane));
            went
        };
        keys.set_dispatch(&kept, NOW);
        assert_eq!(handed(&mut keys, &one, 1), 3, "what goes ahead must not use up what is held");
        keys.set_ahead(0, |_| 100);
        assert_eq!(handed(&mut keys, &two, 2), 1, "and it is there for whom it is held");
        assert_eq!(handed(&mut keys, &one, 3), 0);
    }

    #[test]
    fn a_rule_that_is_full_leaves_the_others_alone() {
        let mut keys = Keys::new(&Dispatch::default(), &[None, Some(1)], false);
        let key = Key::parse("a").unwrap();
        let (channel, hook) = (keys.open(&key, 0), keys.open(&key, 1));
        keys.wait(hook, LaneId(1), false, NOW);
        assert_eq!(keys.next(NOW), Some((hook, LaneId(1))));
        let _ = keys.start((hook, &key), 10, NOW);
        keys.wait(hook, LaneId(1), false, NOW);
        assert_eq!(keys.next(NOW), None, "one at a time");
        keys.wait(channel, LaneId(2), false, NOW);
        assert_eq!(keys.next(NOW), Some((channel, LaneId(2))));
    }
}
