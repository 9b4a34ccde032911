//! Shares: weights, levels, batches, costs that are known too late, and caps.

use std::collections::HashMap;

use proptest::prelude::*;
use roundsman::fair::{Parked, Policy, Rate, Scheduler, Terms, Weight};

use crate::world::{Charge, Fair, Job, backlog, run};

fn weighted(weights: &[(u64, u32)]) -> Policy<u64> {
    weights.iter().fold(Policy::new(Terms::FREE), |policy, (key, weight)| {
        policy.name([*key], Terms { weight: Weight::new(*weight).expect("above 0"), ..Terms::FREE })
    })
}

/// Serves until `total` were served; how much time each key had.
fn served(who: &mut Fair, slots: usize, total: usize, jobs: Vec<Job>) -> HashMap<u64, u64> {
    let mut time = HashMap::new();
    let mut left = total;
    run(who, slots, u64::MAX, jobs, |served| {
        if left > 0 {
            left -= 1;
            *time.entry(served.job.key).or_default() += served.job.service;
        }
    });
    time
}

#[test]
fn weights_one_two_four_within_half_a_percent() {
    let mut who = Fair::new(weighted(&[(1, 1), (2, 2), (3, 4)]), 20, Charge::Time);
    let jobs = (1..=3).flat_map(|key| backlog(key, 10_000, 10_000)).collect();
    let time = served(&mut who, 20, 10_000, jobs);
    let all: u64 = time.values().sum();
    for (key, weight) in [(1, 1.0), (2, 2.0), (3, 4.0)] {
        let share = time[&key] as f64 / all as f64;
        assert!((share - weight / 7.0).abs() < 0.005, "key {key} had {share}");
    }
}

#[test]
fn a_weight_below_one_is_a_share_too() {
    let tenth = Terms { weight: Weight::from_thousandths(100).unwrap(), ..Terms::FREE };
    let policy = Policy::new(Terms::FREE).name([1], tenth);
    let mut who = Fair::new(policy, 1, Charge::Count);
    let jobs = (1..=2).flat_map(|key| backlog(key, 20_000, 100)).collect();
    let time = served(&mut who, 1, 11_000, jobs);
    assert!((990..=1010).contains(&(time[&1] / 100)), "{time:?}");
}

/// One that takes 34 times as long has the same time, not the same turns.
#[test]
fn time_is_shared_evenly_when_one_is_slow() {
    let mut who = Fair::new(Policy::new(Terms::FREE), 20, Charge::Time);
    let slow = backlog(0, 3000, 3_400_000);
    let jobs = (1..=20).flat_map(|key| backlog(key, 20_000, 100_000)).chain(slow).collect();
    let time = served(&mut who, 20, 100_000, jobs);
    let all: u64 = time.values().sum();
    let share = time[&0] as f64 / all as f64 * 21.0;
    assert!((share - 1.0).abs() < 0.01 * 21.0, "the slow one had {share} times its share");
}

/// A thousand users of one team have together what the one user of another team has.
#[test]
fn nested_shares_are_exact() {
    let path = |key: u64| if key < 1000 { vec![0, key] } else { vec![key, 0] };
    let mut who = Fair::with_paths(Policy::new(Terms::FREE), 10, Charge::Count, path);
    let jobs = (0..1009).flat_map(|key| backlog(key, 2000, 1000)).collect();
    let time = served(&mut who, 10, 10_000, jobs);
    let team: u64 = (0..1000).filter_map(|key| time.get(&key)).sum();
    assert_eq!(team / 1000, 1000);
    for key in 1000..1009 {
        assert_eq!(time[&key] / 1000, 1000, "the only user of team {key}");
    }
}

#[test]
fn weights_count_at_every_level() {
    let heavy = |weight| Terms { weight: Weight::new(weight).unwrap(), ..Terms::FREE };
    let policy = Policy::new(Terms::FREE).name([1], heavy(3)).name([1, 2], heavy(2));
    let path = |key: u64| vec![key / 10, key % 10];
    let mut who = Fair::with_paths(policy, 4, Charge::Count, path);
    let jobs = [11, 12, 21].into_iter().flat_map(|key| backlog(key, 9000, 1000)).collect();
    let time = served(&mut who, 4, 8000, jobs);
    let served = |key| time[&key] / 1000;
    assert_eq!((served(11), served(12), served(21)), (2000, 4000, 2000));
}

