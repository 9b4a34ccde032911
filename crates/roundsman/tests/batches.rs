//! Batches: when they close, and that nothing is lost between them.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use proptest::prelude::*;
use roundsman::{
    EventStream, Subscribe,
    batch::{Batch, Bounds, Cause, Open, batching},
    testing::{Script, Step},
};
use tokio::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

type Events = Vec<(char, usize)>;

/// Pushes events of these keys and weights; what closed, and what was left open.
fn push(bounds: Bounds, events: &[(char, usize)]) -> (Vec<(char, Events, Cause)>, usize) {
    let (mut open, mut closed, now) = (Open::new(bounds), Vec::new(), Instant::now());
    for (key, weight) in events {
        open.push(key, (*key, *weight), *weight, now, |Batch { key, events, weight, cause }| {
            assert_eq!(weight, events.iter().map(|(_, weight)| weight).sum::<usize>());
            closed.push((key, events, cause));
        });
    }
    (closed, open.len())
}

#[test]
fn a_batch_closes_when_it_is_full_each_key_by_itself() {
    let bounds = Bounds { events: 2, weight: usize::MAX, wait: SECOND };
    let (closed, open) = push(bounds, &[('a', 1), ('b', 1), ('a', 2), ('a', 3)]);
    assert_eq!(closed, [('a', vec![('a', 1), ('a', 2)], Cause::Count)]);
    assert_eq!(open, 2);
}

/// The one that would be too much begins the next; one that is too much by itself goes alone.
#[test]
fn weight_is_a_ceiling() {
    let bounds = Bounds { events: 9, weight: 10, wait: SECOND };
    let (closed, open) = push(bounds, &[('a', 6), ('a', 4), ('a', 1), ('a', 50), ('a', 2)]);
    let expected = [
        ('a', vec![('a', 6), ('a', 4)], Cause::Weight),
        ('a', vec![('a', 1)], Cause::Weight),
        ('a', vec![('a', 50)], Cause::Weight),
    ];
    assert_eq!((closed.as_slice(), open), (expected.as_slice(), 1));
}

#[test]
fn a_batch_is_due_from_its_first_event() {
    let bounds = Bounds { events: 2, weight: 10, wait: SECOND };
    let (mut open, start) = (Open::new(bounds), Instant::now());
    let mut closed = Vec::new();
    for (key, after) in [('a', 0), ('b', 1), ('a', 2), ('a', 3)] {
        let now = start + SECOND / 10 * after;
        open.push(&key, after, 1, now, |batch| closed.push(batch));
    }
    assert_eq!(closed.len(), 1, "the first of a is full");
    assert_eq!(open.next_due(), Some(start + SECOND / 10 * 11), "that of b");
    assert_eq!(open.pop_due(start + SECOND), None);
    let due = open.pop_due(start + SECOND * 2).expect("b is due");
    assert_eq!((due.key, due.events, due.cause), ('b', vec![1], Cause::Time));
    assert_eq!(open.flush().into_iter().map(|batch| batch.events).collect::<Vec<_>>(), [[3]]);
    assert_eq!((open.next_due(), open.is_empty()), (None, true));
}

proptest! {
    #[test]
    fn every_event_is_in_one_batch_in_order(
        events in prop::collection::vec((0..4_u8, 0..20_usize, 0..400_u64), 0..200),
        most in 1..6_usize,
        ceiling in 1..40_usize,
    ) {
        let bounds = Bounds { events: most, weight: ceiling, wait: SECOND };
        let (mut open, mut now, mut batches) = (Open::new(bounds), Instant::now(), Vec::new());
        for (n, (key, weight, pause)) in events.iter().enumerate() {
            now += Duration::from_millis(*pause);
            while let Some(batch) = open.pop_due(now) {
                batches.push(batch);
            }
            open.push(key, (n, *weight), *weight, now, |batch| batches.push(batch));
        }
        batches.extend(open.flush());
        let mut by_key = BTreeMap::<u8, Vec<usize>>::new();
        for Batch { key, events, weight, .. } in batches {
            prop_assert!((1..=most).contains(&events.len()));
            prop_assert!(weight <= ceiling || events.len() == 1);
            by_key.entry(key).or_default().extend(events.into_iter().map(|(n, _)| n));
        }
        for (key, came) in &by_key {
            let due = events.iter().enumerate().filter(|(_, event)| event.0 == *key);
            prop_assert!(due.map(|(n, _)| n).eq(came.iter().copied()));
        }
        prop_assert_eq!(by_key.values().map(Vec::len).sum::<usize>(), events.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_closes_batches_in_time_and_when_it_drains() {
    let (script, mut saw) = Script::new();
    let producer = roundsman::producer(script).spawn();
    let plan = batching(|n: &u64| n % 2).events(3).wait(SECOND);
    let stage = roundsman::transform(plan).spawn();
    stage.inlet.subscribe(&producer.outlet, Subscribe::default()).expect("terms");
    let terms = Subscribe::default();
    let mut out = EventStream::new().subscribe(&stage.outlet, terms).expect("terms");
    saw.demand().await;
    let start = Instant::now();
    let mut next = async || out.next().await.expect("a batch").expect("no failure");

    producer.stage.info(Step::Emit(vec![1, 3, 2, 5])).expect("it runs");
    assert_eq!((next().await.events, start.elapsed()), (vec![1, 3, 5], Duration::ZERO));
    let waited = next().await;
    assert_eq!((waited.events, waited.cause), (vec![2], Cause::Time));
    assert!((SECOND..SECOND * 2).contains(&start.elapsed()));

    producer.stage.info(Step::Emit(vec![7, 4])).expect("it runs");
    producer.stage.drain();
    let flushed = [next().await, next().await].map(|batch| (batch.events, batch.cause));
    assert_eq!(flushed, [(vec![7], Cause::Flush), (vec![4], Cause::Flush)]);
    assert!(start.elapsed() < SECOND * 2, "it did not wait to drain");
}
