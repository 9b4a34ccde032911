//! Events to many: broadcast and partitions, with what others get wrong there.

use roundsman::{
    Broadcast, ByPartition, Cancel, Dispatcher, Mode, Outlet, Parting, Reason,
    dispatch::Partition,
    stage::ProducerStage,
    testing::{Probe, Saw, Script, Seen, Step},
};

use crate::play::{Told, demand, manual, taking};

type Source = (ProducerStage<u64, Step<u64>>, Saw<u64>);

fn dispatched(dispatcher: impl Dispatcher<u64> + 'static) -> Source {
    let (script, saw) = Script::new();
    (roundsman::producer(script).dispatcher(dispatcher).spawn(), saw)
}

fn parities() -> Source {
    dispatched(ByPartition::new(2, |n| Some((n % 2) as usize)))
}

/// Rows 5, 7, 116 and 118.
#[tokio::test]
async fn a_broadcast_goes_at_the_pace_of_the_slowest() {
    let (producer, mut saw) = dispatched(Broadcast::new());
    let (fast, mut fast_took, fast_sub) = manual(&producer.outlet, demand(20, 0)).await;
    fast.inlet.ask(fast_sub, 20);
    assert_eq!(saw.demand().await, 20);
    let (slow, mut slow_took, slow_sub) = manual(&producer.outlet, demand(10, 0)).await;
    slow.inlet.ask(slow_sub, 10);
    producer.stage.emit(0..20);
    assert_eq!(fast_took.batch().await, (0..10).collect::<Vec<_>>());
    assert_eq!(slow_took.batch().await, (0..10).collect::<Vec<_>>());
    slow.inlet.ask(slow_sub, 15);
    assert_eq!(fast_took.batch().await, (10..20).collect::<Vec<_>>());
    assert_eq!(slow_took.batch().await, (10..20).collect::<Vec<_>>());
    // The fast one has no demand left, so there is none in common, and nothing to ask for.
    producer.stage.sync().await;
    assert!(!saw.so_far().iter().any(|seen| matches!(seen, Seen::Demand(_))));
    fast.inlet.ask(fast_sub, 3);
    assert_eq!(saw.demand().await, 3);
}

/// Rows 6, 117 and 123: so it is for events, while an info waits for no consumer.
#[tokio::test]
async fn one_that_never_asks_blocks_all_until_it_leaves() {
    let (producer, mut saw) = dispatched(Broadcast::new());
    let terms = demand(10, 0).cancel(Cancel::Temporary);
    let (silent, _silent_took, silent_sub) = manual(&producer.outlet, terms).await;
    let (eager, mut took, eager_sub) = manual(&producer.outlet, terms).await;
    eager.inlet.ask(eager_sub, 10);
    producer.stage.sync().await;
    assert!(!saw.so_far().iter().any(|seen| matches!(seen, Seen::Demand(_))));
    producer.stage.info_in_order(Step::Note(1)).unwrap();
    assert_eq!(saw.find(|s| matches!(s, Seen::Note(_)).then_some(s)).await, Seen::Note(1));
    silent.inlet.cancel(silent_sub, Reason::Normal);
    assert_eq!(saw.demand().await, 10);
    producer.stage.emit(0..10);
    assert_eq!(took.batch().await, (0..10).collect::<Vec<_>>());
}

/// Row 121: the one that asked for less leaves, and only the difference is new.
#[tokio::test]
async fn the_departure_of_the_slowest_asks_for_the_difference() {
    let (producer, mut saw) = dispatched(Broadcast::new());
    let terms = demand(10, 0).cancel(Cancel::Temporary);
    let (slow, _, slow_sub) = manual(&producer.outlet, terms).await;
    slow.inlet.ask(slow_sub, 4);
    assert_eq!(saw.demand().await, 4);
    let (_eager, _) = taking(&producer.outlet, terms);
    saw.subscription().await;
    slow.inlet.cancel(slow_sub, Reason::Normal);
    assert_eq!(saw.demand().await, 6);
}

