//! Streams in and out.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use roundsman::{
    ByPartition, Cancel, EventStream, Outlet, Parting, Reason, Subscribe, from_iter, from_stream,
    testing::{Seen, Step},
};

use crate::play::{Told, demand, manual, script, taking};

fn out(outlet: &Outlet<u64>, terms: Subscribe) -> EventStream<u64> {
    EventStream::new().subscribe(outlet, terms).unwrap()
}

/// Rows 94, 95 and 100.
#[tokio::test]
async fn a_prefix_of_an_endless_source_leaves_the_source_alive() {
    let numbers = roundsman::producer(from_iter(0..)).spawn();
    for n in [10, 1500] {
        let first: Vec<u64> =
            out(&numbers.outlet, Subscribe::default()).take(n).try_collect().await.unwrap();
        assert_eq!(first.len(), n);
        assert!(first.is_sorted());
    }
    assert_eq!(numbers.stage.reason(), None);
}

/// Row 1, as a stream: it asks again only for what has been read.
#[tokio::test]
async fn a_stream_asks_as_a_consumer_does() {
    let (producer, mut saw) = script();
    let mut events = out(&producer.outlet, demand(4, 2));
    assert_eq!(saw.demand().await, 4);
    producer.stage.emit(0..4);
    assert_eq!(events.next().await, Some(Ok(0)));
    assert_eq!(events.next().await, Some(Ok(1)));
    producer.stage.sync().await;
    assert!(!saw.so_far().iter().any(|seen| matches!(seen, Seen::Demand(_))));
    assert_eq!(events.counts().waiting, 2);
    assert_eq!(events.next().await, Some(Ok(2)));
    assert_eq!(saw.demand().await, 2);
    drop(events);
    assert_eq!(saw.parting().await, Parting::Cancelled(Reason::Normal));
}

/// Row 101.
#[tokio::test]
async fn a_finite_source_is_read_to_its_end_and_then_ends() {
    let numbers = roundsman::producer(from_iter(0..2500)).spawn();
    let all: Vec<u64> = out(&numbers.outlet, Subscribe::default()).try_collect().await.unwrap();
    assert_eq!(all, (0..2500).collect::<Vec<_>>());
    assert_eq!(numbers.stage.ended().await, Reason::Normal);
}

/// Rows 97 and 99.
#[tokio::test]
async fn a_source_that_is_gone_is_an_error_unless_temporary() {
    let (producer, _) = script();
    producer.stage.stop(Reason::Normal);
    producer.stage.ended().await;
    for cancel in [Cancel::Permanent, Cancel::Transient] {
        let mut events = out(&producer.outlet, demand(2, 0).cancel(cancel));
        assert_eq!(events.next().await, Some(Err(Reason::NoProducer)));
        assert_eq!(events.next().await, None);
    }
    assert_eq!(out(&producer.outlet, demand(2, 0).cancel(Cancel::Temporary)).next().await, None);
}

#[tokio::test]
async fn a_failure_comes_after_the_last_events() {
    let (producer, mut saw) = script();
    let events = out(&producer.outlet, demand(4, 2));
    saw.demand().await;
    producer.stage.emit(0..3);
    producer.stage.end(Reason::failed("no more"));
    let all: Vec<_> = events.collect().await;
    assert_eq!(all, [Ok(0), Ok(1), Ok(2), Err(Reason::failed("no more"))]);
}

/// Rows 98 and 99.
#[tokio::test]
async fn a_refused_subscription_is_an_error_unless_temporary() {
    let by = ByPartition::new(1, |_: &u64| Some(0));
    let producer = roundsman::producer(from_iter(0..)).dispatcher(by).spawn();
    let why = Reason::Refused("the subscription names no partition, and must".into());
    for cancel in [Cancel::Permanent, Cancel::Transient] {
        let all: Vec<_> = out(&producer.outlet, demand(2, 0).cancel(cancel)).collect().await;
        assert_eq!(all, [Err(why.clone())]);
    }
    let terms = demand(2, 0).cancel(Cancel::Temporary);
    assert_eq!(out(&producer.outlet, terms).next().await, None);
}

/// Row 102.
#[tokio::test]
async fn bad_terms_are_refused_before_anything_is_read() {
    let (producer, _) = script::<u64>();
    assert!(EventStream::new().subscribe(&producer.outlet, demand(0, 0)).is_err());
}

#[tokio::test]
async fn several_sources_make_one_stream() {
    let odd = roundsman::producer(from_iter((0..100).map(|n| 2 * n + 1))).spawn();
    let even = roundsman::producer(from_iter((0..100).map(|n| 2 * n))).spawn();
    let terms = demand(10, 5).cancel(Cancel::Transient);
    let mut both = out(&odd.outlet, terms);
    both.add(&even.outlet, terms).unwrap();
    let mut all: Vec<u64> = both.try_collect().await.unwrap();
    all.sort_unstable();
    assert_eq!(all, (0..200).collect::<Vec<_>>());
}

/// A stream in is advanced by what was asked for and not one further; then it ends the producer.
#[tokio::test]
async fn a_stream_in_is_pulled_by_demand() {
    let polled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&polled);
    let items = stream::iter(0..7_u64).inspect(move |_| {
        count.fetch_add(1, SeqCst);
    });
    let numbers = roundsman::producer(from_stream(items)).spawn();
    let (consumer, mut taken, subscription) = manual(&numbers.outlet, demand(10, 0)).await;
    consumer.inlet.ask(subscription, 3);
    assert_eq!(taken.batch().await, [0, 1, 2]);
    assert_eq!(polled.load(SeqCst), 3);
    consumer.inlet.ask(subscription, 10);
    assert_eq!(taken.events(4).await, [3, 4, 5, 6]);
    assert_eq!(numbers.stage.ended().await, Reason::Normal);
}

/// A producer that waits for its stream is still told things.
#[tokio::test]
async fn a_stream_that_never_yields_does_not_keep_its_stage_from_stopping() {
    let silent = roundsman::producer(from_stream(stream::pending::<u64>())).spawn();
    let (_consumer, mut taken) = taking(&silent.outlet, demand(10, 5));
    taken.subscription().await;
    silent.stage.stop(Reason::Shutdown);
    assert_eq!(silent.stage.ended().await, Reason::Shutdown);
}

/// Row 104.
#[tokio::test]
async fn a_source_may_end_with_its_last_consumer() {
    let numbers = roundsman::producer(from_iter(0..).end_when_left()).spawn();
    let (first, _) = taking(&numbers.outlet, demand(10, 5));
    let (second, mut taken) = taking(&numbers.outlet, demand(10, 5));
    taken.batch().await;
    first.stage.stop(Reason::Normal);
    first.stage.ended().await;
    taken.batch().await;
    assert_eq!(numbers.stage.reason(), None);
    second.stage.info(Step::Return(Reason::Normal)).unwrap();
    assert_eq!(numbers.stage.ended().await, Reason::Shutdown);
}