/// What ends where others go on is one of them, with weight 1.
#[test]
fn a_path_that_ends_early_is_a_nameless_child() {
    for first in [0, 1] {
        let path = |key: u64| if key == 0 { vec![7] } else { vec![7, key] };
        let mut who = Fair::with_paths(Policy::new(Terms::FREE), 1, Charge::Count, path);
        let keys = if first == 0 { [0, 1, 2] } else { [1, 0, 2] };
        let jobs = keys.into_iter().flat_map(|key| backlog(key, 2000, 1000)).collect();
        let time = served(&mut who, 1, 3000, jobs);
        assert_eq!(time.values().copied().collect::<Vec<_>>(), [1_000_000; 3], "{time:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Asked for one message at a time or for a hundred, the shares are the same.
    #[test]
    fn batch_sizes_one_and_a_hundred_give_the_same_shares(
        weights in prop::collection::vec(1..5u32, 2..8),
        costs in prop::collection::vec(1..40u64, 8),
    ) {
        let share = |batch: usize| {
            let named: Vec<_> = weights.iter().zip(0..).map(|(w, key)| (key, *w)).collect();
            let mut turns: Scheduler<u64> = Scheduler::new(weighted(&named), u32::MAX);
            let accounts: Vec<_> =
                (0..weights.len() as u64).map(|key| turns.open(turns.root(), [&key])).collect();
            accounts.iter().for_each(|account| turns.ready(*account, 0));
            let mut time = vec![0; weights.len()];
            for _ in 0..60_000 / batch {
                let batch: Vec<_> = (0..batch)
                    .map(|_| {
                        let account = turns.next(0).unwrap();
                        (account, turns.start(account, None, 0))
                    })
                    .collect();
                for (account, charged) in batch {
                    let key = accounts.iter().position(|other| *other == account).unwrap();
                    let cost = costs[key] * 100;
                    time[key] += cost;
                    turns.settle(account, charged, cost, 0);
                }
            }
            let all: u64 = time.iter().sum();
            (time.into_iter().map(|time| time as f64 / all as f64).collect::<Vec<_>>(), all)
        };
        let ((one, all), (hundred, _)) = (share(1), share(100));
        // What may be under way unpaid: a hundred messages of the dearest kind, for each weight.
        let unpaid = f64::from(1000 + 2 * 101 * 4000) / all as f64;
        for ((one, hundred), weight) in one.iter().zip(&hundred).zip(&weights) {
            prop_assert!((one - hundred).abs() <= unpaid * f64::from(*weight), "{one} {hundred}");
        }
    }

    /// However work comes, no level of any key has more under way than it may.
    #[test]
    fn caps_are_never_exceeded(
        arrivals in prop::collection::vec((0..30u64, 0..2000u64, 1..5000u64), 1..300),
        cap in 1..6u32,
    ) {
        let every = Terms { most: cap, ..Terms::FREE };
        let policy = Policy::new(every).name([1], Terms { most: 2, ..every });
        let path = |key: u64| vec![key % 3, key];
        let mut who = Fair::with_paths(policy, 12, Charge::Time, path);
        let mut jobs: Vec<_> = arrivals.iter()
            .map(|(key, at, service)| Job { key: *key, at: *at, service: *service, number: 0 })
            .collect();
        jobs.sort_by_key(|job| job.at);
        let mut starts = Vec::new();
        run(&mut who, 12, u64::MAX, jobs, |served| starts.push(served));
        prop_assert_eq!(starts.len(), arrivals.len(), "everything is served in the end");
        let flying = |now: u64, team: Option<u64>, key: Option<u64>| {
            starts.iter().filter(|served| {
                served.start <= now && now < served.start + served.job.service
                    && team.is_none_or(|team| served.job.key % 3 == team)
                    && key.is_none_or(|key| served.job.key == key)
            }).count()
        };
        for served in &starts {
            let team = served.job.key % 3;
            let cap = if team == 1 { 2 } else { cap as usize };
            prop_assert!(flying(served.start, Some(team), None) <= cap);
            prop_assert!(flying(served.start, None, Some(served.job.key)) <= cap);
        }
    }
}

/// A key below which others go on has the cap that is said of it, not that of a nameless one.
#[test]
fn a_path_that_ends_early_has_its_own_cap() {
    let terms = |most| Terms { most, ..Terms::FREE };
    let policy = Policy::new(terms(3)).name([9], terms(4));
    let mut turns: Scheduler<u64> = Scheduler::new(policy, 10);
    let (team, user) = (turns.open(turns.root(), [&9]), turns.open(turns.root(), [&9, &1]));
    turns.ready(team, 0);
    for _ in 0..4 {
        assert_eq!(turns.next(0), Some(team));
        turns.start(team, None, 0);
    }
    turns.ready(user, 0);
    assert_eq!(turns.next(0), None, "four of the team are out");
}

/// Slots that are held free are there at once for the key they are held for.
#[test]
fn slots_held_free_are_used_by_nobody_else() {
    let policy = Policy::new(Terms::FREE).name([9], Terms { least: 3, ..Terms::FREE });
    let mut turns: Scheduler<u64> = Scheduler::new(policy, 10);
    let (many, held) = (turns.open(turns.root(), [&1]), turns.open(turns.root(), [&9]));
    turns.ready(many, 0);
    let mut flying = Vec::new();
    while let Some(account) = turns.next(0) {
        flying.push((account, turns.start(account, None, 0)));
    }
    assert_eq!(flying.len(), 7, "three are held free");
    assert_eq!(turns.standing(many).parked, Some(Parked::Reserve));
    turns.ready(held, 0);
    for _ in 0..3 {
        assert_eq!(turns.next(0), Some(held));
        turns.start(held, None, 0);
    }
    assert_eq!(turns.next(0), None, "all ten are taken");
    turns.settle(many, 1000, 1000, 0);
    assert_eq!(turns.next(0), Some(many), "the key has what was held for it, and one more is free");
}

/// The reserve is for keys that are new, and for them alone.
#[test]
fn the_reserve_is_for_keys_within_their_share() {
    let mut policy = Policy::new(Terms::FREE);
    policy.reserve = 2;
    let mut turns: Scheduler<u64> = Scheduler::new(policy, 8);
    let many = turns.open(turns.root(), [&1]);
    turns.ready(many, 0);
    while let Some(account) = turns.next(0) {
        turns.start(account, None, 0);
    }
    assert_eq!(turns.flying(many), 6);
    let quiet = turns.open(turns.root(), [&2]);
    turns.ready(quiet, 0);
    assert_eq!(turns.next(0), Some(quiet));
    turns.start(quiet, None, 0);
    turns.rest(quiet);
    assert_eq!(turns.next(0), None);
}

#[test]
fn a_rate_parks_a_key_and_time_frees_it() {
    let every = Terms { rate: Rate::new(10, 1_000_000, 2), ..Terms::FREE };
    let mut who = Fair::new(Policy::new(every), 5, Charge::Count);
    let mut starts = Vec::new();
    run(&mut who, 5, u64::MAX, backlog(1, 12, 10), |served| starts.push(served.start));
    let expected: Vec<u64> =
        [0, 0].into_iter().chain((1..=10).map(|number| number * 100_000)).collect();
    assert_eq!(starts, expected);
}

/// A key that stops and comes back does not have a full bucket for that.
#[test]
fn coming_back_does_not_fill_the_bucket() {
    let every = Terms { rate: Rate::new(1, 1_000_000, 1), ..Terms::FREE };
    let mut who = Fair::new(Policy::new(every), 5, Charge::Count);
    let jobs = (0..20).map(|number| Job { key: 1, at: number * 100_000, service: 10, number: 0 });
    let mut starts = Vec::new();
    run(&mut who, 5, 5_000_001, jobs, |served| starts.push(served.start));
    assert_eq!(starts, [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]);
    assert_eq!(who.waiting(1), 14);
}

/// Work that is being served is charged as it runs: who has a slow one has no second turn first.
#[test]
fn running_work_is_charged_as_it_runs() {
    let mut turns: Scheduler<u64> = Scheduler::new(Policy::new(Terms::FREE), 2);
    let (slow, quick) = (turns.open(turns.root(), [&1]), turns.open(turns.root(), [&2]));
    turns.ready(slow, 0);
    turns.ready(quick, 0);
    let first = turns.next(0).unwrap();
    assert_eq!(first, slow);
    let mut charged = turns.start(slow, None, 0);
    turns.charge(slow, 100_000);
    charged += 100_000;
    for _ in 0..50 {
        assert_eq!(turns.next(0), Some(quick), "the slow one has had its part already");
        let charged = turns.start(quick, None, 0);
        turns.settle(quick, charged, 1000, 0);
    }
    turns.settle(slow, charged, 100_000, 0);
    assert!(turns.standing(slow).debt > 0);
}
