//! Subscriptions whose unfinished events come back.

use std::time::Duration;

use futures_util::StreamExt;
use roundsman::{
    Broadcast, ByPartition, Cancel, EventStream, Mode, Reason, from_iter,
    testing::{Probe, Script, Seen, Step},
};

use crate::play::{Told, demand, manual, probe, script};

/// What waited behind a panic comes back in order, in front of what is newer.
#[tokio::test]
async fn what_a_crashed_consumer_had_not_handled_comes_back_in_front() {
    let (producer, _saw) = script::<u64>();
    let again = producer.outlet.redelivering();
    let terms = demand(10, 9).cancel(Cancel::Temporary);
    let (first, mut took, subscription) = manual(&again, terms).await;
    first.inlet.ask(subscription, 4);
    first.stage.sync().await;
    first.stage.info(Step::Panic("before it takes anything".into())).unwrap();
    producer.stage.emit(0..6);
    first.stage.ended().await;
    producer.stage.sync().await;
    assert!(took.so_far().iter().all(|seen| !matches!(seen, Seen::Batch(..))));
    assert_eq!(producer.stage.counts().buffered, 6);
    producer.stage.emit(6..8);
    let (second, mut taken) = probe();
    second.inlet.subscribe(&again, terms).unwrap();
    assert_eq!(taken.events(8).await, [0, 1, 2, 3, 4, 5, 6, 7]);
}

/// At most once stays the default.
#[tokio::test]
async fn without_being_asked_for_nothing_comes_back() {
    let (producer, _saw) = script::<u64>();
    let terms = demand(10, 9).cancel(Cancel::Temporary);
    let (first, _took, subscription) = manual(&producer.outlet, terms).await;
    first.inlet.ask(subscription, 4);
    first.stage.sync().await;
    first.stage.info(Step::Panic("before it takes anything".into())).unwrap();
    producer.stage.emit(0..6);
    first.stage.ended().await;
    producer.stage.sync().await;
    assert_eq!(producer.stage.counts().buffered, 2);
}

/// A producer that is done waits for those that could still give events back.
#[tokio::test]
async fn a_finite_source_ends_when_everything_was_handled() {
    let numbers = roundsman::producer(from_iter(0..6_u64)).spawn();
    let again = numbers.outlet.redelivering();
    let terms = demand(10, 0).cancel(Cancel::Temporary);
    let mut reader = EventStream::new().subscribe(&again, terms).unwrap();
    assert_eq!(reader.next().await, Some(Ok(0)));
    assert_eq!(reader.next().await, Some(Ok(1)));
    tokio::task::yield_now().await;
    assert_eq!(numbers.stage.reason(), None);
    drop(reader);
    let rest: Vec<_> = EventStream::new().subscribe(&again, terms).unwrap().collect().await;
    assert_eq!(rest, (2..6).map(Ok).collect::<Vec<_>>());
    assert_eq!(numbers.stage.ended().await, Reason::Normal);
}

/// They wait in their own partition, before what is newer there.
#[tokio::test]
async fn events_come_back_to_their_partition() {
    let (script, _saw) = Script::<u64>::new();
    let parity = ByPartition::new(2, |n: &u64| Some((n % 2) as usize));
    let producer = roundsman::producer(script).dispatcher(parity).spawn();
    let odd = producer.outlet.partition(1).redelivering();
    let terms = demand(4, 0).cancel(Cancel::Temporary);
    let (even, mut evens) = probe();
    even.inlet.subscribe(&producer.outlet.partition(0), terms).unwrap();
    let (first, _took, subscription) = manual(&odd, terms).await;
    first.inlet.ask(subscription, 2);
    first.stage.sync().await;
    producer.stage.sync().await;
    first.stage.info(Step::Panic("before it takes anything".into())).unwrap();
    producer.stage.emit(0..8);
    first.stage.ended().await;
    let (second, mut odds) = probe();
    second.inlet.subscribe(&odd, terms).unwrap();
    assert_eq!(odds.events(4).await, [1, 3, 5, 7]);
    assert_eq!(evens.events(4).await, [0, 2, 4, 6]);
}

/// All others have a broadcast event already.
#[tokio::test]
async fn a_broadcast_gives_nothing_to_others_a_second_time() {
    let (script, _saw) = Script::<u64>::new();
    let producer = roundsman::producer(script).dispatcher(Broadcast::new()).spawn();
    let again = producer.outlet.redelivering();
    let terms = demand(4, 0).cancel(Cancel::Temporary);
    let (steady, mut taken) = probe();
    steady.inlet.subscribe(&again, terms).unwrap();
    let (broken, _took, subscription) = manual(&again, terms).await;
    broken.inlet.ask(subscription, 4);
    broken.stage.sync().await;
    broken.stage.info(Step::Panic("before it takes anything".into())).unwrap();
    producer.stage.emit(0..2);
    broken.stage.ended().await;
    producer.stage.emit(2..4);
    assert_eq!(taken.events(4).await, [0, 1, 2, 3]);
}

/// A stage that is stopped gives back what it had not begun.
#[tokio::test(start_paused = true)]
async fn a_stopped_stage_gives_back_what_it_had_not_begun() {
    let numbers = roundsman::producer(from_iter(0..9_u64)).spawn();
    let again = numbers.outlet.redelivering();
    let (probe, mut saw) = Probe::new(Mode::Automatic);
    let first = roundsman::consumer(probe).spawn();
    first.inlet.subscribe(&again, demand(4, 0).cancel(Cancel::Temporary)).unwrap();
    first.stage.stop(Reason::Shutdown);
    first.stage.ended().await;
    assert!(saw.so_far().iter().all(|seen| !matches!(seen, Seen::Batch(..))));
    let rest = EventStream::new().subscribe(&again, demand(4, 0)).unwrap();
    let rest: Vec<_> = tokio::time::timeout(Duration::from_secs(1), rest.collect()).await.unwrap();
    assert_eq!(rest, (0..9).map(Ok).collect::<Vec<_>>());
}
