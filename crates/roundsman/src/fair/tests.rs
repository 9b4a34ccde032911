//! The scheduler from inside: whatever happens in whatever order, its books agree.

use super::node::{NONE, Parked, Place};
use super::{Account, Policy, Rate, Scheduler, Terms, Weight};
use proptest::prelude::*;

const PATHS: [&[&str]; 8] =
    [&["a"], &["a", "x"], &["a", "y"], &["b"], &["c", "x"], &["c", "x", "1"], &["d"], &["e"]];

/// A key's owner: how much it has to do, and what is being served.
#[derive(Debug, Default)]
struct Owner {
    account: Option<Account>,
    work: u32,
    flying: Vec<u64>,
}

#[derive(Debug)]
struct World {
    turns: Scheduler<String>,
    owners: Vec<Owner>,
    pools: Vec<Account>,
    now: u64,
    slots: u32,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Work(usize, u32),
    Serve(usize),
    End(usize, u64),
    Charge(usize, u64),
    Bar(usize, bool),
    Pass(u64),
    Close(usize),
    Change(u32),
}

fn act() -> impl Strategy<Value = Act> {
    let key = 0..PATHS.len();
    prop_oneof![
        4 => (key.clone(), 1..5u32).prop_map(|(key, n)| Act::Work(key, n)),
        6 => (1..8usize).prop_map(Act::Serve),
        5 => (key.clone(), 0..50_000u64).prop_map(|(key, cost)| Act::End(key, cost)),
        1 => (key.clone(), 0..20_000u64).prop_map(|(key, cost)| Act::Charge(key, cost)),
        1 => (key.clone(), any::<bool>()).prop_map(|(key, barred)| Act::Bar(key, barred)),
        2 => (0..3_000_000u64).prop_map(Act::Pass),
        2 => key.prop_map(Act::Close),
        1 => (0..4u32).prop_map(Act::Change),
    ]
}

/// Several policies, from none to everything at once.
fn policy(number: u32) -> Policy<String> {
    let name = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    let every = Terms { most: if number == 0 { u32::MAX } else { 3 }, ..Terms::FREE };
    let mut policy = Policy::new(every);
    if number >= 1 {
        let heavy = Terms { weight: Weight::new(3).unwrap(), most: 2, ..every };
        policy = policy.name(name(&["a"]), heavy);
    }
    if number >= 2 {
        policy = policy.name(name(&["b"]), Terms { least: 2, ..every });
        policy.reserve = 1;
    }
    if number >= 3 {
        let slow = Terms { rate: Rate::new(1, 1_000_000, 2), ..every };
        policy = policy.name(name(&["c", "x"]), slow).name(name(&["a", "y"]), slow);
    }
    policy
}

