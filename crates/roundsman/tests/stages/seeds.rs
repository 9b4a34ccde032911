//! Ten thousand random lives of a producer and its consumers, each from a seed.
//!
//! `ROUNDSMAN_SEED=n` plays that one alone; `ROUNDSMAN_SEEDS=n` plays so many.

use std::{
    collections::BTreeMap,
    env,
    sync::{Arc, Mutex},
};

use roundsman::{Asker, Cancel, Consumer, Reason, Subscribe, SubscriptionId, stage::ConsumerStage};

use crate::play::{Made, Told, demand, script};

/// What all consumers of a life did.
#[derive(Debug, Default)]
struct Book {
    /// How often each event was handled to the end.
    handled: BTreeMap<u64, usize>,
    /// Events of batches in which a consumer crashed.
    broken: Vec<u64>,
}

struct Worker {
    book: Arc<Mutex<Book>>,
    last: BTreeMap<SubscriptionId, u64>,
    in_order: bool,
    crash_next: bool,
}

#[derive(Debug)]
enum Do {
    CrashNow,
    CrashInNextBatch,
    Sync(tokio::sync::oneshot::Sender<()>),
}

impl Consumer for Worker {
    type Event = u64;
    type Info = Do;

    async fn handle_events(
        &mut self,
        events: Vec<u64>,
        from: SubscriptionId,
        _: &mut Asker<'_>,
    ) -> Result<(), Reason> {
        if self.crash_next {
            self.book.lock().unwrap().broken.extend(&events);
            return Err(Reason::failed("in the middle of a batch"));
        }
        tokio::task::yield_now().await;
        let mut book = self.book.lock().unwrap();
        for event in events {
            let last = self.last.insert(from, event);
            assert!(!self.in_order || last < Some(event), "order broke within a subscription");
            *book.handled.entry(event).or_default() += 1;
        }
        Ok(())
    }

    async fn handle_info(&mut self, what: Do, _: &mut Asker<'_>) -> Result<(), Reason> {
        match what {
            Do::CrashNow => return Err(Reason::failed("on purpose")),
            Do::CrashInNextBatch => self.crash_next = true,
            Do::Sync(done) => drop(done.send(())),
        }
        Ok(())
    }
}

struct Member {
    consumer: ConsumerStage<u64, Do>,
    subscription: SubscriptionId,
    max: usize,
    least: usize,
    cancelled: bool,
    crashes: bool,
}

/// Splitmix64: a life must be the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % n
    }
}

