//! How long those wait who send little.

use super::{MEAN, SECOND, beside, fair, noisy, quiet_waits, stream, wait};
use crate::bounds::{Waits, erlang_c, head_of_line, jain};
use crate::start_time::StartTime;
use crate::table::Table;
use crate::world::{Discipline, Job, Luck, run};

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
    let (mean, worst) = jain_of_heavy(&mut fair(20), &jobs, (warm, until));
    let oracle = jain_of_heavy(&mut StartTime::new(&vec![1; 10_010]), &jobs, (warm, until));
    let line = ("at least 0.999", worst >= 0.999);
    table.row("S3", "worst Jain index of the heavy in a second", (worst, oracle.1), "", line);
    table.note("", "  and the mean of all seconds", &format!("{mean:.4} / {:.4}", oracle.0));
    beside(table, &jobs, 20, (warm, until), 10);
}

/// The index of ten, of the slot time that each has in a second, about a hundred rounds: the mean
/// of all seconds, and the worst.
fn jain_of_heavy(who: &mut dyn Discipline, jobs: &[Job], (warm, until): (u64, u64)) -> (f64, f64) {
    let mut windows = vec![vec![0.0; 10]; (until / SECOND) as usize];
    run(who, 20, until, jobs.iter().copied(), |served| {
        let (mut at, end) = (served.start, served.start + served.job.service);
        while served.job.key < 10 && at < end.min(until) {
            let window = at / SECOND;
            let left = end.min((window + 1) * SECOND);
            windows[window as usize][served.job.key as usize] += (left - at) as f64;
            at = left;
        }
    });
    let begun = (warm / SECOND) as usize;
    // What began in the last second may not have been said when the end came.
    let indices: Vec<f64> = windows[begun..windows.len() - 1].iter().map(|it| jain(it)).collect();
    let mean = indices.iter().sum::<f64>() / indices.len() as f64;
    (mean, indices.into_iter().fold(1.0, f64::min))
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
            jobs.push(Job { key, at, service: wait(&mut luck, MEAN), number: 0 });
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
        let rest = std::iter::once(Job { key: u64::MAX, at: until, service: 1, number: 0 });
        run(&mut who, 20, u64::MAX, rest, |_| {});
        let left = who.turns.len() as f64 - 1.0;
        table.row(
            "S4",
            "  accounts left when all is served",
            (left, 0.0),
            "",
            ("none", left == 0.0),
        );
        beside(table, &jobs, 20, (warm, until), 1);
    }
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
