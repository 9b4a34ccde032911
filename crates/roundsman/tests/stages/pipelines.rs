//! Whole pipelines on several threads, put together at random: nothing is lost, order holds.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use roundsman::{
    Asker, Broadcast, ByDemand, ByPartition, Consumer, Dispatcher, Emitter, Reason, Subscribe,
    SubscriptionId, Transform, from_iter,
};

/// Emits every event so many times, some at once and the rest when it drains.
struct Keeps {
    times: usize,
    every: usize,
    kept: Vec<u64>,
}

impl Transform for Keeps {
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
            self.kept.extend(std::iter::repeat_n(event, self.times));
            if self.kept.len() >= self.every {
                out.emit_batch(std::mem::take(&mut self.kept));
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn handle_drain(&mut self, out: &mut Emitter<'_, u64>) -> Result<(), Reason> {
        out.emit_batch(std::mem::take(&mut self.kept));
        Err(Reason::Normal)
    }
}

type Log = Arc<Mutex<Vec<u64>>>;

struct Writes(Log);

impl Consumer for Writes {
    type Event = u64;
    type Info = ();

    async fn handle_events(
        &mut self,
        events: Vec<u64>,
        _: SubscriptionId,
        _: &mut Asker<'_>,
    ) -> Result<(), Reason> {
        self.0.lock().unwrap().extend(events);
        Ok(())
    }
}

#[derive(Clone, Debug)]
struct Plan {
    events: u64,
    /// `times` and `every` of each stage between.
    between: Vec<(usize, usize)>,
    terms: Vec<(usize, usize)>,
    consumers: usize,
    merge: usize,
}

impl Plan {
    /// The terms of the nth subscription.
    fn terms(&self, n: usize) -> Subscribe {
        let (max, min) = self.terms[n % self.terms.len()];
        Subscribe::default().max_demand(max).min_demand(min % max)
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    (
        0..400_u64,
        prop::collection::vec((1..4_usize, 1..9_usize), 0..4),
        prop::collection::vec((1..50_usize, 0..50_usize), 1..5),
        1..4_usize,
        0..20_usize,
    )
        .prop_map(|(events, between, terms, consumers, merge)| Plan {
            events,
            between,
            terms,
            consumers,
            merge,
        })
}

/// Runs it to its end; what came to each consumer.
async fn run(plan: &Plan, dispatcher: Box<dyn Dispatcher<u64>>) -> Vec<Vec<u64>> {
    let source = roundsman::producer(from_iter(0..plan.events)).accumulate().spawn();
    let mut outlet = source.outlet.clone();
    for (n, (times, every)) in plan.between.iter().enumerate() {
        let kept = Keeps { times: *times, every: *every, kept: Vec::new() };
        let stage = roundsman::transform(kept).merge(plan.merge).spawn();
        stage.inlet.subscribe(&outlet, plan.terms(n)).unwrap();
        outlet = stage.outlet;
    }
    let fan = Keeps { times: 1, every: 3, kept: Vec::new() };
    let fan = roundsman::transform(fan).dispatcher(dispatcher).spawn();
    let mut ends = Vec::new();
    for n in 0..plan.consumers {
        let log = Log::default();
        let consumer = roundsman::consumer(Writes(Arc::clone(&log))).merge(plan.merge).spawn();
        consumer.inlet.subscribe(&fan.outlet.partition(n), plan.terms(n + 9)).unwrap();
        ends.push((consumer, log));
    }
    // Every consumer has joined before anything flows, so a broadcast reaches all of them.
    while fan.stage.counts().consumers < plan.consumers {
        tokio::task::yield_now().await;
    }
    fan.inlet.subscribe(&outlet, plan.terms(5)).unwrap();
    source.set_demand_mode(roundsman::DemandMode::Forward);
    assert_eq!(source.stage.ended().await, Reason::Normal);
    assert_eq!(fan.stage.ended().await, Reason::Normal);
    let mut came = Vec::new();
    for (consumer, log) in ends {
        assert_eq!(consumer.stage.ended().await, Reason::Normal);
        came.push(std::mem::take(&mut *log.lock().unwrap()));
    }
    came
}

fn check(plan: &Plan) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let times: usize = plan.between.iter().map(|(times, _)| times).product();
    let all: Vec<u64> = (0..plan.events).flat_map(|n| std::iter::repeat_n(n, times)).collect();

    let mut came = runtime.block_on(run(plan, Box::new(ByDemand::new())));
    assert!(came.iter().all(|events| events.is_sorted()));
    let mut together = came.concat();
    together.sort_unstable();
    assert_eq!(together, all, "by demand");

    came = runtime.block_on(run(plan, Box::new(Broadcast::new())));
    assert!(came.iter().all(|events| *events == all), "broadcast");

    let n = plan.consumers as u64;
    let by = ByPartition::new(plan.consumers, move |event: &u64| Some((event % n) as usize));
    came = runtime.block_on(run(plan, Box::new(by.waiting(7))));
    for (partition, events) in came.iter().enumerate() {
        let due = all.iter().filter(|event| *event % n == partition as u64);
        assert!(due.eq(events), "partition {partition}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Whatever the stages, the terms and the dispatcher: all that went in came out, in order.
    #[test]
    fn what_goes_in_comes_out(plan in plan()) {
        check(&plan);
    }
}
