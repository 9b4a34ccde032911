//! Twelve ways in which fair schedulers have failed their users, each from a real one.

use roundsman::fair::{Parked, Policy, Scheduler, Terms, Weight};

use crate::world::{Charge, Discipline, Fair, Job, backlog, run};

fn turns() -> Scheduler<String> {
    Scheduler::new(Policy::new(Terms::FREE), u32::MAX)
}

/// One that overspends and drains comes back with its debt, not as a new key.
#[test]
fn a_key_that_drained_and_returned_keeps_its_debt() {
    let mut turns = turns();
    let (steady, burst) =
        (turns.open(turns.root(), ["steady"]), turns.open(turns.root(), ["burst"]));
    turns.ready(steady, 0);
    let mut spent = [0, 0];
    for _ in 0..600 {
        // It has one expensive message at a time, and is gone and back between them.
        turns.ready(burst, 0);
        let account = turns.next(0).unwrap();
        let charged = turns.start(account, None, 0);
        let cost = if account == burst { 10_000 } else { 1000 };
        spent[usize::from(account == burst)] += cost;
        if account == burst {
            turns.rest(burst);
        }
        turns.settle(account, charged, cost, 0);
    }
    let [steady, burst] = spent;
    assert!(burst <= steady + 20_000, "the burst had {burst}, the steady one {steady}");
}

/// A thousand blocked keys are not looked at when a turn is given.
#[test]
fn a_blocked_key_never_costs_a_pick() {
    let mut turns: Scheduler<String> =
        Scheduler::new(Policy::new(Terms { most: 1, ..Terms::FREE }), u32::MAX);
    for number in 0..1000 {
        let blocked = turns.open(turns.root(), [format!("blocked-{number}").as_str()]);
        turns.ready(blocked, 0);
        turns.start(blocked, None, 0);
    }
    assert_eq!(turns.parked(), 1000);
    assert!(!turns.is_waiting());
    let ready = turns.open(turns.root(), ["ready"]);
    turns.ready(ready, 0);
    assert_eq!(turns.standing(ready).turns_ahead, 0);
    assert_eq!(turns.next(0), Some(ready));
}

#[test]
fn a_storm_of_fresh_keys_does_not_starve_a_steady_key() {
    let mut turns = turns();
    let steady = turns.open(turns.root(), ["steady"]);
    turns.ready(steady, 0);
    let mut had = 0;
    for number in 0..6500 {
        let fresh = turns.open(turns.root(), [format!("fresh-{number}").as_str()]);
        turns.ready(fresh, 0);
        let account = turns.next(0).unwrap();
        had += usize::from(account == steady);
        let charged = turns.start(account, None, 0);
        if account != steady {
            turns.rest(account);
        }
        turns.settle(account, charged, charged, 0);
        if account != steady {
            turns.close(account);
        }
    }
    assert!((99..=102).contains(&had), "one turn in 65, it had {had}");
}

#[test]
fn many_keys_that_cannot_be_served_do_not_hide_one_that_can() {
    let mut turns = turns();
    for number in 0..1000 {
        let barred = turns.open(turns.root(), [format!("barred-{number}").as_str()]);
        turns.bar(barred, true);
        turns.ready(barred, 0);
        assert_eq!(turns.standing(barred).parked, Some(Parked::Barred));
    }
    let servable = turns.open(turns.root(), ["servable"]);
    turns.ready(servable, 0);
    assert_eq!(turns.next(0), Some(servable));
}

/// The shares of a weighted pair do not depend on how many are asked for at once.
#[test]
fn batches_of_one_and_of_a_hundred_share_alike() {
    let share = |batch: usize| {
        let twice = Terms { weight: Weight::new(2).unwrap(), ..Terms::FREE };
        let policy = Policy::new(Terms::FREE).name(["b".to_owned()], twice);
        let mut turns: Scheduler<String> = Scheduler::new(policy, u32::MAX);
        let (a, b) = (turns.open(turns.root(), ["a"]), turns.open(turns.root(), ["b"]));
        turns.ready(a, 0);
        turns.ready(b, 0);
        let mut had = [0_u64, 0];
        for _ in 0..9000 / batch {
            let started: Vec<_> = (0..batch)
                .map(|_| {
                    let account = turns.next(0).unwrap();
                    (account, turns.start(account, Some(1000), 0))
                })
                .collect();
            for (account, charged) in started {
                had[usize::from(account == b)] += 1;
                turns.settle(account, charged, charged, 0);
            }
        }
        had
    };
    let ([a, b], [c, d]) = (share(1), share(100));
    assert_eq!((a, b), (3000, 6000));
    assert!(c.abs_diff(3000) <= 2 && d.abs_diff(6000) <= 2 + 100, "{c} and {d}");
}

#[test]
fn a_change_of_weight_acts_on_the_backlog() {
    let mut turns = turns();
    let (a, b) = (turns.open(turns.root(), ["a"]), turns.open(turns.root(), ["b"]));
    turns.ready(a, 0);
    turns.ready(b, 0);
    let serve = |turns: &mut Scheduler<String>, count: usize| {
        let mut had = [0_u64, 0];
        for _ in 0..count {
            let account = turns.next(0).unwrap();
            had[usize::from(account == b)] += 1;
            let charged = turns.start(account, Some(1000), 0);
            turns.settle(account, charged, 1000, 0);
        }
        had
    };
    assert_eq!(serve(&mut turns, 1000), [500, 500]);
    let nine = Terms { weight: Weight::new(9).unwrap(), ..Terms::FREE };
    turns.set_policy(Policy::new(Terms::FREE).name(["b".to_owned()], nine));
    let [a, b] = serve(&mut turns, 1000);
    assert!((98..=102).contains(&a), "{a} and {b}");
}

