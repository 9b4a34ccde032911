//! Accumulate and forward.

use roundsman::{
    Broadcast, DemandMode, Reason,
    stage::ProducerStage,
    testing::{Saw, Script, Seen, Step},
};

use crate::play::{Told, demand, manual, script, taking};

fn accumulating() -> (ProducerStage<u64, Step<u64>>, Saw<u64>) {
    let (script, saw) = Script::new();
    (roundsman::producer(script).accumulate().spawn(), saw)
}

/// Rows 17 and 22: nothing reaches the handler until forward, and then ask by ask.
#[tokio::test]
async fn held_asks_are_replayed_one_by_one() {
    let (producer, mut saw) = accumulating();
    let (_first, mut first_took) = taking(&producer.outlet, demand(2, 0));
    let (_second, mut second_took) = taking(&producer.outlet, demand(2, 0));
    saw.subscription().await;
    saw.subscription().await;
    first_took.subscription().await;
    second_took.subscription().await;
    producer.stage.sync().await;
    assert_eq!(saw.so_far(), []);
    producer.set_demand_mode(DemandMode::Forward);
    assert_eq!(saw.next().await, Some(Seen::Demand(2)));
    assert_eq!(saw.next().await, Some(Seen::Demand(2)));
}

/// Row 18: consumers of a broadcast join before anything leaves; what is held is counted.
#[tokio::test]
async fn consumers_of_a_broadcast_begin_together() {
    let (script, mut saw) = Script::new();
    let producer = roundsman::producer(script).dispatcher(Broadcast::new()).accumulate().spawn();
    let (_first, mut first_took) = taking(&producer.outlet, demand(4, 0));
    producer.stage.emit(0..2_u64);
    let (_second, mut second_took) = taking(&producer.outlet, demand(4, 0));
    saw.subscription().await;
    saw.subscription().await;
    producer.stage.emit(2..4);
    producer.stage.sync().await;
    assert_eq!((producer.stage.counts().buffered, producer.stage.counts().demand), (4, 0));
    producer.set_demand_mode(DemandMode::Forward);
    assert_eq!(first_took.events(4).await, [0, 1, 2, 3]);
    assert_eq!(second_took.events(4).await, [0, 1, 2, 3]);
}

/// Rows 19, 20 and 21.
#[tokio::test]
async fn the_mode_changes_at_run_time_and_can_be_read() {
    let (producer, mut saw) = script::<u64>();
    producer.set_demand_mode(DemandMode::Forward);
    producer.stage.sync().await;
    assert_eq!(producer.demand_mode(), DemandMode::Forward);
    producer.set_demand_mode(DemandMode::Accumulate);
    producer.stage.emit([1]);
    producer.set_demand_mode(DemandMode::Accumulate);
    producer.stage.sync().await;
    assert_eq!(producer.demand_mode(), DemandMode::Accumulate);
    let (_consumer, mut took) = taking(&producer.outlet, demand(2, 0));
    saw.subscription().await;
    producer.set_demand_mode(DemandMode::Forward);
    assert_eq!(took.batch().await, [1]);
    producer.stage.sync().await;
    assert_eq!(producer.demand_mode(), DemandMode::Forward);
}

/// D10: an info in order stays behind the events that are held.
#[tokio::test]
async fn an_info_does_not_overtake_what_is_held() {
    let (producer, mut saw) = accumulating();
    producer.stage.emit([1, 2]);
    producer.stage.info_in_order(Step::Note(2)).unwrap();
    producer.stage.emit([3]);
    let (consumer, mut took, subscription) = manual(&producer.outlet, demand(4, 0)).await;
    producer.stage.sync().await;
    producer.set_demand_mode(DemandMode::Forward);
    producer.stage.sync().await;
    assert!(!saw.so_far().contains(&Seen::Note(2)));
    consumer.inlet.ask(subscription, 1);
    assert_eq!(took.batch().await, [1]);
    producer.stage.sync().await;
    assert_eq!(saw.so_far(), []);
    consumer.inlet.ask(subscription, 2);
    assert_eq!(took.events(2).await, [2, 3]);
    producer.stage.sync().await;
    assert_eq!(saw.so_far(), [Seen::Note(2)]);
}

/// A producer that is done while it accumulates waits to be let go.
#[tokio::test]
async fn one_that_is_done_keeps_what_is_held_until_forward() {
    let (producer, _saw) = accumulating();
    producer.stage.emit([1, 2]);
    producer.stage.end(Reason::Normal);
    let (_consumer, mut took) = taking(&producer.outlet, demand(4, 0));
    took.subscription().await;
    producer.set_demand_mode(DemandMode::Forward);
    assert_eq!(took.batch().await, [1, 2]);
    assert_eq!(producer.stage.ended().await, Reason::Normal);
}
