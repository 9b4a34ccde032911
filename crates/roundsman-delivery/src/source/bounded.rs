//! Keys under several rules against a model: random histories, and what must hold after each step.

use super::fare::Fare;
use super::keys::Keys;
use crate::Dispatch;
use crate::dispatch::paths;
use proptest::prelude::*;
use roundsman::fair::{Account, Rate};
use roundsman_store::{Key, LaneId, Timestamp};

const KEYS: [&str; 6] = ["a", "a/x", "a/y", "b/z", "b", "c"];
/// Of each rule, its slots.
const RULES: [Option<usize>; 3] = [None, Some(3), Some(2)];
const SLOTS: usize = 5;

#[derive(Clone, Copy, Debug)]
enum Act {
    Work(usize, usize),
    Serve(usize),
    End(usize),
    Close(usize),
    Pass(i64),
    Change(u32),
}

fn act() -> impl Strategy<Value = Act> {
    let lane = 0..KEYS.len() * RULES.len();
    prop_oneof![
        4 => (lane.clone(), 1..5usize).prop_map(|(lane, count)| Act::Work(lane, count)),
        4 => (1..6usize).prop_map(Act::Serve),
        4 => lane.clone().prop_map(Act::End),
        1 => lane.prop_map(Act::Close),
        1 => (1..200_000i64).prop_map(Act::Pass),
        1 => (0..4u32).prop_map(Act::Change),
    ]
}

fn dispatch(number: u32) -> Dispatch {
    let free = Dispatch { max_in_flight: SLOTS, ..Dispatch::default() };
    let three = || Dispatch { per_key: 3, ..free.clone() };
    match number {
        0 => free,
        1 => three(),
        2 => three().cap("a/x", 1).unwrap().cap("b", 4).unwrap(),
        _ => Dispatch { rate_per_key: Rate::new(50, 1_000_000, 2), ..three() },
    }
}

/// The lane of one key under one rule.
#[derive(Debug, Default)]
struct Line {
    account: Option<Account>,
    listed: bool,
    work: usize,
    out: Vec<Fare>,
}

#[derive(Debug)]
struct World {
    keys: Keys,
    dispatch: Dispatch,
    lines: Vec<Line>,
    now: Timestamp,
}

/// The key and the rule of a lane.
fn of(lane: usize) -> (Key, usize) {
    (Key::parse(KEYS[lane % KEYS.len()]).unwrap(), lane / KEYS.len())
}

impl World {
    fn new(number: u32) -> Self {
        let dispatch = dispatch(number);
        let keys = Keys::new(&dispatch, &RULES, false);
        let lines = (0..KEYS.len() * RULES.len()).map(|_| Line::default()).collect();
        Self { keys, dispatch, lines, now: Timestamp(1_000_000) }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Work(lane, count) => {
                let (key, rule) = of(lane);
                let line = &mut self.lines[lane];
                line.account.get_or_insert_with(|| self.keys.open(&key, rule));
                line.work += count;
                self.list(lane);
            }
            Act::Serve(count) => (0..count).for_each(|_| _ = self.serve()),
            Act::End(lane) => self.end(lane),
            Act::Close(lane) => {
                let line = &mut self.lines[lane];
                if line.work == 0
                    && line.out.is_empty()
                    && let Some(account) = line.account.take()
                {
                    self.keys.close(account, LaneId(lane as u64));
                }
            }
            Act::Pass(micros) => self.now = Timestamp(self.now.0 + micros),
            Act::Change(number) => {
                self.dispatch = dispatch(number);
                self.keys.set_dispatch(&self.dispatch, self.now);
            }
        }
    }

    fn list(&mut self, lane: usize) {
        let line = &mut self.lines[lane];
        if line.work > 0 && !std::mem::replace(&mut line.listed, true) {
            self.keys.wait(line.account.unwrap(), LaneId(lane as u64), false, self.now);
        }
    }

    fn serve(&mut self) -> bool {
        let Some((account, LaneId(lane))) = self.keys.next(self.now) else {
            self.check_idle();
            return false;
        };
        let lane = lane as usize;
        let (key, _) = of(lane);
        for path in paths(key.as_str()) {
            assert!(self.flying(path) < self.most(path), "{path} is at its cap: {self:#?}");
        }
        let line = &mut self.lines[lane];
        line.listed = false;
        line.work -= 1;
        line.out.push(self.keys.start((account, &key), 1, self.now));
        self.list(lane);
        self.keys.rested(account);
        true
    }

    fn end(&mut self, lane: usize) {
        if let Some(fare) = self.lines[lane].out.pop() {
            self.keys.settle(&of(lane).0, fare, Some(1000), self.now);
        }
    }

    /// What is out of all keys that begin with a path, under all rules.
    fn flying(&self, path: &str) -> usize {
        let lines = self.lines.iter().enumerate();
        let below = lines.filter(|(lane, _)| paths(of(*lane).0.as_str()).any(|it| it == path));
        below.map(|(_, line)| line.out.len()).sum()
    }

    fn most(&self, path: &str) -> usize {
        let named = self.dispatch.max_slots.iter().find(|(key, _)| key.as_str() == path);
        named.map_or(self.dispatch.per_key, |(_, most)| *most as usize)
    }

    /// Nobody has a turn: everybody who has work is at a cap, or their rule has no slot left.
    fn check_idle(&self) {
        if self.dispatch.rate_per_key.is_some() {
            return;
        }
        for (lane, line) in self.lines.iter().enumerate().filter(|(_, line)| line.work > 0) {
            let (key, rule) = of(lane);
            let is_full = paths(key.as_str()).any(|path| self.flying(path) >= self.most(path));
            let rule_out = self.lines[rule * KEYS.len()..][..KEYS.len()].iter();
            let slots = RULES[rule].unwrap_or(SLOTS);
            let no_slot = rule_out.map(|line| line.out.len()).sum::<usize>() >= slots;
            assert!(is_full || no_slot, "{key} waits for nothing: {line:?} {self:#?}");
        }
    }

    /// Everything is served and closed; nothing is left.
    fn finish(mut self) {
        for _ in 0..1000 {
            while self.serve() {}
            (0..self.lines.len()).for_each(|lane| {
                while !self.lines[lane].out.is_empty() {
                    self.end(lane);
                }
            });
            self.now = Timestamp(self.now.0 + 1_000_000);
        }
        (0..self.lines.len()).for_each(|lane| self.act(Act::Close(lane)));
        self.now = Timestamp(self.now.0 + 1_000_000_000);
        while self.keys.next(self.now).is_some() {}
        assert!(self.keys.is_idle(), "{self:#?}");
    }
}

proptest! {
    #[test]
    fn caps_hold_over_all_rules_and_nobody_waits_for_nothing(
        number in 0..4u32,
        acts in prop::collection::vec(act(), 0..120),
    ) {
        let mut world = World::new(number);
        acts.into_iter().for_each(|act| world.act(act));
        world.finish();
    }
}
