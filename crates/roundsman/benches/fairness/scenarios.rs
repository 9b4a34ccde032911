//! The scenarios, each with its bound.

use std::collections::HashMap;

use roundsman::fair::{Policy, Terms, Weight};

use crate::bounds::{Waits, erlang_c, head_of_line, jain, level};
use crate::others::{Fifo, Prefetch, RoundRobin, Sqs, Trickle};
use crate::table::Table;
use crate::world::{Charge, Discipline, Fair, Job, Luck, backlog, run};

const SECOND: u64 = 1_000_000;
/// Mean service, in microseconds.
const MEAN: f64 = 10_000.0;

/// Exponential, with this mean, in microseconds; never nothing.
fn wait(luck: &mut Luck, mean: f64) -> u64 {
    let part = (luck.next() >> 11) as f64 / (1_u64 << 53) as f64;
    ((-(1.0 - part).ln() * mean) as u64).max(1)
}

/// `keys` keys from `first` on, each with messages at `rate` a second, until `until`.
fn stream(luck: &mut Luck, first: u64, keys: u64, rate: f64, until: u64) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut at = 0;
    loop {
        at += wait(luck, 1e6 / (rate * keys as f64));
        if at >= until {
            return jobs;
        }
        let key = first + luck.below(keys);
        jobs.push(Job { key, at, service: wait(luck, MEAN), charged: 0 });
    }
}

/// A backlog with exponential services.
fn noisy(luck: &mut Luck, key: u64, count: u64) -> Vec<Job> {
    backlog(key, count, 0).map(|job| Job { service: wait(luck, MEAN), ..job }).collect()
}

fn fair(slots: u32) -> Fair {
    Fair::new(Policy::new(Terms::FREE), slots, Charge::Time)
}

/// Waits of the keys from `quiet` on, that came after `warm`, and how many others were served
/// after that.
fn quiet_waits(
    who: &mut dyn Discipline,
    slots: usize,
    (warm, until): (u64, u64),
    jobs: &[Job],
    quiet: u64,
) -> (Waits, u64) {
    let (mut waits, mut others) = (Waits::new(), 0);
    run(who, slots, until, jobs.iter().copied(), |served| {
        if served.job.key >= quiet {
            if served.job.at >= warm {
                waits.add(served.start - served.job.at);
            }
        } else if served.start >= warm {
            others += 1;
        }
    });
    (waits, others)
}

/// How others do, for comparison.
fn beside(table: &Table, jobs: &[Job], slots: usize, (warm, until): (u64, u64), quiet: u64) {
    let of = jobs.iter().filter(|job| job.key >= quiet && job.at >= warm && job.at < until).count();
    let others: [(&str, Box<dyn Discipline>); 3] = [
        ("  first in first out", Box::<Fifo>::default()),
        ("  round robin", Box::<RoundRobin>::default()),
        ("  the rule of SQS fair queues", Box::<Sqs>::default()),
    ];
    for (name, mut who) in others {
        let (mut waits, _) = quiet_waits(who.as_mut(), slots, (warm, until), jobs, quiet);
        table.note("", name, &waits.shown(of));
    }
}

/// S0: nobody is noisy.
pub(crate) fn quiet_only(table: &mut Table) {
    if !table.wants("S0") {
        return;
    }
    let mut jobs = stream(&mut Luck(1), 1, 1000, 1.0, 60 * SECOND);
    jobs.sort_by_key(|job| job.at);
    let (mut waits, _) = quiet_waits(&mut fair(20), 20, (SECOND, 60 * SECOND), &jobs, 1);
    for p in [0.5, 0.99] {
        let bound = erlang_c(p, 20, 10.0, 10.0);
        let what = format!("quiet only, p{:.0}", p * 100.0);
        table.row("S0", &what, (waits.at(p), bound), "ms", ("baseline", true));
    }
}

