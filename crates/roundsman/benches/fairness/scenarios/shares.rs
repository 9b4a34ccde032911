//! What those get who want more than there is.

use std::collections::HashMap;

use roundsman::fair::{Policy, Terms, Weight};

use super::{MEAN, SECOND, beside, fair, wait};
use crate::bounds::{Waits, head_of_line, level};
use crate::others::Trickle;
use crate::table::Table;
use crate::world::{Charge, Fair, Job, Luck, backlog, run};

/// S2: Zipf over 100,000 keys, a fifth too much.
pub(crate) fn zipf(table: &mut Table) {
    if !table.wants("S2") {
        return;
    }
    let (keys, warm, until, offered) = (100_000, 5 * SECOND, 35 * SECOND, 12_000.0);
    let weights: Vec<f64> = (1..=keys).map(|rank| f64::from(rank).powf(-1.1)).collect();
    let all: f64 = weights.iter().sum();
    let wanted: Vec<f64> = weights.iter().map(|weight| weight / all * offered).collect();
    let mut sums = wanted.clone();
    for at in 1..sums.len() {
        sums[at] += sums[at - 1];
    }
    let (mut luck, mut at, mut jobs) = (Luck(3), 0, Vec::new());
    while at < until {
        at += wait(&mut luck, 1e6 / offered);
        let draw = luck.below(1 << 40) as f64 / (1_u64 << 40) as f64 * offered;
        let key = sums.partition_point(|sum| *sum <= draw) as u64;
        jobs.push(Job { key, at, service: wait(&mut luck, MEAN), number: 0 });
    }
    let (mut drawn, mut had) = (vec![0.0; wanted.len()], vec![0.0; wanted.len()]);
    jobs.iter().for_each(|job| drawn[job.key as usize] += 1.0);
    let mut tail = Waits::new();
    run(&mut fair(100), 100, until, jobs.iter().copied(), |served| {
        had[served.job.key as usize] += 1.0;
        if served.start >= warm && served.job.key >= 1000 {
            tail.add(served.start - served.job.at);
        }
    });
    // The water level of what was drawn: of what is drawn in half a minute, that of the ten that
    // send most is off by several in a hundred.
    let (all, seconds) = (had.iter().sum::<f64>(), until as f64 / 1e6);
    let theta = level(&drawn, all);
    let capped = drawn.iter().filter(|drawn| **drawn > theta).count();
    let each = had[..capped].iter().sum::<f64>() / capped as f64;
    let what = format!("each of the {capped} above the water level, a second");
    let line = ("within 1 %", (each / theta - 1.0).abs() < 0.01);
    table.row("S2", &what, (each / seconds, theta / seconds), "", line);
    let share = had[..10].iter().sum::<f64>() / all * 100.0;
    let bound = drawn[..10].iter().map(|drawn| drawn.min(theta)).sum::<f64>() / all * 100.0;
    let line = ("within 1 %", (share / bound - 1.0).abs() < 0.01);
    table.row("S2", "share of the first ten", (share, bound), "%", line);
    let load = wanted[1000..].iter().sum::<f64>() / 10_000.0;
    let (bound, measured) = (head_of_line(0.99, 10_000.0, load), tail.at(0.99));
    table.row(
        "S2",
        "rank 1000 and behind, p99",
        (measured, bound),
        "ms",
        ("at most 5 times", measured <= 5.0 * bound),
    );
    beside(table, &jobs, 100, (warm, until), 1000);
}