struct Life {
    dice: Dice,
    producer: Made<u64>,
    members: Vec<Member>,
    book: Arc<Mutex<Book>>,
    next: u64,
    redelivers: bool,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let redelivers = dice.below(2) == 0;
        let (producer, members, book) = (script(), Vec::new(), Arc::default());
        Self { dice, producer, members, book, next: 0, redelivers }
    }

    fn subscribe(&mut self) {
        let book = Arc::clone(&self.book);
        let in_order = !self.redelivers;
        let worker = Worker { book, last: BTreeMap::new(), in_order, crash_next: false };
        let merge = self.dice.below(3) as usize * 4;
        let consumer = roundsman::consumer(worker).merge(merge).spawn();
        let max = 1 + self.dice.below(8) as usize;
        let least = self.dice.below(max as u64) as usize;
        let outlet = &self.producer.0.outlet;
        let outlet = if self.redelivers { outlet.redelivering() } else { outlet.clone() };
        let terms = Subscribe::cancel(demand(max, least), Cancel::Temporary);
        let subscription = consumer.inlet.subscribe(&outlet, terms).unwrap();
        let member =
            Member { consumer, subscription, max, least, cancelled: false, crashes: false };
        self.members.push(member);
    }

    async fn act(&mut self) {
        let what = self.dice.below(12);
        let who = self.dice.below(self.members.len().max(1) as u64) as usize;
        match (what, self.members.get_mut(who)) {
            (0 | 1, _) => self.subscribe(),
            (2..5, _) => {
                let n = self.dice.below(9);
                self.producer.0.stage.emit(self.next..self.next + n);
                self.next += n;
            }
            (5, Some(member)) => {
                member.cancelled = true;
                member.consumer.inlet.cancel(member.subscription, Reason::Normal);
            }
            (6, Some(member)) => {
                member.crashes = true;
                let _ = member.consumer.stage.info(Do::CrashNow);
            }
            (7, Some(member)) => {
                member.crashes = true;
                let _ = member.consumer.stage.info(Do::CrashInNextBatch);
            }
            (8, Some(member)) => {
                let max = 1 + self.dice.below(12) as usize;
                let least = self.dice.below(max as u64) as usize;
                (member.max, member.least) = (member.max.max(max), least);
                member.consumer.inlet.set_demand(member.subscription, max, least).unwrap();
            }
            (9, Some(member)) => member.consumer.inlet.pause(member.subscription),
            (10, Some(member)) => member.consumer.inlet.resume(member.subscription),
            _ => {
                for _ in 0..self.dice.below(6) {
                    tokio::task::yield_now().await;
                }
            }
        }
        for member in &self.members {
            assert!(
                member.consumer.stage.counts().waiting <= member.max,
                "more than was asked for"
            );
        }
    }

    /// Returns once nothing moves any more.
    async fn settle(&self) {
        for _ in 0..4 {
            self.producer.0.stage.sync().await;
            for member in &self.members {
                let (done, handled) = tokio::sync::oneshot::channel();
                let _ = member.consumer.stage.info(Do::Sync(done));
                let _ = handled.await;
            }
        }
    }

    async fn end(mut self) {
        for member in &self.members {
            member.consumer.inlet.resume(member.subscription);
        }
        self.subscribe();
        // What is buffered goes to whoever is left; each round has room for one event at least.
        for _ in 0..2 + self.next {
            self.settle().await;
            if self.producer.0.stage.counts().buffered == 0 {
                break;
            }
        }
        self.settle().await;
        self.check();
    }

    fn check(&self) {
        let counts = self.producer.0.stage.counts();
        assert_eq!(counts.buffered, 0, "events wait although somebody wants them");
        let alive = self
            .members
            .iter()
            .filter(|member| !member.cancelled && member.consumer.stage.reason().is_none());
        let (least, most) = alive
            .fold((0, 0), |(least, most), member| (least + member.least + 1, most + member.max));
        assert!((least..=most).contains(&counts.demand), "{least}..={most}: {}", counts.demand);
        let book = self.book.lock().unwrap();
        let lost = (0..self.next).filter(|event| !book.handled.contains_key(event)).count();
        if self.redelivers {
            assert_eq!(lost, 0, "events did not come back");
        } else {
            let may = self.members.iter().filter(|member| member.crashes).map(|member| member.max);
            assert!(lost <= may.sum(), "{lost} events were lost");
        }
        for (event, times) in &book.handled {
            assert_eq!(*times, 1, "event {event} was handled to its end {times} times");
        }
    }
}

fn play(seed: u64) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let mut life = Life::new(seed);
        life.subscribe();
        for _ in 0..life.dice.below(40) {
            life.act().await;
        }
        life.end().await;
    });
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Names the seed when the test fails in it.
struct Seed(u64);

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "the seed is what plays it again")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("play it again with ROUNDSMAN_SEED={}", self.0);
        }
    }
}

/// Demand is conserved, memory is bounded by it, order holds in each subscription; at most once
/// means that only a crash loses events, and redelivery that not even a crash does.
#[test]
fn promises_hold_in_ten_thousand_lives() {
    let one = number("ROUNDSMAN_SEED").map(|seed| seed..seed + 1);
    for seed in one.unwrap_or(0..number("ROUNDSMAN_SEEDS").unwrap_or(10_000)) {
        let named = Seed(seed);
        play(seed);
        drop(named);
    }
}