impl World {
    fn new(number: u32, slots: u32, pools: bool) -> Self {
        let mut turns = Scheduler::new(policy(number), slots);
        let pools = match pools {
            false => vec![turns.root()],
            true => vec![turns.pool(slots), turns.pool(2)],
        };
        let owners = PATHS.iter().map(|_| Owner::default()).collect();
        Self { turns, owners, pools, now: 0, slots }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Work(key, count) => {
                let pool = self.pools[key % self.pools.len()];
                let owner = &mut self.owners[key];
                let account = *owner
                    .account
                    .get_or_insert_with(|| self.turns.open(pool, PATHS[key].iter().copied()));
                owner.work += count;
                self.turns.ready(account, self.now);
            }
            Act::Serve(count) => self.serve(count),
            Act::End(key, cost) => self.end(key, cost),
            Act::Charge(key, cost) => {
                if let Some(charged) = self.owners[key].flying.first_mut() {
                    *charged += cost;
                    self.turns.charge(self.owners[key].account.unwrap(), cost);
                }
            }
            Act::Bar(key, barred) => {
                if let Some(account) = self.owners[key].account {
                    self.turns.bar(account, barred);
                }
            }
            Act::Pass(span) => self.now += span,
            Act::Close(key) => self.close(key),
            Act::Change(number) => self.turns.set_policy(policy(number)),
        }
        self.check();
    }

    fn serve(&mut self, count: usize) {
        for _ in 0..count {
            let Some(account) = self.turns.next(self.now) else { return self.check_idle() };
            assert_eq!(self.turns.next(self.now), Some(account), "asking again changes nothing");
            let owner = self.owners.iter_mut().find(|owner| owner.account == Some(account));
            let owner = owner.expect("a turn is given to an account that is open");
            assert!(owner.work > 0, "a turn is given to who has work");
            owner.flying.push(self.turns.start(account, None, self.now));
            owner.work -= 1;
            if owner.work == 0 {
                self.turns.rest(account);
            }
            self.check();
        }
    }

    fn end(&mut self, key: usize, cost: u64) {
        let owner = &mut self.owners[key];
        if let Some(charged) = owner.flying.pop() {
            self.turns.settle(owner.account.unwrap(), charged, cost, self.now);
        }
    }

    fn close(&mut self, key: usize) {
        let owner = &mut self.owners[key];
        if owner.work == 0
            && owner.flying.is_empty()
            && let Some(account) = owner.account.take()
        {
            self.turns.bar(account, false);
            self.turns.close(account);
        }
    }

    /// Nobody has a turn: so everybody who has work is held up by something, at some level.
    fn check_idle(&self) {
        for owner in self.owners.iter().filter(|owner| owner.work > 0) {
            let standing = self.turns.standing(owner.account.unwrap());
            let waits = standing.full || standing.parked.is_some();
            assert!(waits, "a slot idles beside {owner:?}, {:#?}", self.turns);
        }
    }

    fn check(&mut self) {
        let all: Vec<u32> = self.turns.book.all().collect();
        let mut parked = 0;
        for at in all {
            let node = self.turns.book.node(at);
            parked += usize::from(matches!(node.place, Place::Parked(_)));
            let least = self.turns.policy.get(node.terms).most;
            if node.ring.is_none() && matches!(node.place, Place::New | Place::Old) {
                assert!(!node.ready || node.flying < least, "listed at its cap");
            }
            if node.ring.is_some() {
                self.check_ring(at);
            }
        }
        assert_eq!(parked, self.turns.parked());
        for pool in &self.pools {
            assert!(self.turns.flying(*pool) <= self.slots);
        }
    }

    fn check_ring(&mut self, at: u32) {
        let ring = self.turns.book.ring(at).unwrap();
        let (mut ready, mut ready_old) = (0, 0);
        let lists = [(ring.new.first, ring.new.len), (ring.old.first, ring.old.len)];
        let counted = (ring.ready, ring.ready_old);
        for (number, (first, len)) in lists.into_iter().enumerate() {
            let (mut child, mut before, mut count) = (first, NONE, 0);
            while child != NONE {
                let node = self.turns.book.node(child);
                assert_eq!((node.parent, node.before), (at, before));
                assert_eq!(node.place, [Place::New, Place::Old][number]);
                ready += u32::from(node.ready);
                ready_old += u32::from(node.ready && number == 1);
                count += 1;
                (before, child) = (child, node.behind);
            }
            assert_eq!(count, len);
        }
        assert_eq!((ready, ready_old), counted);
        assert_eq!(self.turns.book.node(at).ready, ready > 0 || self.is_held_back(at, ready));
        if ready == 0 {
            assert_eq!(lists[1].1, 0, "no ghosts where nobody waits");
        }
    }

    /// A pool that has slots for others only keeps its turns and has none itself.
    fn is_held_back(&self, at: u32, ready: u32) -> bool {
        ready > 0 && self.turns.book.node(at).place == Place::Parked(Parked::Reserve)
    }

    /// Everything is served and closed; nothing is left.
    fn finish(&mut self) {
        for key in 0..PATHS.len() {
            self.act(Act::Bar(key, false));
        }
        for _ in 0..1000 {
            self.serve(8);
            (0..PATHS.len()).for_each(|key| {
                while !self.owners[key].flying.is_empty() {
                    self.end(key, 1000);
                    self.check();
                }
            });
            self.now += 1_000_000;
            if self.owners.iter().all(|owner| owner.work == 0) {
                break;
            }
        }
        (0..PATHS.len()).for_each(|key| self.close(key));
        self.now += 1_000_000_000;
        assert_eq!(self.turns.next(self.now), None);
        assert!(self.turns.is_empty(), "{:#?}", self.turns);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_books_agree(
        number in 0..4u32,
        slots in 1..6u32,
        pools: bool,
        acts in prop::collection::vec(act(), 0..150),
    ) {
        let mut world = World::new(number, slots, pools);
        acts.into_iter().for_each(|act| world.act(act));
        world.finish();
    }
}

/// What an active key costs: its node, and its place in the table of names.
#[test]
fn an_active_key_costs_at_most_128_bytes() {
    // The table is at most 8 and at least 7/16 full: a number and a byte for each place.
    let table = 5 * 16 / 7 + 1;
    assert!(size_of::<super::node::Node<Box<str>>>() + table <= 128);
}
