//! Beside start-time fair queueing (Goyal, Vin and Cheng, 1996): served the same work, every key
//! has had as much, but for a constant.

use proptest::prelude::*;
use roundsman::fair::{Policy, Terms, Weight};

use crate::start_time::StartTime;
use crate::world::{Charge, Discipline, Fair, Job};

/// One server: what each key was served, divided by its weight, after each message.
fn serve(who: &mut dyn Discipline, jobs: &[Job], weights: &[u32], until: u64) -> Vec<u64> {
    let mut now = 0;
    let mut served = vec![0; weights.len()];
    jobs.iter().for_each(|job| who.put(*job, 0));
    while now < until
        && let Some(job) = who.take(now)
    {
        now += job.service;
        who.done(job, now);
        served[job.key as usize] += job.service;
    }
    served.iter().zip(weights).map(|(time, weight)| time / u64::from(*weight)).collect()
}

/// Keys that have work all the time, by weight and costs in turn: each has what the oracle gives
/// it, and any two have the same, each within two quanta and twice the largest cost.
fn compare(keys: &[(u32, Vec<u64>)], until: u64) -> Result<(), TestCaseError> {
    let weights: Vec<u32> = keys.iter().map(|(weight, _)| *weight).collect();
    let mut jobs = Vec::new();
    for (key, (_, costs)) in keys.iter().enumerate() {
        let mut left = until;
        for service in costs.iter().cycle() {
            jobs.push(Job { key: key as u64, at: 0, service: *service, number: 0 });
            left = match left.checked_sub(*service) {
                Some(left) => left,
                None => break,
            };
        }
    }
    let policy = weights.iter().zip(0..).fold(Policy::new(Terms::FREE), |policy, (w, key)| {
        policy.name([key], Terms { weight: Weight::new(*w).expect("above 0"), ..Terms::FREE })
    });
    let mut fair = Fair::new(policy, 1, Charge::Time);
    let served = serve(&mut fair, &jobs, &weights, until);
    let oracle = serve(&mut StartTime::new(&weights), &jobs, &weights, until);
    let largest = keys.iter().flat_map(|(_, costs)| costs).max().copied().unwrap_or(0);
    // A key is new with the credit it began with, and old with that of its first lap.
    let bound = 2 * fair.turns.quantum().max(1000) + 2 * largest;
    for (one, other) in served.iter().zip(&oracle) {
        prop_assert!(one.abs_diff(*other) <= bound + 2 * largest, "{served:?} {oracle:?}");
    }
    let (most, least) = served
        .iter()
        .fold((0, u64::MAX), |(most, least), time| (most.max(*time), least.min(*time)));
    prop_assert!(most - least <= bound, "{served:?}, bound {bound}");
    Ok(())
}

/// The second is new for four thousand messages, and each 65th turn is the first one's, which owes
/// a hundred of them each time: it has to pay for that.
#[test]
fn a_turn_among_new_ones_is_no_present() {
    compare(&[(1, vec![113]), (4, vec![1])], 50_000).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn service_is_within_the_bound_of_the_oracle(
        keys in prop::collection::vec((1..6u32, prop::collection::vec(1..3000u64, 1..8)), 2..7),
        until in 50_000..600_000u64,
    ) {
        compare(&keys, until)?;
    }
}
