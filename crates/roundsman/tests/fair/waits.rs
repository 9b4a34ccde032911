//! Waits: who uses less than its share hardly waits, nobody waits for ever, and no slot idles.

use proptest::prelude::*;
use roundsman::fair::{Policy, Scheduler, Terms};

use crate::world::{Charge, Fair, Job, Luck, backlog, run};

/// The longest time between two starts of a key, the start of the world among them.
fn longest_gap(starts: &[u64], end: u64) -> u64 {
    let mut last = 0;
    let gaps = starts.iter().chain([&end]).map(|start| {
        let gap = start - last;
        last = *start;
        gap
    });
    gaps.max().unwrap_or(end)
}

/// A stream of keys that come once takes more than there is; the one that has a backlog still has
/// a turn in every second, and no less than its part of 1 in 65: but for what it overspent before
/// anybody knew what a message costs, which is `2(n + 1)` messages at the most.
#[test]
fn a_stream_of_new_keys_starves_nobody() {
    let mut who = Fair::new(Policy::new(Terms::FREE), 4, Charge::Time);
    let fresh = (0..20_000).map(|n| Job { key: 10 + n, at: n * 2000, service: 10_000, number: 0 });
    let jobs = backlog(1, 10_000, 10_000).chain(fresh);
    let (mut starts, mut all) = (Vec::new(), 0);
    run(&mut who, 4, 40_000_000, jobs, |served| {
        all += 1;
        if served.job.key == 1 {
            starts.push(served.start);
        }
    });
    assert!(longest_gap(&starts, 40_000_000) <= 1_010_000);
    assert!(starts.len() + 10 >= all / 66, "{} of {all}", starts.len());
}

/// However many others have however much to do, a key that sends a message now and then waits
/// for a slot and for those like it.
#[test]
fn a_quiet_key_does_not_wait_for_backlogs() {
    for heavy in [1, 100] {
        let mut who = Fair::new(Policy::new(Terms::FREE), 20, Charge::Time);
        let mut luck = Luck(7);
        // They are old once each has had its first turn, which is long before the first quiet one.
        let backlogs = (0..heavy).flat_map(|key| backlog(key, 3000, 10_000));
        let mut quiet: Vec<_> = (0..1000)
            .map(|n| Job {
                key: 1000 + n,
                at: 200_000 + luck.below(1_000_000),
                service: 10_000,
                number: 0,
            })
            .collect();
        quiet.sort_by_key(|job| job.at);
        let mut waits = Vec::new();
        run(&mut who, 20, 1_250_000, backlogs.chain(quiet), |served| {
            if served.job.key >= 1000 {
                waits.push(served.start - served.job.at);
            }
        });
        waits.sort_unstable();
        let p99 = waits[waits.len() * 99 / 100];
        assert!(p99 <= 10_500, "beside {heavy} heavy keys: {p99}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// No slot idles while anything waits: everything is served as soon as one queue for all
    /// would have been done.
    #[test]
    fn no_slot_idles_while_anybody_waits(
        arrivals in prop::collection::vec((0..12u64, 0..3000u64), 1..300),
        slots in 1..6usize,
    ) {
        let mut who = Fair::new(Policy::new(Terms::FREE), slots as u32, Charge::Time);
        let mut jobs: Vec<_> = arrivals.iter()
            .map(|(key, at)| Job { key: *key, at: *at, service: 500, number: 0 })
            .collect();
        jobs.sort_by_key(|job| job.at);
        let mut free = vec![0; slots];
        let in_turn: Vec<u64> = jobs.iter().map(|job| {
            free.sort_unstable();
            let start = free[0].max(job.at);
            free[0] = start + job.service;
            start
        }).collect();
        let mut starts = Vec::new();
        run(&mut who, slots, u64::MAX, jobs, |served| starts.push(served.start));
        prop_assert_eq!(starts, in_turn);
    }
}

/// What a key has left of a turn it may use when it comes again; it waits for the others only once
/// it has used all of it, and then for one turn of theirs.
#[test]
fn what_is_left_of_a_turn_is_used_without_waiting() {
    let mut turns: Scheduler<u64> = Scheduler::new(Policy::new(Terms::FREE), u32::MAX);
    let others: Vec<_> = (0..100).map(|key| turns.open(turns.root(), [&key])).collect();
    others.iter().for_each(|other| turns.ready(*other, 0));
    let serve_next = |turns: &mut Scheduler<u64>| {
        let account = turns.next(0).expect("somebody has work");
        let charged = turns.start(account, Some(1000), 0);
        turns.settle(account, charged, charged, 0);
        account
    };
    // Until all of them are old.
    (0..300).for_each(|_| _ = serve_next(&mut turns));
    let quiet = turns.open(turns.root(), [&1000]);
    for _ in 0..3 {
        turns.ready(quiet, 0);
        assert_eq!(turns.next(0), Some(quiet));
        let charged = turns.start(quiet, Some(400), 0);
        turns.rest(quiet);
        turns.settle(quiet, charged, charged, 0);
        serve_next(&mut turns);
    }
    turns.ready(quiet, 0);
    let waited = (0..300).take_while(|_| serve_next(&mut turns) != quiet).count();
    assert!((90..=100).contains(&waited), "it waited for {waited} turns of a hundred others");
}
