//! A slow partition and the others: what waits is bounded, and nobody stops for it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use roundsman::{
    ByPartition, Cancel, Emitter, Producer, Reason, dispatch::Park, from_iter, stage::ProducerStage,
};

use crate::play::{Told, demand, manual, taking};

type Event = (usize, u64);

fn by_first(partitions: usize) -> ByPartition<Event, impl Fn(&Event) -> Option<usize>> {
    ByPartition::new(partitions, |event: &Event| Some(event.0))
}

/// A store with a queue for each partition, which gives what is asked for of each.
#[derive(Default)]
struct Store {
    queues: BTreeMap<usize, VecDeque<u64>>,
}

impl Store {
    fn give(&mut self, out: &mut Emitter<'_, Event>) {
        for (partition, queue) in &mut self.queues {
            let n = out.demand_of(*partition).min(queue.len());
            out.extend(queue.drain(..n).map(|n| (*partition, n)));
        }
    }

    fn spawn(self, partitions: usize) -> ProducerStage<Event, Event> {
        roundsman::producer(self).dispatcher(by_first(partitions).waiting(10)).spawn()
    }
}

impl Producer for Store {
    type Event = Event;
    type Info = Event;

    async fn handle_demand(
        &mut self,
        _: usize,
        out: &mut Emitter<'_, Event>,
    ) -> Result<(), Reason> {
        self.give(out);
        Ok(())
    }

    /// There is something new.
    async fn handle_info(
        &mut self,
        (partition, n): Event,
        out: &mut Emitter<'_, Event>,
    ) -> Result<(), Reason> {
        self.queues.entry(partition).or_default().push_back(n);
        self.give(out);
        Ok(())
    }
}

fn numbers(partition: usize, n: u64) -> Vec<Event> {
    (0..n).map(|n| (partition, n)).collect()
}

fn stocked(partitions: usize, n: u64) -> Store {
    Store { queues: (0..partitions).map(|partition| (partition, (0..n).collect())).collect() }
}

#[tokio::test]
async fn a_producer_that_chooses_stops_for_nobody() {
    let store = stocked(3, 5000).spawn(3);
    let (slow, mut slow_took, slow_sub) = manual(&store.outlet.partition(0), demand(10, 0)).await;
    slow.inlet.ask(slow_sub, 3);
    // Nobody is there for partition 2 at all.
    let (_fast, mut fast_took) = taking(&store.outlet.partition(1), demand(20, 10));
    assert_eq!(fast_took.events(5000).await, numbers(1, 5000));
    assert_eq!(slow_took.events(3).await, numbers(0, 3));
    assert_eq!((store.stage.counts().buffered, store.stage.counts().emitted), (0, 5003));
    slow.inlet.ask(slow_sub, 2);
    assert_eq!(slow_took.events(2).await, [(0, 3), (0, 4)]);
}

/// What one that left had asked for is not owed to it, where the producer goes by what is wanted.
#[tokio::test]
async fn demand_of_one_that_left_is_not_in_the_way_of_another_partition() {
    let mut store = stocked(2, 100);
    store.queues.insert(0, VecDeque::new());
    let store = store.spawn(2);
    let terms = demand(50, 0).cancel(Cancel::Temporary);
    let (first, _first_took) = taking(&store.outlet.partition(0), terms);
    while store.stage.counts().demand != 50 {
        tokio::task::yield_now().await;
    }
    first.stage.stop(Reason::Shutdown);
    first.stage.ended().await;
    let (_second, mut took) = taking(&store.outlet.partition(1), demand(10, 0));
    assert_eq!(took.events(100).await, numbers(1, 100));
    // And what comes for a partition later goes to whoever is there then.
    let (_third, mut took) = taking(&store.outlet.partition(0), terms);
    store.stage.info((0, 7)).unwrap();
    assert_eq!(took.events(1).await, [(0, 7)]);
}

