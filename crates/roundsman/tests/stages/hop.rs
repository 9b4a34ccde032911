//! One hop, and two: what is asked, and in what slices events come.

use roundsman::{
    Broadcast, ByDemand, ByPartition, Dispatcher, Emitter, Producer, Reason, Subscribe,
    SubscriptionId, Transform,
    testing::{Script, Seen},
};

use crate::play::{Told, demand, manual, probe, script, taking};

/// Counts as far as it is asked.
pub(crate) struct Counter(pub(crate) u64);

impl Producer for Counter {
    type Event = u64;
    type Info = ();

    async fn handle_demand(&mut self, n: usize, out: &mut Emitter<'_, u64>) -> Result<(), Reason> {
        let from = self.0;
        self.0 += n as u64;
        out.extend(from..self.0);
        Ok(())
    }
}

/// Emits every event this many times.
struct Times(usize);

impl Transform for Times {
    type In = u64;
    type Out = u64;
    type Info = ();

    async fn handle_events(
        &mut self,
        events: Vec<u64>,
        _: SubscriptionId,
        out: &mut Emitter<'_, u64>,
    ) -> Result<(), Reason> {
        for event in events {
            out.extend(std::iter::repeat_n(event, self.0));
        }
        Ok(())
    }
}

async fn first_slices(terms: Subscribe, n: usize) -> Vec<usize> {
    let counter = roundsman::producer(Counter(0)).spawn();
    let (_consumer, mut saw) = taking(&counter.outlet, terms);
    let mut sizes = Vec::new();
    let mut next = 0;
    while sizes.len() < n {
        let batch = saw.batch().await;
        sizes.push(batch.len());
        assert_eq!(batch, (next..next + batch.len() as u64).collect::<Vec<_>>());
        next += batch.len() as u64;
    }
    sizes
}

/// Row 1.
#[tokio::test]
async fn the_default_asks_for_1000_and_takes_500_at_a_time() {
    let (producer, mut saw) = script::<u64>();
    let (_consumer, mut taken) = taking(&producer.outlet, Subscribe::default());
    assert_eq!(saw.demand().await, 1000);
    producer.stage.emit(0..1000);
    assert_eq!(taken.batch().await, (0..500).collect::<Vec<_>>());
    assert_eq!(taken.batch().await, (500..1000).collect::<Vec<_>>());
    assert_eq!((saw.demand().await, saw.demand().await), (500, 500));
}

/// Rows 2, 3 and 4.
#[tokio::test]
async fn slices_follow_min_and_max() {
    assert_eq!(first_slices(demand(100, 80), 6).await, [20; 6]);
    assert_eq!(first_slices(demand(100, 20), 7).await, [80, 20, 80, 80, 20, 80, 80][..7]);
    assert_eq!(first_slices(demand(1, 0), 5).await, [1; 5]);
}

/// A stage between that doubles what it gets.
#[tokio::test]
async fn a_transform_takes_slices_and_emits_more() {
    let counter = roundsman::producer(Counter(0)).spawn();
    let twice = roundsman::transform(Times(2)).spawn();
    twice.inlet.subscribe(&counter.outlet, demand(100, 80)).unwrap();
    let (_consumer, mut saw) = taking(&twice.outlet, demand(100, 50));
    let events = saw.events(1000).await;
    let expected: Vec<u64> = (0..).flat_map(|n| [n, n]).take(events.len()).collect();
    assert_eq!(events, expected);
}

/// Row 12: prefetches its own demand, handles what downstream wants, then stops pulling.
#[tokio::test]
async fn a_transform_without_demand_holds_what_it_asked_for_and_no_more() {
    let (producer, mut saw) = script::<u64>();
    let once = roundsman::transform(Times(1)).spawn();
    once.inlet.subscribe(&producer.outlet, demand(10, 5)).unwrap();
    assert_eq!(saw.demand().await, 10);
    let (consumer, mut taken, subscription) = manual(&once.outlet, demand(4, 2)).await;
    producer.stage.emit(0..5);
    producer.stage.emit(5..10);
    producer.stage.sync().await;
    assert_eq!(taken.so_far(), []);

    consumer.inlet.ask(subscription, 4);
    assert_eq!(taken.batch().await, [0, 1, 2, 3]);
    // Having handled its first message it asked again; it has one event over, and five unread.
    assert_eq!(saw.demand().await, 5);
    assert_eq!((once.stage.counts().buffered, once.stage.counts().waiting), (1, 5));
    assert_eq!(saw.so_far(), []);
}

