//! What a key may have at once and how often, over all rules: counted by path. Pure.
//!
//! Rules that can serve only so many messages at once have a pool of their own, in which the
//! scheduler knows a key by itself. Here it is counted once for the node, at every level of its
//! path: whoever reaches a bound is to be barred in every pool, and whatever frees it lets it in
//! again. A path costs nothing once nothing of it is in flight and its rate has recovered.

use crate::Dispatch;
use crate::dispatch::paths;
use roundsman::fair::{Parked, Rate};
use roundsman::rate::Bucket;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// The bounds, and the paths that have something in flight.
#[derive(Debug)]
pub(crate) struct Bounds {
    terms: Terms,
    levels: FxHashMap<Box<str>, Level>,
    /// When to look again at paths, in microseconds.
    alarms: BinaryHeap<Reverse<(u64, Box<str>)>>,
}

#[derive(Debug)]
struct Terms {
    every: usize,
    named: FxHashMap<Box<str>, usize>,
    rate: Option<Rate>,
}

/// One path.
#[derive(Debug, Default)]
struct Level {
    flying: usize,
    bucket: Bucket,
    barred: Option<Parked>,
}

/// A path of which nothing is in flight is looked at again after this time at the least, to be
/// forgotten once its bucket is full.
const RECOVERS: Duration = Duration::from_millis(100);

impl Bounds {
    pub(crate) fn new(dispatch: &Dispatch) -> Self {
        let terms = Terms::of(dispatch);
        Self { terms, levels: FxHashMap::default(), alarms: BinaryHeap::new() }
    }

    /// A message of `key` goes; `bar` is told of each path that has to wait from now on.
    pub(crate) fn start(&mut self, key: &str, now: u64, mut bar: impl FnMut(&str, bool)) {
        for path in paths(key) {
            if !self.levels.contains_key(path) {
                self.levels.insert(path.into(), Level::default());
            }
            let Some(level) = self.levels.get_mut(path) else { continue };
            level.flying += 1;
            if let Some(rate) = self.terms.rate {
                // Had it been empty, the path would have been barred.
                let _ = level.bucket.take(rate, Duration::from_micros(now), 1);
            }
            self.look(path, now, &mut bar);
        }
    }

    /// A message of `key` is back; `bar` is told of each path that need not wait any longer.
    pub(crate) fn end(&mut self, key: &str, now: u64, mut bar: impl FnMut(&str, bool)) {
        for path in paths(key) {
            if let Some(level) = self.levels.get_mut(path) {
                level.flying = level.flying.saturating_sub(1);
                self.look(path, now, &mut bar);
            }
        }
    }

    /// Time has passed.
    pub(crate) fn wake(&mut self, now: u64, mut bar: impl FnMut(&str, bool)) {
        while let Some(Reverse((moment, _))) = self.alarms.peek()
            && *moment <= now
            && let Some(Reverse((_, path))) = self.alarms.pop()
        {
            self.look(&path, now, &mut bar);
        }
    }

    /// Other bounds hold from now on, for what is in flight too.
    pub(crate) fn set(&mut self, dispatch: &Dispatch, now: u64, mut bar: impl FnMut(&str, bool)) {
        self.terms = Terms::of(dispatch);
        let paths: Vec<Box<str>> = self.levels.keys().cloned().collect();
        for path in paths {
            self.look(&path, now, &mut bar);
        }
    }

    /// When to [`wake`](Self::wake) it, in microseconds.
    pub(crate) fn alarm(&self) -> Option<u64> {
        self.alarms.peek().map(|Reverse((moment, _))| *moment)
    }

    /// What a path has to wait for, apart from those above it.
    pub(crate) fn barred(&self, path: &str) -> Option<Parked> {
        self.levels.get(path)?.barred
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Sees whether a path has reached a bound, and forgets one that nothing is left of.
    fn look(&mut self, path: &str, now: u64, bar: &mut impl FnMut(&str, bool)) {
        let Some(level) = self.levels.get_mut(path) else { return };
        let (why, again) = self.terms.hindrance(path, level, now);
        if why.is_some() != level.barred.is_some() {
            bar(path, why.is_some());
        }
        level.barred = why;
        if let Some(moment) = again {
            self.alarms.push(Reverse((moment, path.into())));
        } else if level.flying == 0 && why.is_none() {
            self.levels.remove(path);
        }
    }
}

impl Terms {
    fn of(dispatch: &Dispatch) -> Self {
        let named = dispatch.max_slots.iter();
        let named = named.map(|(key, most)| (key.as_str().into(), *most as usize)).collect();
        Self { every: dispatch.per_key, named, rate: dispatch.rate_per_key }
    }