/// S5: weights 1, 2 and 4.
pub(crate) fn weights(table: &mut Table) {
    if !table.wants("S5") {
        return;
    }
    let policy = [(0, 1), (1, 2), (2, 4)].into_iter().fold(
        Policy::new(Terms::FREE),
        |policy, (key, weight)| {
            let weight = Weight::new(weight).unwrap_or_default();
            policy.name([key], Terms { weight, ..Terms::FREE })
        },
    );
    let mut who = Fair::new(policy, 20, Charge::Time);
    let jobs: Vec<Job> = (0..3).flat_map(|key| backlog(key, 10_000, 10_000)).collect();
    let (mut had, mut all) = ([0.0; 3], 0);
    run(&mut who, 20, u64::MAX, jobs, |served| {
        if all < 10_000 {
            all += 1;
            had[served.job.key as usize] += 0.01;
        }
    });
    for (key, bound) in [(0, 100.0 / 7.0), (1, 200.0 / 7.0), (2, 400.0 / 7.0)] {
        let measured: f64 = had[key];
        let what = format!("weight {} of 7, of 10,000 messages", 1 << key);
        table.row(
            "S5",
            &what,
            (measured, bound),
            "%",
            ("within 0.5", (measured - bound).abs() <= 0.5),
        );
    }
}

/// S7: everybody is idle, then everybody sends a hundred.
pub(crate) fn bursts(table: &mut Table) {
    if !table.wants("S7") {
        return;
    }
    let keys = 50;
    let jobs = (0..3).flat_map(|burst| {
        (0..100 * keys).map(move |n| Job {
            key: n % keys,
            at: burst * 10 * SECOND,
            service: 10_000,
            number: 0,
        })
    });
    let mut starts: HashMap<u64, Vec<u64>> = HashMap::new();
    run(&mut fair(20), 20, u64::MAX, jobs, |served| {
        starts.entry(served.job.key).or_default().push(served.start);
    });
    let gaps = starts.values().flat_map(|starts| starts.windows(2).map(|pair| pair[1] - pair[0]));
    let longest = gaps.filter(|gap| *gap < SECOND).max().unwrap_or(0) as f64 / 1000.0;
    // A round of 50 on 20 slots is two and a half services: three, as they begin together.
    table.row(
        "S7",
        "longest gap in a burst",
        (longest, 30.0),
        "ms",
        ("at most a round", longest <= 30.0),
    );
    let ends = starts.values().filter_map(|starts| starts.get(99)).map(|at| *at as f64 / 1000.0);
    let last = ends.fold(0.0, f64::max);
    table.row(
        "S7",
        "a burst of 5,000 is begun",
        (last, 2490.0),
        "ms",
        ("within 1 %", last <= 2490.0 * 1.01),
    );
}

/// S9: one team of a thousand keys, 999 teams of one.
pub(crate) fn sybil(table: &mut Table) {
    if !table.wants("S9") {
        return;
    }
    let path = |key: u64| if key < 1000 { vec![0, key] } else { vec![key, 0] };
    let mut who = Fair::with_paths(Policy::new(Terms::FREE), 20, Charge::Time, path);
    let jobs: Vec<Job> = (0..1999).flat_map(|key| backlog(key, 210, 10_000)).collect();
    let (mut team, mut all) = (0.0, 0);
    run(&mut who, 20, u64::MAX, jobs, |served| {
        if all < 200_000 {
            all += 1;
            team += if served.job.key < 1000 { 1.0 } else { 0.0 };
        }
    });
    let line = ("within 2 %", (team / 200.0 - 1.0_f64).abs() <= 0.02);
    table.row("S9", "a team of 1,000 keys among 1,000, of 200,000", (team, 200.0), "", line);
}

/// S10: four that have one message at a time, and one that always has many.
pub(crate) fn trickle(table: &mut Table) {
    if !table.wants("S10") {
        return;
    }
    let mut jobs: Vec<Job> =
        (0..4).map(|key| Job { key, at: 0, service: 10_000, number: 0 }).collect();
    jobs.extend(backlog(4, 10_000, 10_000));
    let mut had = [0.0; 5];
    let mut who = Trickle { inner: fair(1), below: 4 };
    run(&mut who, 1, 100 * SECOND, jobs, |served| had[served.job.key as usize] += 0.01);
    for (key, name) in [(4, "the steady one"), (0, "one that drains at each turn")] {
        let measured: f64 = had[key];
        let line = ("within 2 %", (measured / 20.0 - 1.0).abs() <= 0.02);
        table.row("S10", &format!("share of {name}"), (measured, 20.0), "%", line);
    }
}