/// Row 122: what is left out for one costs it no demand, and an empty batch is not delivered.
#[tokio::test]
async fn selectors_give_each_its_own() {
    let (producer, mut saw) = dispatched(Broadcast::new());
    let large = producer.outlet.select(|n| *n >= 100);
    let (_consumer, mut took) = taking(&large, demand(4, 2));
    assert_eq!(saw.demand().await, 4);
    producer.stage.emit(0..4);
    assert_eq!(saw.demand().await, 4);
    producer.stage.emit([1, 100, 2, 101]);
    assert_eq!(took.batch().await, [100, 101]);
    assert_eq!(saw.demand().await, 2);
}

/// Rows 55, 98 and 124.
#[tokio::test]
async fn a_stage_joins_a_broadcast_once() {
    let (producer, mut saw) = dispatched(Broadcast::new());
    let (consumer, mut took) = taking(&producer.outlet, demand(4, 2));
    saw.demand().await;
    consumer.inlet.subscribe(&producer.outlet, demand(4, 2)).unwrap();
    assert_eq!(took.parting().await, Parting::Cancelled(Reason::AlreadySubscribed));
    producer.stage.emit([1]);
    assert_eq!(took.batch().await, [1]);
}

/// D1: the one that asked dies before the events come; the next one that asks gets them.
#[tokio::test]
async fn a_broadcast_does_not_stall_when_a_consumer_dies_between_ask_and_emit() {
    let (producer, mut saw) = dispatched(Broadcast::new());
    let (first, _) = taking(&producer.outlet, demand(4, 0));
    assert_eq!(saw.demand().await, 4);
    first.stage.stop(Reason::Shutdown);
    saw.parting().await;
    producer.stage.emit(1..=4);
    let (_second, mut took) = taking(&producer.outlet, demand(4, 0));
    assert_eq!(took.batch().await, [1, 2, 3, 4]);
    assert_eq!(saw.demand().await, 4);
}

/// D2: events that had to wait for a newcomer come before those emitted after.
#[tokio::test]
async fn a_broadcast_keeps_its_order_when_someone_joins() {
    let (producer, mut saw) = dispatched(Broadcast::new());
    let (_first, mut first_took) = taking(&producer.outlet, demand(4, 0));
    assert_eq!(saw.demand().await, 4);
    let (second, mut second_took, subscription) = manual(&producer.outlet, demand(4, 0)).await;
    producer.stage.emit([1, 2]);
    producer.stage.sync().await;
    assert_eq!(producer.stage.counts().buffered, 2);
    second.inlet.ask(subscription, 4);
    producer.stage.emit([3, 4]);
    assert_eq!(first_took.events(4).await, [1, 2, 3, 4]);
    assert_eq!(second_took.events(4).await, [1, 2, 3, 4]);
}

/// Rows 126, 129 and 130: events wait for their partition, whoever is there.
#[tokio::test]
async fn events_wait_for_their_partition() {
    let (producer, mut saw) = parities();
    let (even, mut even_took, even_sub) =
        manual(&producer.outlet.partition(0), demand(10, 0)).await;
    even.inlet.ask(even_sub, 2);
    assert_eq!(saw.demand().await, 2);
    producer.stage.emit(0..8);
    assert_eq!(even_took.events(2).await, [0, 2]);
    assert_eq!(saw.so_far(), []);
    producer.stage.sync().await;
    assert_eq!(producer.stage.counts().buffered, 6);

    let (_odd, mut odd_took) = taking(&producer.outlet.partition(1), demand(10, 5));
    assert_eq!(odd_took.events(4).await, [1, 3, 5, 7]);
    even.inlet.ask(even_sub, 2);
    assert_eq!(even_took.events(2).await, [4, 6]);
}

