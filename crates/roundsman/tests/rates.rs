//! Rates: never more than was said, nothing lost, order within a key, and bounded by demand.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use proptest::prelude::*;
use roundsman::{
    EventStream, Subscribe, from_iter,
    rate::{Bucket, Pace, Rate, pacing},
};
use tokio::time::Instant;

fn rate(turns: u64, per: Duration, burst: u64) -> Rate {
    let micros = u64::try_from(per.as_micros()).expect("some hours at most");
    Rate::new(turns, micros, burst).expect("a rate")
}

proptest! {
    /// In any window no more goes than the bucket holds and what fills it meanwhile; and whoever
    /// waits as long as it is told gets its turn.
    #[test]
    fn no_window_has_more_than_its_share(
        turns in 1u64..500,
        burst in 1u64..20,
        pauses in prop::collection::vec(0u64..20_000_000, 1..200),
    ) {
        let rate = rate(turns, Duration::from_secs(1), burst);
        let (mut bucket, mut now, mut went) = (Bucket::default(), Duration::ZERO, Vec::new());
        for pause in pauses {
            now += Duration::from_nanos(pause);
            if let Err(wait) = bucket.take(rate, now, 1) {
                prop_assert!(wait > Duration::ZERO);
                now += wait;
                prop_assert_eq!(bucket.take(rate, now, 1), Ok(()));
            }
            went.push(now);
        }
        let every = Duration::from_secs(1).as_nanos().div_ceil(u128::from(turns));
        for (at, first) in went.iter().enumerate() {
            for (count, last) in went[at..].iter().enumerate() {
                let filled = (*last - *first).as_nanos() / every;
                prop_assert!(count as u128 <= u128::from(burst) + filled);
            }
        }
    }
}

#[test]
fn what_is_no_rate_is_none() {
    assert_eq!(Rate::new(0, 1, 1), None);
    assert_eq!(Rate::new(1, 0, 1), None);
    assert_eq!(Rate::new(1_001, 1, 1), None);
    assert_eq!(Rate::new(1, u64::MAX, 1), None);
    assert!(Rate::new(1_000, 1, 0).is_some());
}

#[test]
fn what_costs_more_than_the_bucket_holds_leaves_a_debt() {
    let second = Duration::from_secs(1);
    let (rate, mut bucket) = (rate(10, second, 1), Bucket::default());
    assert_eq!(bucket.take(rate, second, 20), Ok(()));
    assert_eq!(bucket.take(rate, second, 1), Err(second * 2));
    assert!(!bucket.is_full(second * 2) && bucket.is_full(second * 3));
}

/// Each event with the moment at which it came out, in milliseconds from the start.
async fn play(
    events: Vec<(char, u32)>,
    rate: Rate,
    demand: usize,
) -> BTreeMap<char, Vec<(u32, u128)>> {
    let begun = Instant::now();
    let source = roundsman::producer(from_iter(events)).spawn();
    let paced = roundsman::transform(pacing(rate, |event: &(char, u32)| event.0)).spawn();
    let terms = Subscribe::default().max_demand(demand);
    let mut out = EventStream::new().subscribe(&paced.outlet, terms).expect("its outlet lives");
    paced.inlet.subscribe(&source.outlet, terms).expect("both live");
    let mut seen: BTreeMap<char, Vec<_>> = BTreeMap::new();
    while let Some(Ok((key, number))) = out.next().await {
        seen.entry(key).or_default().push((number, begun.elapsed().as_millis()));
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn each_key_goes_at_its_own_pace_and_in_order() {
    let mut events: Vec<_> = (0..10).map(|number| ('a', number)).collect();
    events.push(('b', 0));
    let seen = play(events, rate(10, Duration::from_secs(1), 1), 100).await;
    assert!(seen[&'b'][0].1 < 50, "what is held back of one key holds up no other");
    let numbers: Vec<_> = seen[&'a'].iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    for (at, (_, moment)) in seen[&'a'].iter().enumerate() {
        assert!(*moment >= at as u128 * 100, "{:?}", seen[&'a']);
    }
}

#[tokio::test(start_paused = true)]
async fn many_keys_that_come_once_all_go_and_a_small_demand_suffices() {
    let events: Vec<_> = (0..1000u32).map(|n| (char::from_u32(0x4e00 + n).unwrap(), n)).collect();
    let seen = play(events, rate(1, Duration::from_secs(1), 1), 4).await;
    assert_eq!(seen.len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn holds_no_more_than_its_demand_and_changes_its_rate_while_it_runs() {
    let source = roundsman::producer(from_iter(0u64..100)).spawn();
    let slow = rate(1, Duration::from_secs(3600), 1);
    let paced = roundsman::transform(pacing(slow, |_: &u64| ())).spawn();
    let mut out = EventStream::new().subscribe(&paced.outlet, Subscribe::default()).unwrap();
    let terms = Subscribe::default().max_demand(8);
    paced.inlet.subscribe(&source.outlet, terms).unwrap();
    let begun = Instant::now();
    assert_eq!(out.next().await.unwrap().unwrap(), 0);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(paced.stage.counts().taken, 9, "what left was asked for again, no more");

    paced.stage.info(Pace::Rate(rate(1000, Duration::from_secs(1), 1))).unwrap();
    for number in 1..100 {
        assert_eq!(out.next().await.unwrap().unwrap(), number);
    }
    assert!(out.next().await.is_none(), "drained with its producer");
    assert!(begun.elapsed() < Duration::from_secs(3600 + 60), "the old rate is forgotten");
}