/// S1: one with a backlog beside a thousand with a message a second.
pub(crate) fn one_noisy(table: &mut Table) {
    if !table.wants("S1") {
        return;
    }
    let mut luck = Luck(2);
    let (warm, until) = (SECOND, 60 * SECOND);
    let mut jobs = noisy(&mut luck, 0, 1_000_000);
    jobs.extend(stream(&mut luck, 1, 1000, 1.0, until));
    let (mut waits, served) = quiet_waits(&mut fair(20), 20, (warm, until), &jobs, 1);
    let bound = head_of_line(0.5, 2000.0, 0.5);
    table.row(
        "S1",
        "beside a backlog of 1,000,000, p50",
        (waits.at(0.5), bound),
        "ms",
        ("-", true),
    );
    let (bound, measured) = (head_of_line(0.99, 2000.0, 0.5), waits.at(0.99));
    let line = ("at most 1.25 times", measured <= 1.25 * bound);
    table.row("S1", "beside a backlog of 1,000,000, p99", (measured, bound), "ms", line);
    let left = 1000.0 * 59.0;
    let line = ("at least 98 %", served as f64 >= 0.98 * left);
    table.row("S1", "the noisy one has what is left", (served as f64, left), "", line);
    beside(table, &jobs, 20, (warm, until), 1);
}

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
        jobs.push(Job { key, at, service: wait(&mut luck, MEAN), charged: 0 });
    }
    let theta = level(&wanted, 10_000.0);
    let mut had: HashMap<u64, u64> = HashMap::new();
    let mut tail = Waits::new();
    run(&mut fair(100), 100, until, jobs.iter().copied(), |served| {
        if served.start >= warm {
            *had.entry(served.job.key).or_default() += 1;
            if served.job.key >= 1000 {
                tail.add(served.start - served.job.at);
            }
        }
    });
    let capped = wanted.iter().filter(|wanted| **wanted > theta).count();
    let seconds = (until - warm) as f64 / 1e6;
    let of_capped: u64 = (0..capped as u64).filter_map(|key| had.get(&key)).sum();
    let level = of_capped as f64 / capped as f64 / seconds;
    let error = (level / theta - 1.0).abs();
    let what = format!("each of the {capped} above the water level, a second");
    table.row("S2", &what, (level, theta), "", ("within 1 %", error < 0.01));
    let top: u64 = (0..10).filter_map(|key| had.get(&key)).sum();
    let expected = wanted[..10].iter().map(|wanted| wanted.min(theta)).sum::<f64>() / 100.0;
    let share = top as f64 / seconds / 100.0;
    let line = ("within 1 %", (share / expected - 1.0).abs() < 0.01);
    table.row("S2", "share of the first ten", (share, expected), "%", line);
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

/// S3: ten with backlogs, ten thousand that rarely send.
pub(crate) fn ten_heavy(table: &mut Table) {
    if !table.wants("S3") {
        return;
    }
    let (mut luck, warm, until) = (Luck(4), SECOND, 60 * SECOND);
    let mut jobs: Vec<Job> = (0..10).flat_map(|key| noisy(&mut luck, key, 20_000)).collect();
    jobs.extend(stream(&mut luck, 10, 10_000, 0.1, until));
    let (mut waits, _) = quiet_waits(&mut fair(20), 20, (warm, until), &jobs, 10);
    let (bound, measured) = (head_of_line(0.99, 2000.0, 0.5), waits.at(0.99));
    let line = ("at most 1.25 times", measured <= 1.25 * bound);
    table.row("S3", "10,000 light beside ten heavy, p99", (measured, bound), "ms", line);
    // Windows of ten rounds of the heavy: in time, as that is what they pay with.
    let (mut worst, mut window) = (1.0_f64, vec![0.0; 10]);
    let mut turns = 0;
    run(&mut fair(20), 20, until, jobs.iter().copied(), |served| {
        if served.job.key < 10 && served.start >= warm {
            window[served.job.key as usize] += served.job.service as f64;
            turns += 1;
            if turns == 1000 {
                worst = worst.min(jain(&window));
                (turns, window) = (0, vec![0.0; 10]);
            }
        }
    });
    let line = ("at least 0.999", worst >= 0.999);
    table.row("S3", "the worst Jain index of 100 rounds of the heavy", (worst, 1.0), "", line);
    beside(table, &jobs, 20, (warm, until), 10);
}