/// Row 13.
#[tokio::test]
async fn a_transform_that_throws_everything_away_goes_on_taking() {
    let counter = roundsman::producer(Counter(0)).spawn();
    let nothing = roundsman::transform(Times(0)).spawn();
    nothing.inlet.subscribe(&counter.outlet, demand(10, 5)).unwrap();
    let (_consumer, _saw) = taking(&nothing.outlet, demand(1, 0));
    while nothing.stage.counts().taken < 1000 {
        tokio::task::yield_now().await;
    }
}

/// Rows 106, 120 and 125: what the one that left had asked for serves the next without a second
/// ask, whatever the dispatcher.
#[tokio::test]
async fn demand_left_behind_is_not_asked_again() {
    let dispatchers: [Box<dyn Dispatcher<u64>>; 3] = [
        Box::new(ByDemand::new()),
        Box::new(Broadcast::new()),
        Box::new(ByPartition::new(1, |_| Some(0))),
    ];
    for dispatcher in dispatchers {
        let (script, mut saw) = Script::new();
        let producer = roundsman::producer(script).dispatcher(dispatcher).spawn();
        let outlet = producer.outlet.partition(0);
        let (first, _taken) = taking(&outlet, demand(10, 0));
        assert_eq!(saw.demand().await, 10);
        first.stage.stop(Reason::Shutdown);
        saw.parting().await;
        let (_second, mut taken) = taking(&outlet, demand(13, 0));
        assert_eq!(saw.demand().await, 3);
        producer.stage.emit(0..13);
        assert_eq!(taken.batch().await, (0..13).collect::<Vec<_>>());
    }
}

/// Rows 109 and 110: whoever asked for most is served first; a batch is split only at its demand.
#[tokio::test]
async fn the_hungriest_is_served_first() {
    let (producer, mut saw) = script::<u64>();
    let (small, mut small_took, small_sub) = manual(&producer.outlet, demand(3, 0)).await;
    let (large, mut large_took, large_sub) = manual(&producer.outlet, demand(5, 0)).await;
    small.inlet.ask(small_sub, 3);
    large.inlet.ask(large_sub, 5);
    assert_eq!((saw.demand().await, saw.demand().await), (3, 5));
    producer.stage.emit(0..8);
    assert_eq!(large_took.batch().await, [0, 1, 2, 3, 4]);
    assert_eq!(small_took.batch().await, [5, 6, 7]);
}

/// A consumer that merges gets what waits in one call; re-asks are as if it had not.
#[tokio::test]
async fn batches_that_wait_are_merged() {
    let (script, mut saw) = Script::new();
    let producer = roundsman::producer(script).spawn();
    let (probe, mut taken) = roundsman::testing::Probe::new(roundsman::Mode::Automatic);
    let consumer = roundsman::consumer(probe).merge(4).spawn();
    consumer.inlet.subscribe(&producer.outlet, demand(100, 95)).unwrap();
    assert_eq!(saw.demand().await, 100);
    for n in 0..6_u64 {
        producer.stage.emit([n]);
    }
    producer.stage.sync().await;
    assert_eq!(taken.batch().await, [0, 1, 2, 3]);
    assert_eq!(taken.batch().await, [4, 5]);
    assert_eq!(saw.demand().await, 5);
    assert_eq!(saw.so_far(), []);
}

/// Rows 23, 60 and 61.
#[tokio::test]
async fn a_manual_subscription_gets_nothing_until_it_asks() {
    let (producer, mut saw) = script::<u64>();
    let (consumer, mut taken, subscription) = manual(&producer.outlet, demand(10, 0)).await;
    producer.stage.emit(0..3);
    producer.stage.sync().await;
    consumer.stage.sync().await;
    assert_eq!(taken.so_far(), []);
    assert_eq!(producer.stage.counts().buffered, 3);
    consumer.inlet.ask(subscription, 2);
    assert_eq!(taken.batch().await, [0, 1]);
    consumer.inlet.ask(subscription, 3);
    assert_eq!(taken.batch().await, [2]);
    assert_eq!(saw.demand().await, 2);
}

/// Rows 51 and 58.
#[tokio::test]
async fn terms_that_contradict_each_other_are_named() {
    let (producer, _saw) = script::<u64>();
    let (consumer, mut taken) = probe();
    let refuse = |terms| consumer.inlet.subscribe(&producer.outlet, terms).unwrap_err().to_string();
    assert_eq!(
        refuse(Subscribe::default().max_demand(0)),
        "max_demand must be at least 1, and is 0"
    );
    assert_eq!(refuse(demand(5, 5)), "min_demand must be below max_demand (5), and is 5");
    consumer.stage.sync().await;
    assert!(!taken.so_far().iter().any(|seen| matches!(seen, Seen::Subscribed(_))));
}
