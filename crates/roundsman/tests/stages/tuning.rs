//! Subscriptions that are paused, resumed, and given other bounds while they live.

use roundsman::{
    Broadcast,
    testing::{Script, Seen},
};

use crate::play::{Told, demand, manual, script, taking};

#[tokio::test]
async fn a_paused_subscription_takes_what_it_asked_for_and_asks_no_more() {
    let (producer, mut saw) = script::<u64>();
    let (consumer, mut took) = taking(&producer.outlet, demand(4, 2));
    let subscription = took.subscription().await;
    assert_eq!(saw.demand().await, 4);
    consumer.inlet.pause(subscription);
    consumer.inlet.pause(subscription);
    consumer.stage.sync().await;
    producer.stage.emit(0..4);
    assert_eq!(took.events(4).await, [0, 1, 2, 3]);
    consumer.stage.sync().await;
    producer.stage.sync().await;
    assert_eq!(saw.so_far(), []);
    consumer.inlet.resume(subscription);
    assert_eq!(saw.demand().await, 4);
    producer.stage.emit(4..8);
    assert_eq!(took.events(4).await, [4, 5, 6, 7]);
    assert_eq!(saw.demand().await, 2);
}

/// A manual subscription may be paused too; its asks wait.
#[tokio::test]
async fn asks_on_a_paused_subscription_wait() {
    let (producer, mut saw) = script::<u64>();
    let (consumer, _took, subscription) = manual(&producer.outlet, demand(4, 2)).await;
    saw.subscription().await;
    consumer.inlet.pause(subscription);
    consumer.inlet.ask(subscription, 3);
    consumer.inlet.ask(subscription, 4);
    consumer.stage.sync().await;
    producer.stage.sync().await;
    assert_eq!(saw.so_far(), []);
    consumer.inlet.resume(subscription);
    consumer.inlet.resume(subscription);
    assert_eq!(saw.demand().await, 7);
    consumer.inlet.ask(subscription, 1);
    assert_eq!(saw.demand().await, 1);
}

#[tokio::test]
async fn bounds_change_while_a_subscription_lives() {
    let (producer, mut saw) = script::<u64>();
    let (consumer, mut took) = taking(&producer.outlet, demand(4, 2));
    let subscription = took.subscription().await;
    assert_eq!(saw.demand().await, 4);
    assert!(consumer.inlet.set_demand(subscription, 3, 3).is_err());
    consumer.inlet.set_demand(subscription, 10, 0).unwrap();
    assert_eq!(saw.demand().await, 6);
    producer.stage.emit(0..10);
    assert_eq!(took.batch().await.len(), 10);
    assert_eq!(saw.demand().await, 10);
    consumer.inlet.set_demand(subscription, 1, 0).unwrap();
    consumer.stage.sync().await;
    producer.stage.emit(0..10);
    for _ in 0..10 {
        assert_eq!(took.batch().await.len(), 1);
    }
    assert_eq!(saw.demand().await, 1);
}

/// One that is paused holds up a broadcast, as one that never asks does; nothing is lost.
#[tokio::test]
async fn a_paused_member_holds_up_a_broadcast() {
    let (script, mut saw) = Script::new();
    let producer = roundsman::producer(script).dispatcher(Broadcast::new()).spawn();
    let (one, mut one_took) = taking::<u64>(&producer.outlet, demand(2, 0));
    let (_two, mut two_took) = taking(&producer.outlet, demand(2, 0));
    let subscription = one_took.subscription().await;
    assert_eq!(saw.demand().await, 2);
    one.inlet.pause(subscription);
    one.stage.sync().await;
    producer.stage.emit([1, 2, 3]);
    assert_eq!(one_took.batch().await, [1, 2]);
    assert_eq!(two_took.batch().await, [1, 2]);
    producer.stage.sync().await;
    assert!(!saw.so_far().iter().any(|seen| matches!(seen, Seen::Demand(_))));
    one.inlet.resume(subscription);
    assert_eq!(one_took.batch().await, [3]);
    assert_eq!(two_took.batch().await, [3]);
}