/// S4: keys that come once, fewer and more than can be served, beside one with a backlog.
pub(crate) fn churn(table: &mut Table) {
    if !table.wants("S4") {
        return;
    }
    for load in [0.5, 0.9, 1.2] {
        let (mut luck, warm, until) = (Luck(5), SECOND, 60 * SECOND);
        let mut jobs = noisy(&mut luck, 0, 130_000);
        let (mut at, mut key) = (0, 0);
        while at < until {
            at += wait(&mut luck, 1e6 / (2000.0 * load));
            key += 1;
            jobs.push(Job { key, at, service: wait(&mut luck, MEAN), charged: 0 });
        }
        let mut who = fair(20);
        let (mut waits, mut last, mut gap, mut had, mut all) = (Waits::new(), 0, 0, 0_u64, 0_u64);
        run(&mut who, 20, until, jobs.iter().copied(), |served| {
            all += 1;
            if served.job.key == 0 {
                gap = gap.max(served.start - last);
                (last, had) = (served.start, had + 1);
            } else if served.job.at >= warm {
                waits.add(served.start - served.job.at);
            }
        });
        let gap = gap as f64 / 1e6;
        let what = format!("at {load} times: longest gap of the backlog");
        table.row("S4", &what, (gap, 1.0), "s", ("at most 1.1 s", gap <= 1.1));
        if load < 1.0 {
            let (measured, bound) = (waits.at(0.99), head_of_line(0.99, 2000.0, load));
            table.row("S4", "  those that come once, p99", (measured, bound), "ms", ("-", true));
        }
        let share = had as f64 / all as f64 * 100.0;
        table.note("", "  share of the backlog", &format!("{share:.2} %"));
        // Everything is served in the end; nothing may be left of half a million keys.
        let rest = std::iter::once(Job { key: u64::MAX, at: until, service: 1, charged: 0 });
        run(&mut who, 2000, u64::MAX, rest, |_| {});
        let left = who.turns.len() as f64 - 1.0;
        table.note("", "  accounts left when all is served", &format!("{left}"));
        beside(table, &jobs, 20, (warm, until), 1);
    }
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

/// S6: one whose messages take 34 times as long.
pub(crate) fn slow_tenant(table: &mut Table) {
    if !table.wants("S6") {
        return;
    }
    let mut jobs: Vec<Job> = (1..=20).flat_map(|key| backlog(key, 12_000, 100_000)).collect();
    jobs.extend(backlog(0, 500, 3_400_000));
    for (name, charge) in [("time", Charge::Time), ("count", Charge::Count)] {
        let mut who = Fair::new(Policy::new(Terms::FREE), 20, charge);
        let (mut slow, mut all) = (0.0, 0.0);
        run(&mut who, 20, 1000 * SECOND, jobs.iter().copied(), |served| {
            all += served.job.service as f64;
            slow += if served.job.key == 0 { served.job.service as f64 } else { 0.0 };
        });
        let (measured, bound) = (slow / all * 100.0, 100.0 / 21.0);
        let what = format!("slot time of the slow one, charged by {name}");
        if charge == Charge::Time {
            table.row(
                "S6",
                &what,
                (measured, bound),
                "%",
                ("within 1", (measured - bound).abs() <= 1.0),
            );
        } else {
            table.note("S6", &what, &format!("{measured:.1} %"));
        }
    }
    // The others at a quarter of the slots, the slow one at most on 12 of the 20.
    let (mut luck, until) = (Luck(6), 600 * SECOND);
    let mut jobs = backlog(0, 5000, 3_400_000)
        .map(|job| Job { service: wait(&mut luck, 3.4e6), ..job })
        .collect::<Vec<_>>();
    jobs.extend(
        stream(&mut luck, 1, 20, 2.5, until)
            .into_iter()
            .map(|job| Job { service: job.service * 10, ..job }),
    );
    let policy = Policy::new(Terms::FREE).name([0], Terms { most: 12, ..Terms::FREE });
    let mut who = Fair::new(policy, 20, Charge::Time);
    let (mut waits, _) = quiet_waits(&mut who, 20, (10 * SECOND, until), &jobs, 1);
    let (bound, measured) = (erlang_c(0.99, 8, 5.0, 100.0), waits.at(0.99));
    table.row(
        "S6",
        "quiet beside it, capped at 12 of 20, p99",
        (measured, bound),
        "ms",
        ("at most 1.5 times", measured <= 1.5 * bound),
    );
    beside(table, &jobs, 20, (10 * SECOND, until), 1);
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
            charged: 0,
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

/// S8: more and more with backlogs.
pub(crate) fn more_and_more(table: &mut Table) {
    if !table.wants("S8") {
        return;
    }
    let mut first = 0.0;
    for heavy in [1, 10, 100, 1000] {
        let (mut luck, warm, until) = (Luck(7), 5 * SECOND, 60 * SECOND);
        let mut jobs: Vec<Job> =
            (0..heavy).flat_map(|key| noisy(&mut luck, key, 200_000 / heavy)).collect();
        jobs.extend(stream(&mut luck, heavy, 1000, 0.5, until));
        let (mut waits, _) = quiet_waits(&mut fair(20), 20, (warm, until), &jobs, heavy);
        let (median, bound) = (waits.at(0.5), head_of_line(0.5, 2000.0, 0.25));
        if heavy == 1 {
            first = median;
        }
        let what = format!("quiet beside {heavy} heavy, p50");
        table.row(
            "S8",
            &what,
            (median, bound),
            "ms",
            ("at most twice that beside one", median <= 2.0 * first),
        );
        table.note("", "  p99", &format!("{:.2} ms", waits.at(0.99)));
        if heavy == 1000 {
            beside(table, &jobs, 20, (warm, until), heavy);
        }
    }
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
        (0..4).map(|key| Job { key, at: 0, service: 10_000, charged: 0 }).collect();
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

/// S11: a thousand that may not be served beside ten that may.
pub(crate) fn blocked(table: &mut Table) {
    if !table.wants("S11") {
        return;
    }
    let (mut luck, warm, until) = (Luck(8), SECOND, 60 * SECOND);
    let ready = stream(&mut luck, 1000, 10, 140.0, until);
    let (mut alone, _) = quiet_waits(&mut fair(20), 20, (warm, until), &ready, 1000);
    // Each of a thousand has one message that takes longer than the run, and may have one at a
    // time; they have slots of their own, and a backlog behind.
    let every = Terms { most: 1, ..Terms::FREE };
    let policy =
        (1000..1010).fold(Policy::new(every), |policy, key| policy.name([key], Terms::FREE));
    let mut jobs: Vec<Job> = (0..1000).flat_map(|key| backlog(key, 10, 10_000 * SECOND)).collect();
    jobs.extend(ready.iter().map(|job| Job { at: job.at + 1, ..*job }));
    let mut who = Fair::new(policy, 1020, Charge::Time);
    let (mut waits, _) = quiet_waits(&mut who, 1020, (warm, until), &jobs, 1000);
    let (measured, bound) = (waits.at(0.99), alone.at(0.99));
    table.row(
        "S11",
        "ten ready beside 1,000 at their cap, p99",
        (measured, bound),
        "ms",
        ("at most 1.1 times", measured <= 1.1 * bound),
    );
}

/// S13: a buffer behind the scheduler is a queue.
pub(crate) fn prefetch(table: &mut Table) {
    if !table.wants("S13") {
        return;
    }
    for each in [1_u32, 2, 4, 16, 64] {
        let (mut luck, warm, until) = (Luck(9), 5 * SECOND, 60 * SECOND);
        let mut jobs = noisy(&mut luck, 0, 150_000);
        jobs.extend(stream(&mut luck, 1, 1000, 1.0, until));
        let depth = 20 * (each as usize - 1);
        let mut who = Prefetch { inner: fair(u32::MAX), buffer: Default::default(), depth };
        let (mut waits, _) = quiet_waits(&mut who, 20, (warm, until), &jobs, 1);
        let bound = head_of_line(0.5, 2000.0, 0.5) + f64::from(each - 1) * 10.0;
        let what = format!("{each} taken ahead for each slot, p50");
        table.row("S13", &what, (waits.at(0.5), bound), "ms", ("shows why none is", true));
    }
}
