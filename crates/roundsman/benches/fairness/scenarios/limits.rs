//! What caps, slow work and buffers do to others.

use roundsman::fair::{Policy, Terms};

use super::{SECOND, beside, fair, noisy, quiet_waits, stream, wait};
use crate::bounds::{erlang_c, head_of_line};
use crate::others::Prefetch;
use crate::table::Table;
use crate::world::{Charge, Fair, Job, Luck, backlog, run};

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