    /// Why a path may not go on, and when to look again, where that is a matter of time.
    fn hindrance(&self, path: &str, level: &Level, now: u64) -> (Option<Parked>, Option<u64>) {
        let most = self.named.get(path).copied().unwrap_or(self.every);
        if level.flying >= most {
            return (Some(Parked::Cap), None);
        }
        let (Some(rate), moment) = (self.rate, Duration::from_micros(now)) else {
            return (None, None);
        };
        let after = |span: Duration| {
            let micros = span.as_nanos().div_ceil(1000);
            Some(now.saturating_add(u64::try_from(micros).unwrap_or(u64::MAX)))
        };
        // A turn that is only tried: the bucket stays as it is.
        let mut bucket = level.bucket;
        match bucket.take(rate, moment, 1) {
            Err(wait) => (Some(Parked::Rate), after(wait)),
            Ok(()) if level.flying > 0 || level.bucket.is_full(moment) => (None, None),
            Ok(()) => (None, after(rate.every().max(RECOVERS))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::keys::Keys;
    use roundsman_store::{Key, LaneId, Timestamp};
    use std::collections::BTreeSet;

    fn said(said: &mut Vec<(String, bool)>) -> impl FnMut(&str, bool) {
        |path, barred| said.push((path.to_owned(), barred))
    }

    #[test]
    fn whoever_reaches_a_cap_is_barred_until_one_is_back() {
        let dispatch = Dispatch { per_key: 3, ..Dispatch::default() }.cap("team/a", 1).unwrap();
        let mut bounds = Bounds::new(&dispatch);
        let mut told = Vec::new();
        bounds.start("team/a", 0, said(&mut told));
        bounds.start("team/b", 0, said(&mut told));
        bounds.start("team/b", 0, said(&mut told));
        assert_eq!(told, [("team/a".into(), true), ("team".into(), true)]);
        assert_eq!(bounds.barred("team"), Some(Parked::Cap));
        told.clear();
        for key in ["team/a", "team/b", "team/b"] {
            bounds.end(key, 0, said(&mut told));
        }
        assert_eq!(told, [("team".into(), false), ("team/a".into(), false)]);
        assert!(bounds.is_empty());
    }

    #[test]
    fn a_rate_is_recovered_from_and_forgotten() {
        let rate_per_key = Rate::new(10, 1_000_000, 1);
        let mut bounds = Bounds::new(&Dispatch { rate_per_key, ..Dispatch::default() });
        let mut told = Vec::new();
        bounds.start("a", 0, said(&mut told));
        bounds.end("a", 5, said(&mut told));
        assert_eq!(
            (told.as_slice(), bounds.barred("a")),
            (&[("a".into(), true)][..], Some(Parked::Rate))
        );
        assert_eq!(bounds.alarm(), Some(100_000));
        bounds.wake(99_999, said(&mut told));
        assert_eq!(bounds.barred("a"), Some(Parked::Rate));
        while let Some(moment) = bounds.alarm() {
            bounds.wake(moment, said(&mut told));
        }
        assert_eq!(told.last(), Some(&("a".into(), false)));
        assert!(bounds.is_empty());
    }

    #[test]
    fn other_bounds_act_at_once() {
        let mut bounds = Bounds::new(&Dispatch::default());
        let mut told = Vec::new();
        bounds.start("a", 0, said(&mut told));
        bounds.set(&Dispatch { per_key: 1, ..Dispatch::default() }, 0, said(&mut told));
        bounds.set(&Dispatch::default(), 0, said(&mut told));
        assert_eq!(told, [("a".into(), true), ("a".into(), false)]);
    }

    const NOW: Timestamp = Timestamp(5);

    /// Two rules, one of which can serve only so many at once.
    fn two_rules(dispatch: &Dispatch) -> Keys {
        Keys::new(dispatch, &[None, Some(5)], false)
    }

    #[test]
    fn a_cap_holds_over_all_rules_and_whatever_ends_wakes_all() {
        let mut keys = two_rules(&Dispatch { per_key: 2, ..Dispatch::default() });
        let (team, b) = (Key::parse("team").unwrap(), Key::parse("team/b").unwrap());
        let (channel, hook) = (keys.open(&team, 0), keys.open(&team, 1));
        let fares = [channel, hook].map(|account| keys.start((account, &team), 10, NOW));
        keys.wait(channel, LaneId(1), false, NOW);
        keys.wait(hook, LaneId(2), false, NOW);
        // Known to one pool only now, and below a path that waits already.
        let late = keys.open(&b, 1);
        keys.wait(late, LaneId(3), false, NOW);
        assert_eq!(keys.next(NOW), None);
        assert_eq!(keys.standings(&b)[0].parked, Some(Parked::Cap));
        keys.settle(&team, fares[0], None, NOW);
        let woken: BTreeSet<_> =
            (0..3).filter_map(|_| keys.next(NOW)).map(|(_, lane)| lane).collect();
        assert_eq!(woken.len(), 3, "{woken:?}");
        keys.settle(&team, fares[1], None, NOW);
        [channel, hook, late].into_iter().for_each(|account| keys.close(account, LaneId(9)));
        assert!(keys.is_idle());
    }

    #[test]
    fn a_rate_holds_over_all_rules() {
        let rate_per_key = Rate::new(10, 1_000_000, 1);
        let mut keys = two_rules(&Dispatch { rate_per_key, ..Dispatch::default() });
        let key = Key::parse("a").unwrap();
        let (channel, hook) = (keys.open(&key, 0), keys.open(&key, 1));
        let fare = keys.start((channel, &key), 10, NOW);
        keys.settle(&key, fare, None, NOW);
        keys.wait(hook, LaneId(1), false, NOW);
        assert_eq!(keys.next(NOW), None);
        let soon = keys.alarm().unwrap();
        assert_eq!(soon, Timestamp(100_005));
        assert_eq!(keys.next(soon), Some((hook, LaneId(1))));
    }
}
