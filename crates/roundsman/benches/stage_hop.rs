//! What a hop between stages costs, against bare channels that do the same, in one run.
//!
//! Prints nanoseconds an event and the ratio to the bare hop. Both sides run on two worker
//! threads, carry `u64`, and alternate, so that a change of the machine's pace hits both.

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use roundsman::{
    Asker, Broadcast, ByPartition, Consumer, Dispatcher, Emitter, Outlet, Producer, Reason,
    StageRef, Subscribe, SubscriptionId, Transform,
};
use tokio::{runtime::Runtime, sync::mpsc, task::JoinSet};

/// Yields as many numbers as it is asked for, up to a limit.
struct Numbers {
    next: u64,
    limit: u64,
}

impl Producer for Numbers {
    type Event = u64;
    type Info = ();

    async fn handle_demand(&mut self, n: usize, out: &mut Emitter<'_, u64>) -> Result<(), Reason> {
        let end = self.limit.min(self.next + n as u64);
        out.extend(self.next..end);
        self.next = end;
        if end == self.limit { Err(Reason::Normal) } else { Ok(()) }
    }
}

/// Passes on what it gets.
struct Pass;

impl Transform for Pass {
    type In = u64;
    type Out = u64;
    type Info = ();

    async fn handle_events(
        &mut self,
        events: Vec<u64>,
        _: SubscriptionId,
        out: &mut Emitter<'_, u64>,
    ) -> Result<(), Reason> {
        out.emit_batch(events);
        Ok(())
    }
}

struct Sum(u64);

impl Consumer for Sum {
    type Event = u64;
    type Info = ();

    async fn handle_events(
        &mut self,
        events: Vec<u64>,
        _: SubscriptionId,
        _: &mut Asker<'_>,
    ) -> Result<(), Reason> {
        self.0 = events.into_iter().fold(self.0, u64::wrapping_add);
        Ok(())
    }

    async fn terminate(&mut self, _: &Reason) {
        std::hint::black_box(self.0);
    }
}

fn sum(outlet: &Outlet<u64>, terms: Subscribe) -> StageRef<()> {
    let sum = roundsman::consumer(Sum(0)).spawn();
    // The terms are those of this file.
    drop(sum.inlet.subscribe(outlet, terms));
    sum.stage
}

/// So many transforms between a producer and a consumer.
async fn chain(events: u64, max: usize, between: usize) -> Duration {
    let terms = Subscribe::default().max_demand(max);
    let start = Instant::now();
    let numbers = roundsman::producer(Numbers { next: 0, limit: events }).spawn();
    let mut outlet = numbers.outlet;
    for _ in 0..between {
        let pass = roundsman::transform(Pass).spawn();
        drop(pass.inlet.subscribe(&outlet, terms));
        outlet = pass.outlet;
    }
    sum(&outlet, terms).ended().await;
    start.elapsed()
}

/// One producer, and a consumer for each outlet that `split` gives.
async fn fan<D: Dispatcher<u64> + 'static>(
    events: u64,
    dispatcher: D,
    split: impl Fn(&Outlet<u64>, usize) -> Outlet<u64>,
) -> Duration {
    let start = Instant::now();
    let numbers = roundsman::producer(Numbers { next: 0, limit: events }).dispatcher(dispatcher);
    let numbers = numbers.spawn();
    let ends: Vec<_> =
        (0..4).map(|n| sum(&split(&numbers.outlet, n), Subscribe::default())).collect();
    for end in ends {
        end.ended().await;
    }
    start.elapsed()
}

/// The same hop by hand: demand one way and batches the other, over tokio's channels.
async fn bare(events: u64, max: usize) -> Duration {
    let batch = (max as u64 - max as u64 / 2).max(1);
    let start = Instant::now();
    let (ask, mut asked) = mpsc::unbounded_channel::<u64>();
    let (send, mut receive) = mpsc::unbounded_channel::<Vec<u64>>();
    tokio::spawn(async move {
        let mut next = 0;
        while next < events
            && let Some(n) = asked.recv().await
        {
            let end = events.min(next + n);
            if send.send((next..end).collect()).is_err() {
                return;
            }
            next = end;
        }
    });
    let consumer = tokio::spawn(async move {
        for _ in 0..(max as u64 / batch).max(1) {
            let _ = ask.send(batch);
        }
        let mut sum = 0_u64;
        while let Some(events) = receive.recv().await {
            sum = events.into_iter().fold(sum, u64::wrapping_add);
            let _ = ask.send(batch);
        }
        std::hint::black_box(sum);
    });
    drop(consumer.await);
    start.elapsed()
}