/// Row 127.
#[tokio::test]
async fn partitions_may_have_names() {
    let named = ByPartition::named(["even", "odd"], |n: &u64| Some((n % 2) as usize));
    let (producer, mut saw) = dispatched(named);
    let (_odd, mut took) = taking(&producer.outlet.partition("odd"), demand(10, 5));
    saw.demand().await;
    producer.stage.emit(0..6);
    assert_eq!(took.batch().await, [1, 3, 5]);
}

/// Row 128 and D3: an event for no partition is gone, and is asked for again.
#[tokio::test]
async fn an_event_for_no_partition_costs_no_demand() {
    let (producer, mut saw) = dispatched(ByPartition::new(1, |n| (n % 2 == 1).then_some(0)));
    let (_consumer, mut took) = taking(&producer.outlet.partition(0), demand(2, 0));
    for _ in 0..10 {
        assert_eq!(saw.demand().await, 2);
        producer.stage.emit([0, 2]);
    }
    assert_eq!(saw.demand().await, 2);
    producer.stage.emit([1, 3]);
    assert_eq!(took.batch().await, [1, 3]);
}

/// Row 134: the event fails, and the stage lives.
#[tokio::test]
async fn an_event_for_an_unknown_partition_is_dropped() {
    let (producer, mut saw) = dispatched(ByPartition::new(1, |n| Some(*n as usize)));
    let (_consumer, mut took) = taking(&producer.outlet.partition(0), demand(2, 0));
    saw.demand().await;
    producer.stage.emit([5, 0]);
    assert_eq!(took.batch().await, [0]);
    assert_eq!(saw.demand().await, 1);
}

/// Row 131 and D4: what waited for a partition waits for its next consumer.
#[tokio::test]
async fn a_partition_whose_consumer_leaves_keeps_what_waits() {
    let (producer, mut saw) = parities();
    let terms = demand(10, 0).cancel(Cancel::Temporary);
    let (first, mut first_took, first_sub) = manual(&producer.outlet.partition(0), terms).await;
    first.inlet.ask(first_sub, 1);
    saw.demand().await;
    producer.stage.emit([0, 2, 4]);
    assert_eq!(first_took.batch().await, [0]);
    first.inlet.cancel(first_sub, Reason::Normal);
    saw.parting().await;
    let (_second, mut took) = taking(&producer.outlet.partition(0), terms);
    assert_eq!(took.batch().await, [2, 4]);
}

/// Rows 47, 132 and 133: an info waits for what the partitions still hold, and for no more than that.
#[tokio::test]
async fn an_info_waits_for_backed_up_partitions() {
    let (producer, mut saw) = parities();
    producer.stage.info_in_order(Step::Note(0)).unwrap();
    assert_eq!(saw.next().await, Some(Seen::Note(0)));
    let (even, mut even_took, even_sub) =
        manual(&producer.outlet.partition(0), demand(10, 0)).await;
    let (_odd, mut odd_took) = taking(&producer.outlet.partition(1), demand(10, 5));
    producer.stage.emit([0, 1, 2]);
    assert_eq!(odd_took.batch().await, [1]);
    producer.stage.info_in_order(Step::Note(1)).unwrap();
    producer.stage.emit([4, 3]);
    assert_eq!(odd_took.batch().await, [3]);
    even.inlet.ask(even_sub, 1);
    assert_eq!(even_took.batch().await, [0]);
    producer.stage.sync().await;
    assert!(!saw.so_far().contains(&Seen::Note(1)));
    even.inlet.ask(even_sub, 1);
    assert_eq!(even_took.batch().await, [2]);
    assert_eq!(saw.find(|s| matches!(s, Seen::Note(_)).then_some(s)).await, Seen::Note(1));
}