/// What comes back from a consumer that failed is more than may wait, and stops nobody.
#[tokio::test]
async fn what_comes_back_to_a_partition_stops_nobody() {
    let store = stocked(2, 1000).spawn(2);
    let again = store.outlet.partition(0).redelivering();
    let (failing, _took, sub) = manual(&again, demand(100, 0)).await;
    failing.stage.info(roundsman::testing::Step::Return(Reason::failed("too slow"))).unwrap();
    failing.inlet.ask(sub, 100);
    failing.stage.ended().await;
    let (_fast, mut took) = taking(&store.outlet.partition(1), demand(20, 10));
    assert_eq!(took.events(1000).await, numbers(1, 1000));
    let (_next, mut took) = taking(&again, demand(20, 10));
    assert_eq!(took.events(1000).await, numbers(0, 1000));
}

/// In memory, but it could be a file.
#[derive(Clone, Default)]
struct Parked(Arc<Mutex<BTreeMap<usize, VecDeque<Event>>>>);

impl Parked {
    fn len(&self) -> usize {
        self.0.lock().unwrap().values().map(VecDeque::len).sum()
    }
}

impl Park<Event> for Parked {
    fn put(&mut self, partition: usize, event: Event) {
        self.0.lock().unwrap().entry(partition).or_default().push_back(event);
    }

    fn take(&mut self, partition: usize, n: usize) -> Vec<Event> {
        let mut parked = self.0.lock().unwrap();
        let Some(queue) = parked.get_mut(&partition) else { return Vec::new() };
        queue.drain(..n.min(queue.len())).collect()
    }
}

/// A source that cannot choose: every other event is for a partition that takes nothing.
#[tokio::test]
async fn what_is_parked_comes_back_in_order_and_before_the_end() {
    let parked = Parked::default();
    let by = by_first(2).waiting(10).park(parked.clone());
    let queues = by.queues();
    let both = (0..2000).map(|n| (n as usize % 2, n / 2));
    let source = roundsman::producer(from_iter(both)).dispatcher(by).spawn();
    let (slow, mut slow_took, slow_sub) = manual(&source.outlet.partition(0), demand(10, 0)).await;
    let (_fast, mut fast_took) = taking(&source.outlet.partition(1), demand(20, 10));
    assert_eq!(fast_took.events(1000).await, numbers(1, 1000));
    assert_eq!((parked.len(), queues.waiting(0)), (990, 1000));
    assert_eq!(source.stage.reason(), None, "it stays as long as something waits");

    for n in [4, 3, 10, 1] {
        slow.inlet.ask(slow_sub, n);
        slow_took.events(n).await;
    }
    slow.inlet.ask(slow_sub, 2000);
    let rest: Vec<_> = numbers(0, 1000).split_off(18);
    assert_eq!(slow_took.events(982).await, rest);
    assert_eq!(source.stage.ended().await, Reason::Normal);
}

/// Without a choice, a park or a spill, the others wait until the full partition has room.
#[tokio::test]
async fn a_full_partition_holds_the_others_where_nothing_else_was_said() {
    let both = (0..100).map(|n| (n as usize % 2, n / 2));
    let source = roundsman::producer(from_iter(both)).dispatcher(by_first(2).waiting(10)).spawn();
    let (slow, mut slow_took, slow_sub) = manual(&source.outlet.partition(0), demand(9, 0)).await;
    let (fast, mut fast_took) = taking(&source.outlet.partition(1), demand(4, 0));
    let held = fast_took.events(8).await;
    fast.stage.sync().await;
    assert_eq!(held, numbers(1, 8));
    assert!(source.stage.counts().buffered < 10 + 4, "what waits is bounded");
    slow.inlet.ask(slow_sub, 50);
    assert_eq!(slow_took.events(50).await, numbers(0, 50));
    assert_eq!(fast_took.events(42).await, numbers(1, 50).split_off(8));
}
