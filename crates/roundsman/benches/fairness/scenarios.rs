//! The scenarios, each with its bound, by what they ask; here what they are made of.

pub(crate) mod limits;
pub(crate) mod quiet;
pub(crate) mod shares;

use roundsman::fair::{Policy, Terms};

use crate::bounds::Waits;
use crate::others::{Fifo, RoundRobin, Sqs};
use crate::table::Table;
use crate::world::{Charge, Discipline, Fair, Job, Luck, backlog, run};

pub(crate) const SECOND: u64 = 1_000_000;
/// Mean service, in microseconds.
pub(crate) const MEAN: f64 = 10_000.0;

/// Exponential, with this mean, in microseconds; never nothing.
pub(crate) fn wait(luck: &mut Luck, mean: f64) -> u64 {
    let part = (luck.next() >> 11) as f64 / (1_u64 << 53) as f64;
    ((-(1.0 - part).ln() * mean) as u64).max(1)
}

/// `keys` keys from `first` on, each with messages at `rate` a second, until `until`.
pub(crate) fn stream(luck: &mut Luck, first: u64, keys: u64, rate: f64, until: u64) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut at = 0;
    loop {
        at += wait(luck, 1e6 / (rate * keys as f64));
        if at >= until {
            return jobs;
        }
        let key = first + luck.below(keys);
        jobs.push(Job { key, at, service: wait(luck, MEAN), number: 0 });
    }
}

/// A backlog with exponential services.
pub(crate) fn noisy(luck: &mut Luck, key: u64, count: u64) -> Vec<Job> {
    backlog(key, count, 0).map(|job| Job { service: wait(luck, MEAN), ..job }).collect()
}

pub(crate) fn fair(slots: u32) -> Fair {
    Fair::new(Policy::new(Terms::FREE), slots, Charge::Time)
}

/// Waits of the keys from `quiet` on, that came after `warm`, and how many others were served
/// after that.
pub(crate) fn quiet_waits(
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
pub(crate) fn beside(
    table: &Table,
    jobs: &[Job],
    slots: usize,
    (warm, until): (u64, u64),
    quiet: u64,
) {
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