/// Row 137 and D14: a wrong subscription is refused, and nobody else notices.
#[tokio::test]
async fn a_wrong_partition_is_the_subscribers_fault_alone() {
    let (producer, mut saw) = parities();
    let (_even, mut took) = taking(&producer.outlet.partition(0), demand(4, 0));
    saw.demand().await;
    let none = producer.outlet.clone();
    let cases: [(Outlet<u64>, &str); 3] = [
        (none.clone(), "the subscription names no partition, and must"),
        (none.partition(7), "there is no partition 7"),
        (none.partition(Partition::Number(0)), "partition 0 has a consumer already"),
    ];
    for (outlet, why) in cases {
        let (wrong, _) = taking(&outlet, demand(4, 0));
        assert_eq!(wrong.stage.ended().await.to_string(), why);
    }
    producer.stage.emit([0]);
    assert_eq!(took.batch().await, [0]);
}

/// A slow partition has its events wait, up to a bound; until then the others notice nothing.
#[tokio::test]
async fn a_slow_partition_holds_up_nobody_until_it_is_full() {
    let by = ByPartition::new(2, |n: &u64| Some((n % 2) as usize)).waiting(4);
    let queues = by.queues();
    let (producer, mut saw) = dispatched(by);
    let (_fast, mut fast_took) = taking(&producer.outlet.partition(1), demand(2, 0));
    for n in 0..3 {
        assert_eq!(saw.demand().await, 2);
        producer.stage.emit([2 * n]);
        producer.stage.emit([2 * n + 1]);
        assert_eq!(fast_took.batch().await, [2 * n + 1]);
        producer.stage.sync().await;
        saw.so_far();
        producer.stage.emit([101]);
        assert_eq!(fast_took.batch().await, [101]);
    }
    saw.demand().await;
    producer.stage.emit([6]);
    producer.stage.sync().await;
    assert_eq!((producer.stage.counts().demand, producer.stage.counts().buffered), (0, 4));
    assert_eq!(queues.all().collect::<Vec<_>>(), [4, 0]);
    assert_eq!((queues.waiting(0), queues.waiting(7)), (4, 0));
    let (_slow, mut slow_took) = taking(&producer.outlet.partition(0), demand(3, 0));
    assert_eq!(slow_took.events(4).await, [0, 2, 4, 6]);
    producer.stage.sync().await;
    assert_eq!(queues.waiting(0), 0);
}

/// With somewhere to put what a full partition has no room for, the others never stop.
#[tokio::test]
async fn a_full_partition_may_spill() {
    let (spilled, mut spill) = tokio::sync::mpsc::unbounded_channel();
    let by = ByPartition::new(2, |n: &u64| Some((n % 2) as usize))
        .waiting(2)
        .spill(move |partition, event| spilled.send((partition, event)).unwrap());
    let (producer, mut saw) = dispatched(by);
    let (_fast, mut fast_took) = taking(&producer.outlet.partition(1), demand(2, 0));
    saw.demand().await;
    producer.stage.emit([0, 2, 1]);
    assert_eq!(fast_took.batch().await, [1]);
    producer.stage.emit([4, 6, 3]);
    assert_eq!(fast_took.batch().await, [3]);
    assert_eq!(spill.recv().await, Some((0, 4)));
    assert_eq!(spill.recv().await, Some((0, 6)));
    assert_eq!(producer.stage.counts().buffered, 2);
}

/// D9: a manual consumer is not woken for nothing.
#[tokio::test]
async fn a_selector_that_picks_nothing_delivers_nothing() {
    let (producer, _saw) = dispatched(Broadcast::new());
    let (probe, mut took) = Probe::new(Mode::Manual);
    let consumer = roundsman::consumer(probe).spawn();
    consumer.inlet.subscribe(&producer.outlet.select(|_| false), demand(4, 0)).unwrap();
    let subscription = took.subscription().await;
    consumer.inlet.ask(subscription, 4);
    consumer.stage.sync().await;
    producer.stage.emit(0..4);
    producer.stage.sync().await;
    consumer.stage.sync().await;
    assert_eq!(took.so_far(), []);
}
