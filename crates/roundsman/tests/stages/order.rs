//! The buffer, and infos that keep their place among events.

use roundsman::{
    Keep, Mode,
    testing::{Probe, Saw, Script, Seen, Step},
};

use crate::play::{Told, demand, manual, script};

fn notes_and_demands(saw: &mut Saw<u64>) -> Vec<Seen<u64>> {
    saw.so_far()
        .into_iter()
        .filter(|seen| matches!(seen, Seen::Note(_) | Seen::Demand(_) | Seen::Discarded(_)))
        .collect()
}

/// Rows 24, 25, 26 and 27.
#[tokio::test]
async fn a_full_buffer_keeps_first_or_last_and_says_how_many_it_gave_up() {
    for (keep, kept) in [(Keep::First, [1, 2, 3]), (Keep::Last, [3, 4, 5])] {
        let (script, mut saw) = Script::new();
        let producer = roundsman::producer(script).buffer(3).keep(keep).spawn();
        producer.stage.emit(1..=5_u64);
        producer.stage.sync().await;
        assert_eq!(notes_and_demands(&mut saw), [Seen::Discarded(2)]);
        assert_eq!(producer.stage.counts().discarded, 2);
        let (consumer, mut taken, subscription) = manual(&producer.outlet, demand(10, 0)).await;
        consumer.inlet.ask(subscription, 10);
        assert_eq!(taken.batch().await, kept);
    }
    let (script, mut saw) = Script::new();
    let producer = roundsman::producer(script).unbounded().spawn();
    producer.stage.emit(0..100_000_u64);
    producer.stage.sync().await;
    assert_eq!(notes_and_demands(&mut saw), []);
    assert_eq!(producer.stage.counts().emitted, 100_000);
}

/// D8: a buffer of nothing is a choice, not a crash: what nobody wants is gone.
#[tokio::test]
async fn a_buffer_of_size_zero_drops_what_nobody_wants() {
    let (script, mut saw) = Script::new();
    let producer = roundsman::producer(script).buffer(0).spawn();
    let (consumer, mut taken, subscription) = manual(&producer.outlet, demand(10, 0)).await;
    consumer.inlet.ask(subscription, 2);
    assert_eq!(saw.demand().await, 2);
    producer.stage.emit(0..5_u64);
    assert_eq!(taken.batch().await, [0, 1]);
    assert_eq!(
        saw.find(|s| matches!(s, Seen::Discarded(_)).then_some(s)).await,
        Seen::Discarded(3)
    );
}

/// Rows 36, 38, 39, 44, 45, 46, 48 and 112: an info waits for the events before it, and for no others.
#[tokio::test]
async fn infos_keep_their_place_among_buffered_events() {
    let (producer, mut saw) = script::<u64>();
    producer.stage.info_in_order(Step::Note(0)).unwrap();
    producer.stage.sync().await;
    assert_eq!(notes_and_demands(&mut saw), [Seen::Note(0)]);

    producer.stage.emit(0..2);
    producer.stage.info_in_order(Step::Note(2)).unwrap();
    producer.stage.emit(2..4);
    producer.stage.info_in_order(Step::Note(4)).unwrap();
    producer.stage.info_in_order(Step::Note(5)).unwrap();
    let (consumer, mut taken, subscription) = manual(&producer.outlet, demand(10, 0)).await;
    consumer.inlet.ask(subscription, 1);
    assert_eq!(taken.batch().await, [0]);
    producer.stage.sync().await;
    assert_eq!(notes_and_demands(&mut saw), []);

    consumer.inlet.ask(subscription, 2);
    assert_eq!(taken.batch().await, [1]);
    assert_eq!(taken.batch().await, [2]);
    producer.stage.sync().await;
    assert_eq!(notes_and_demands(&mut saw), [Seen::Note(2)]);

    consumer.inlet.ask(subscription, 2);
    assert_eq!(taken.batch().await, [3]);
    producer.stage.sync().await;
    assert_eq!(notes_and_demands(&mut saw), [Seen::Note(4), Seen::Note(5), Seen::Demand(1)]);
}

/// Row 47.
#[tokio::test]
async fn an_info_whose_events_were_displaced_is_released() {
    let (script, mut saw) = Script::new();
    let producer = roundsman::producer(script).buffer(2).spawn();
    producer.stage.emit([0_u64, 1]);
    producer.stage.info_in_order(Step::Note(7)).unwrap();
    producer.stage.emit([2, 3]);
    producer.stage.sync().await;
    assert_eq!(notes_and_demands(&mut saw), [Seen::Discarded(2), Seen::Note(7)]);
}

/// Row 41: to a consumer an info comes after the events sent before it.
#[tokio::test]
async fn an_info_to_a_consumer_comes_behind_earlier_events() {
    let (producer, mut saw) = script::<u64>();
    let (probe, mut taken) = Probe::new(Mode::Automatic);
    let consumer = roundsman::consumer(probe).spawn();
    let subscription = consumer.inlet.subscribe(&producer.outlet, demand(10, 5)).unwrap();
    assert_eq!(saw.demand().await, 10);
    producer.stage.emit([1]);
    producer.stage.sync().await;
    consumer.stage.info(Step::Note(1)).unwrap();
    consumer.stage.info_in_order(Step::Note(2)).unwrap();
    consumer.stage.sync().await;
    assert_eq!(
        taken.so_far(),
        [
            Seen::Subscribed(subscription),
            Seen::Batch(subscription, vec![1]),
            Seen::Note(1),
            Seen::Note(2)
        ]
    );
}
