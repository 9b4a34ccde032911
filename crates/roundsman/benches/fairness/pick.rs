//! What a pick costs in nanoseconds, and what an active key weighs in bytes.

use std::hint::black_box;
use std::time::Instant;

use roundsman::fair::{Account, Policy, Scheduler, Terms};

use crate::table::Table;

fn backlogged(keys: u64) -> (Scheduler<u64>, Vec<Account>) {
    let mut turns: Scheduler<u64> = Scheduler::new(Policy::new(Terms::FREE), u32::MAX);
    let accounts: Vec<_> = (0..keys).map(|key| turns.open(turns.root(), [&key])).collect();
    accounts.iter().for_each(|account| turns.ready(*account, 0));
    // Past the first lap, in which all are new.
    for now in 0..keys * 2 {
        serve(&mut turns, now);
    }
    (turns, accounts)
}

fn serve(turns: &mut Scheduler<u64>, now: u64) {
    if let Some(account) = turns.next(now) {
        let charged = turns.start(account, Some(1000), now);
        turns.settle(account, charged, charged, now);
    }
}

/// Nanoseconds of one of `count`: the best of some rounds, since the machine does other things, and
/// for longer than a few rounds take.
fn best(rounds: u64, count: u64, mut round: impl FnMut(u64)) -> f64 {
    let rounds = (0..rounds).map(|number| {
        let begun = Instant::now();
        round(number);
        begun.elapsed().as_nanos() as f64 / count as f64
    });
    rounds.fold(f64::INFINITY, f64::min)
}

pub(crate) fn costs(table: &mut Table) {
    if !table.wants("pick") {
        return;
    }
    for (keys, line) in [(1000, 20.0), (100_000, 20.0), (1_000_000, 50.0)] {
        let (mut turns, _accounts) = backlogged(keys);
        let count = 1_000_000;
        let mut now = keys * 2;
        let pick = best(25, count, |_| {
            for _ in 0..count {
                now += 1;
                if let Some(account) = turns.next(now) {
                    black_box(turns.start(account, Some(1000), now));
                }
            }
        });
        let what = format!("a pick among {keys} active keys");
        let said = format!("at most {line} ns");
        table.row("pick", &what, (pick, line), "ns", (&said, pick <= line));
        let (mut turns, _accounts) = backlogged(keys);
        let turn = best(25, count, |_| (0..count).for_each(|_| serve(&mut turns, now)));
        table.note("", "  and its settling", &format!("{turn:.1} ns"));
        let bytes = turns.bytes() as f64 / keys as f64;
        table.row("pick", "  bytes for each", (bytes, 128.0), "B", ("at most 128", bytes <= 128.0));
    }
    let mut turns: Scheduler<u64> = Scheduler::new(Policy::new(Terms::FREE), u32::MAX);
    let fresh = best(5, 1_000_000, |round| {
        for key in 0..1_000_000 {
            let account = turns.open(turns.root(), [&(round * 1_000_000 + key)]);
            turns.ready(account, key);
            if let Some(account) = turns.next(key) {
                let charged = turns.start(account, None, key);
                turns.rest(account);
                turns.settle(account, charged, 1000, key);
                turns.close(account);
            }
        }
    });
    table.note("pick", "a key that comes once, from opening to closing", &format!("{fresh:.1} ns"));
    let left = turns.bytes() as f64;
    table.row(
        "pick",
        "bytes left after 5,000,000 of them",
        (left, 0.0),
        "B",
        ("4096", left <= 4096.0),
    );
}