/// A scheduler that is made anew over the same backlog, in the middle, keeps the order inside a
/// key: it holds no messages, and asks for the oldest.
#[test]
fn after_a_restart_no_message_passes_an_older_one_of_its_key() {
    let jobs: Vec<_> = (0..3000)
        .map(|number| Job { key: number % 7, at: 0, service: 1000 + number, number: 0 })
        .collect();
    let mut order = Vec::new();
    let mut left = jobs;
    while !left.is_empty() {
        let mut who = Fair::new(Policy::new(Terms::FREE), 4, Charge::Time);
        let mut budget = 500;
        left.iter().for_each(|job| who.put(*job, 0));
        while budget > 0
            && let Some(job) = who.take(0)
        {
            order.push((job.key, job.service));
            who.done(job, 0);
            budget -= 1;
        }
        left.retain(|job| !order.contains(&(job.key, job.service)));
    }
    for key in 0..7 {
        let of_key = order.iter().filter(|(other, _)| *other == key).map(|(_, number)| number);
        assert!(of_key.is_sorted(), "key {key}");
    }
}

/// Parts whose hashes are all the same are still keys of their own.
#[test]
fn colliding_hashes_cannot_merge_two_users() {
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Same(u32);
    impl std::hash::Hash for Same {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            state.write_u8(0);
        }
    }
    let mut policy = Policy::new(Terms::FREE);
    policy.guard = u32::MAX;
    let mut turns: Scheduler<Same> = Scheduler::new(policy, u32::MAX);
    let accounts: Vec<_> =
        (0..100).map(|number| turns.open(turns.root(), [&Same(number)])).collect();
    accounts.iter().for_each(|account| turns.ready(*account, 0));
    let mut had: Vec<_> = (0..100)
        .map(|_| {
            let account = turns.next(0).unwrap();
            turns.start(account, Some(1000), 0);
            account
        })
        .collect();
    had.sort_unstable();
    assert_eq!(had, accounts, "a turn each");
}

#[test]
fn memory_returns_to_nothing_after_a_million_keys_that_come_once() {
    let mut who = Fair::new(Policy::new(Terms::FREE), 8, Charge::Time);
    let jobs = (0..100_000).map(|n| Job { key: n, at: n, service: 7, number: 0 });
    let mut served = 0;
    run(&mut who, 8, u64::MAX, jobs, |_| served += 1);
    assert_eq!(served, 100_000);
    assert!(who.turns.is_empty());
    // And when all of them are there at once.
    let jobs = (0..1_000_000).map(|n| Job { key: n, at: 0, service: 7, number: 0 });
    run(&mut who, 8, u64::MAX, jobs, |_| served += 1);
    assert_eq!(served, 1_100_000);
    assert!(who.turns.is_empty());
    assert!(who.turns.bytes() < 4096, "{} bytes are left", who.turns.bytes());
}

/// What a pick costs does not depend on how much its key was served before, nor on what is owed:
/// the scheduler remembers neither messages nor places in a store.
#[test]
fn a_pick_costs_the_same_after_300_000_served() {
    let mut turns = turns();
    let (a, b) = (turns.open(turns.root(), ["a"]), turns.open(turns.root(), ["b"]));
    turns.ready(a, 0);
    turns.ready(b, 0);
    for _ in 0..300_000 {
        let account = turns.next(0).unwrap();
        let charged = turns.start(account, Some(1000), 0);
        turns.settle(account, charged, 1000, 0);
    }
    assert_eq!(turns.len(), 3, "the root and two keys");
    assert!(turns.standing(a).debt <= 1000 && turns.standing(b).debt <= 1000);
}

/// Attempts that fail cost their key its own turns, and nobody else any.
#[test]
fn every_retry_is_charged_to_its_owner() {
    let mut turns = turns();
    let (storm, calm) = (turns.open(turns.root(), ["storm"]), turns.open(turns.root(), ["calm"]));
    turns.ready(storm, 0);
    turns.ready(calm, 0);
    let mut attempts = [0, 0];
    for _ in 0..1000 {
        // What the storm has started fails at once and is there again: it always has work.
        let account = turns.next(0).unwrap();
        attempts[usize::from(account == calm)] += 1;
        let charged = turns.start(account, None, 0);
        turns.settle(account, charged, 1000, 0);
    }
    assert_eq!(attempts, [500, 500]);
}

#[test]
fn a_key_named_like_anything_internal_is_harmless() {
    let names = ["*", "", "/", "~0", "root", "default", "null", "0", "new", "\u{0}", "4294967295"];
    let mut turns = turns();
    let accounts: Vec<_> = names.iter().map(|name| turns.open(turns.root(), [*name])).collect();
    let below: Vec<_> = names.iter().map(|name| turns.open(turns.root(), ["*", *name])).collect();
    let all: Vec<_> = accounts.into_iter().chain(below).collect();
    all.iter().for_each(|account| turns.ready(*account, 0));
    let mut had = std::collections::HashSet::new();
    for _ in 0..1000 {
        let account = turns.next(0).unwrap();
        had.insert(account);
        turns.start(account, Some(1000), 0);
    }
    assert_eq!(had.len(), names.len() * 2, "each is a key of its own");
}

#[test]
fn a_backlog_is_a_backlog_however_deep() {
    let mut who = Fair::new(Policy::new(Terms::FREE), 1, Charge::Count);
    let jobs = backlog(1, 100_000, 10).chain(backlog(2, 10, 10));
    let mut last = 0;
    run(&mut who, 1, u64::MAX, jobs, |served| {
        if served.job.key == 2 {
            last = served.start;
        }
    });
    assert!(last <= 210, "the ten are served turn by turn, not behind the backlog: {last}");
}