/// A task an event, a hundred at once.
async fn supervised(events: u64) -> Duration {
    let start = Instant::now();
    let tasks = roundsman::supervisor(|n: u64| async move {
        std::hint::black_box(n);
        Ok(())
    })
    .spawn();
    let numbers = roundsman::producer(Numbers { next: 0, limit: events }).spawn();
    drop(tasks.inlet.subscribe(&numbers.outlet, Subscribe::default().max_demand(100)));
    tasks.ended().await;
    start.elapsed()
}

async fn joined(events: u64) -> Duration {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for n in 0..events {
        if tasks.len() == 100 {
            tasks.join_next().await;
        }
        tasks.spawn(async move { std::hint::black_box(n) });
    }
    while tasks.join_next().await.is_some() {}
    start.elapsed()
}

/// Nanoseconds an event: the best of several rounds, in turns with what it is compared to.
fn race<A, B>(
    runtime: &Runtime,
    events: u64,
    ours: impl Fn() -> A,
    theirs: impl Fn() -> B,
) -> (f64, f64)
where
    A: Future<Output = Duration> + Send + 'static,
    B: Future<Output = Duration> + Send + 'static,
{
    let (mut best, mut other) = (f64::MAX, f64::MAX);
    for _ in 0..7 {
        let one = |took: Result<Duration, _>| {
            took.map_or(f64::MAX, |took: Duration| took.as_nanos() as f64 / events as f64)
        };
        best = best.min(one(runtime.block_on(runtime.spawn(ours()))));
        other = other.min(one(runtime.block_on(runtime.spawn(theirs()))));
    }
    (best, other)
}

/// Yields a few numbers and stays.
struct Few(u64);

impl Producer for Few {
    type Event = u64;
    type Info = ();

    async fn handle_demand(&mut self, _: usize, out: &mut Emitter<'_, u64>) -> Result<(), Reason> {
        out.extend(0..std::mem::take(&mut self.0));
        Ok(())
    }
}

/// What a live stage takes: producers and consumers in pairs, after a batch each.
async fn living(pairs: usize) -> Option<f64> {
    let before = resident()?;
    let terms = Subscribe::default().max_demand(10);
    let mut living = Vec::with_capacity(2 * pairs);
    for _ in 0..pairs {
        let numbers = roundsman::producer(Few(9)).spawn();
        let end = sum(&numbers.outlet, terms);
        living.push((numbers.stage, end));
    }
    while living.iter().any(|(_, end)| end.counts().taken == 0) {
        tokio::task::yield_now().await;
    }
    Some(resident()?.saturating_sub(before) as f64 / (2 * pairs) as f64)
}

/// Bytes of this process in memory, where the system says so.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok().map(|kib| kib * 1024)
}

#[expect(clippy::print_stdout, reason = "the table is the point")]
fn table(runtime: &Runtime) {
    println!("| what | ns an event | bare | ratio |\n| --- | ---: | ---: | ---: |");
    // First, while nothing that was freed is still with the process.
    let each = runtime.block_on(runtime.spawn(living(50_000))).ok().flatten();
    let print = |what: &str, (ours, bare): (f64, f64)| {
        println!("| {what} | {ours:.1} | {bare:.1} | {:.2} |", ours / bare);
    };
    for (max, events) in [(1000, 10_000_000), (10, 500_000), (1, 100_000)] {
        let times = race(runtime, events, || chain(events, max, 0), || bare(events, max));
        print(&format!("one hop, max_demand {max}"), times);
    }
    let events = 10_000_000;
    let hop = move || bare(events, 1000);
    print("three hops, max_demand 1000", race(runtime, events, || chain(events, 1000, 2), hop));
    let events = 2_000_000;
    let hop = move || bare(events, 1000);
    let all = || fan(events, Broadcast::new(), |outlet, _| outlet.clone());
    print("broadcast to 4", race(runtime, events, all, hop));
    let by = || ByPartition::new(4, |n: &u64| Some((n % 4) as usize));
    let parts = || fan(events, by(), |outlet, n| outlet.partition(n));
    print("partition to 4", race(runtime, events, parts, hop));
    let events = 200_000;
    let times = race(runtime, events, || supervised(events), || joined(events));
    print("supervisor, 100 at once", times);
    if let Some(each) = each {
        println!("\n100,000 live stages: {each:.0} bytes each");
    }
}

fn hops(criterion: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build() else {
        return;
    };
    table(&runtime);
    let mut group = criterion.benchmark_group("hop");
    group.sample_size(10);
    for max in [1000, 10, 1] {
        let events = 1000 * max as u64;
        group.throughput(criterion::Throughput::Elements(events));
        group.bench_function(format!("max_demand {max}"), |bencher| {
            bencher.to_async(&runtime).iter(|| chain(events, max, 0));
        });
    }
    group.finish();
}

criterion_group!(benches, hops);
criterion_main!(benches);
