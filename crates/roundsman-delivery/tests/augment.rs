//! Augmentation on a running node: what is added, together, in order, within bounds, whatever fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity)]

mod support;

use parking_lot::Mutex;
use roundsman_delivery::{
    Augment, Finding, Found, Lookup, Node, OnFailure, OnMissing, Retry, Rule, Rules, Settings, To,
    Trouble, Value,
};
use roundsman_store::{Draft, Inspect, MemoryStore, SystemClock};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{Post, Seen, soon};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

/// A source that writes down what it is asked and answers as it is told.
struct Source {
    asked: Mutex<Vec<(Instant, Vec<String>)>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    answer: Mutex<Arc<dyn Fn(&Value) -> Answer + Send + Sync>>,
    takes: Mutex<Duration>,
    gate: Semaphore,
}

#[derive(Clone)]
enum Answer {
    Found(String),
    Missing,
    Failed(Trouble),
    Never,
    Panic,
}

/// Answers `{"id": …}`.
fn known(value: &Value) -> Answer {
    Answer::Found(format!("{{\"id\":{value}}}"))
}

struct Ask(Arc<Source>);

/// One that is there while a query is.
struct Under(Arc<Source>);

impl Drop for Under {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Lookup for Ask {
    fn look_up(&self, values: Vec<Value>) -> Finding {
        let source = self.0.clone();
        Box::pin(async move {
            let now = source.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            let under = Under(source.clone());
            source.most_at_once.fetch_max(now, Ordering::SeqCst);
            let names = values.iter().map(|value| value.to_string()).collect();
            source.asked.lock().push((Instant::now(), names));
            source.gate.acquire().await.unwrap().forget();
            let takes = *source.takes.lock();
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            source.gate.add_permits(1);
            let answer = source.answer.lock().clone();
            let mut found = Found::new();
            for value in values {
                match answer(&value) {
                    Answer::Found(it) => drop(found.insert(value, it.into())),
                    Answer::Missing => {}
                    Answer::Failed(trouble) => return Err(trouble),
                    Answer::Never => std::future::pending().await,
                    Answer::Panic => panic!("as it was told"),
                }
            }
            drop(under);
            Ok(found)
        })
    }
}

impl Source {
    fn answers(&self, answer: impl Fn(&Value) -> Answer + Send + Sync + 'static) {
        *self.answer.lock() = Arc::new(answer);
    }

    fn queries(&self) -> Vec<Vec<String>> {
        self.asked.lock().iter().map(|(_, values)| values.clone()).collect()
    }

    /// How often each value was asked for.
    fn times(&self) -> HashMap<String, usize> {
        let mut times = HashMap::new();
        for value in self.queries().into_iter().flatten() {
            *times.entry(value).or_default() += 1;
        }
        times
    }
}

struct World {
    node: Node,
    post: Arc<Post>,
    source: Arc<Source>,
    store: Arc<MemoryStore>,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl World {
    fn new(change: impl FnOnce(&mut Augment, &mut Settings)) -> Self {
        let source = Arc::new(Source {
            asked: Mutex::default(),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            answer: Mutex::new(Arc::new(known)),
            takes: Mutex::default(),
            gate: Semaphore::new(1 << 20),
        });
        let mut augment = Augment::new("user", "/id", "/user", Ask(source.clone())).unwrap();
        augment.probe = (Duration::from_millis(20), Duration::from_millis(100));
        let mut settings = Settings {
            retry: Retry { shortest: Duration::from_millis(1), ..Retry::default() },
            ..Settings::default()
        };
        change(&mut augment, &mut settings);
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let (post, seen) = Post::new();
        let node = Node::builder(store.clone())
            .settings(settings)
            .target(To::Channel, post.clone())
            .target(To::Target(0), post.clone())
            .augment(augment)
            .start()
            .unwrap();
        Self { node, post, source, store, seen }
    }

    async fn send(&self, topic: &str, payloads: &[&str]) {
        self.node.joined(&topic.into(), false);
        let drafts = payloads.iter().map(|payload| Draft::new(topic, payload.to_string()).unwrap());
        self.node.accept(drafts.collect()).await.unwrap();
    }

    async fn next(&mut self) -> Seen {
        let next = tokio::time::timeout(Duration::from_secs(20), self.seen.recv());
        next.await.expect("a message in time").expect("a target")
    }

    async fn payload(&mut self) -> String {
        self.next().await.payload
    }

    async fn dead(&self, count: u64) {
        for _ in 0..2000 {
            if self.store.counts().await.unwrap().dead == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never {count} dead");
    }
}

fn one_target(settings: &mut Settings) {
    settings.rules = Rules::new(vec![Rule {
        to: To::Target(0),
        order: roundsman_delivery::Order::None,
        ..Rule::channel("*")
    }]);
}

#[tokio::test]
async fn it_adds_what_is_found_and_leaves_the_rest_as_it_was() {
    let mut world = World::new(|_, _| {});
    let written = r#"{ "z": 1e999, "id" : "a\"b", "big": 123456789012345678901234567890 }"#;
    world.send("t", &[written]).await;
    let expected = r#"{ "z": 1e999, "id" : "a\"b", "big": 123456789012345678901234567890,"user":{"id":"a\"b"} }"#;
    assert_eq!(world.payload().await, expected);
}

#[tokio::test]
async fn what_comes_together_is_one_query_with_each_value_once() {
    let mut world = World::new(|augment, _| augment.batch_wait = Duration::from_millis(50));
    let payloads: Vec<String> =
        (0..90).map(|n| format!("{{\"id\":{},\"n\":{n}}}", n % 9)).collect();
    for (n, payload) in payloads.iter().enumerate() {
        world.send(&format!("t{n}"), &[payload]).await;
    }
    for _ in 0..90 {
        let payload = world.payload().await;
        let id = payload.split(':').nth(1).unwrap().split(',').next().unwrap().to_owned();
        assert!(payload.contains(&format!("\"user\":{{\"id\":{id}}}")), "{payload}");
    }
    let times = world.source.times();
    assert_eq!(times.len(), 9);
    assert!(world.source.queries().len() <= 9, "{:?}", world.source.queries());
}

#[tokio::test]
async fn a_value_that_is_being_looked_up_is_waited_for() {
    let mut world = World::new(|augment, _| augment.batch_wait = Duration::ZERO);
    world.source.gate.forget_permits(1 << 20);
    world.send("a", &[r#"{"id":1}"#]).await;
    while world.source.queries().is_empty() {
        tokio::task::yield_now().await;
    }
    world.send("b", &[r#"{"id":1}"#]).await;
    world.send("c", &[r#"{"id":1}"#]).await;
    world.send("pass", &[r#"{"n":1}"#]).await;
    assert_eq!(world.next().await.topic, "pass", "it needs no lookup, and waits for none");
    world.source.gate.add_permits(1);
    for _ in 0..3 {
        assert_eq!(world.payload().await, r#"{"id":1,"user":{"id":1}}"#);
    }
    assert_eq!(world.source.times()["1"], 1);
}

#[tokio::test]
async fn a_lane_keeps_its_order_whatever_is_looked_up() {
    let mut world =
        World::new(|augment, _| (augment.batch, augment.batch_wait) = (1, Duration::ZERO));
    world.source.answers(known);
    *world.source.takes.lock() = Duration::from_millis(3);
    let payloads: Vec<String> = (0..200)
        .map(|n| match n % 3 {
            0 => format!("{{\"n\":{n}}}"),
            _ => format!("{{\"n\":{n},\"id\":{n}}}"),
        })
        .collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    world.send("t", &payloads).await;
    for n in 0..200 {
        let payload = world.payload().await;
        assert!(payload.starts_with(&format!("{{\"n\":{n}")), "{n}: {payload}");
        assert_eq!(payload.contains("user"), n % 3 != 0);
    }
}

#[tokio::test]
async fn a_lane_keeps_its_order_when_lookups_fail_now_and_then() {
    let mut world = World::new(|augment, settings| {
        (augment.batch, augment.batch_wait) = (1, Duration::ZERO);
        settings.retry.max_attempts = 1000;
        settings.retry.longest = Duration::from_millis(2);
        settings.retry.max_age = None;
    });
    let asked = AtomicUsize::new(0);
    world.source.answers(move |value| {
        // Scattered, so that a lane which comes again meets other luck.
        let asked = asked.fetch_add(1, Ordering::SeqCst) as u32;
        match asked.wrapping_mul(2_654_435_761) >> 28 {
            0 => Answer::Failed("now and then".into()),
            _ => known(value),
        }
    });
    let payloads: Vec<String> = (0..100).map(|n| format!("{{\"n\":{n},\"id\":{n}}}")).collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    world.send("t", &payloads).await;
    for n in 0..100 {
        let payload = world.payload().await;
        assert!(payload.starts_with(&format!("{{\"n\":{n},")), "{n}: {payload}");
    }
}

#[tokio::test]
async fn bounds_hold_at_the_source() {
    let mut world = World::new(|augment, settings| {
        (augment.batch, augment.batch_wait, augment.concurrency) = (2, Duration::ZERO, 3);
        augment.rate = Some(300.0);
        augment.timeout = Duration::from_millis(60);
        settings.retry.max_attempts = 1000;
        settings.retry.longest = Duration::from_millis(20);
        one_target(settings);
    });
    // Some answer late, some not at all, some fail: what is tried again is within the same bounds.
    let asked = AtomicUsize::new(0);
    world.source.answers(move |value| match asked.fetch_add(1, Ordering::SeqCst) {
        n if n % 40 == 13 => Answer::Never,
        n if n % 11 == 5 => Answer::Failed("no".into()),
        _ => known(value),
    });
    *world.source.takes.lock() = Duration::from_millis(2);
    for n in 0..200 {
        world.send(&format!("t{n}"), &[&format!("{{\"id\":{n}}}")]).await;
    }
    for _ in 0..200 {
        world.payload().await;
    }
    assert!(world.source.most_at_once.load(Ordering::SeqCst) <= 3);
    let asked: Vec<Instant> = world.source.asked.lock().iter().map(|(at, _)| *at).collect();
    for (at, first) in asked.iter().enumerate() {
        let window = asked[at..].iter().take_while(|it| **it - *first < Duration::from_millis(100));
        assert!(window.count() <= 30);
    }
}

#[tokio::test]
async fn kept_answers_serve_and_that_there_is_nothing_is_one() {
    let mut world = World::new(|augment, _| augment.cache = Duration::from_secs(60));
    world.source.answers(|value| if &**value == "1" { known(value) } else { Answer::Missing });
    for _ in 0..3 {
        world.send("t", &[r#"{"id":1}"#, r#"{"id":2}"#]).await;
        assert_eq!(world.payload().await, r#"{"id":1,"user":{"id":1}}"#);
        assert_eq!(world.payload().await, r#"{"id":2}"#);
    }
    assert_eq!(world.source.times(), HashMap::from([("1".into(), 1), ("2".into(), 1)]));
    let metrics = &world.node.metrics().augments[0];
    let counts = (metrics.hits.load(Ordering::Relaxed), metrics.misses.load(Ordering::Relaxed));
    assert_eq!(counts, (4, 2));
    assert_eq!(metrics.seconds.read().0.iter().sum::<u64>(), 1);
}

#[tokio::test]
async fn an_old_answer_serves_while_a_new_one_is_fetched() {
    let mut world = World::new(|augment, _| {
        (augment.cache, augment.stale) = (Duration::from_millis(50), Duration::from_secs(60));
    });
    world.source.answers(|_| Answer::Found("1".into()));
    world.send("t", &[r#"{"id":7}"#]).await;
    assert_eq!(world.payload().await, r#"{"id":7,"user":1}"#);
    world.source.answers(|_| Answer::Found("2".into()));
    tokio::time::sleep(Duration::from_millis(60)).await;
    let mut old = 0;
    loop {
        world.send("t", &[r#"{"id":7}"#]).await;
        match &*world.payload().await {
            r#"{"id":7,"user":1}"# => old += 1,
            new => break assert_eq!(new, r#"{"id":7,"user":2}"#),
        }
    }
    assert!(old > 0, "the old answer serves");
    assert!(world.source.times()["7"] >= 2);
}

#[tokio::test]
async fn what_is_missing_is_delivered_dead_or_defaulted() {
    for on_missing in [OnMissing::Deliver, OnMissing::Dead, OnMissing::Default("null".into())] {
        let mut world = World::new(|augment, _| augment.on_missing = on_missing.clone());
        world.source.answers(|_| Answer::Missing);
        world.send("t", &[r#"{"id":1}"#, r#"{"n":2}"#]).await;
        match on_missing {
            OnMissing::Deliver => assert_eq!(world.payload().await, r#"{"id":1}"#),
            OnMissing::Default(_) => {
                assert_eq!(world.payload().await, r#"{"id":1,"user":null}"#);
            }
            OnMissing::Dead => world.dead(1).await,
        }
        assert_eq!(world.payload().await, r#"{"n":2}"#);
    }
}

#[tokio::test]
async fn what_failed_is_delivered_with_a_mark_or_dead() {
    let mut world = World::new(|augment, _| augment.on_failure = OnFailure::Deliver);
    world.source.answers(|_| Answer::Failed("no".into()));
    for _ in 0..6 {
        // The source is left alone by and by; its messages are not.
        world.send("t", &[r#"{"id":1}"#]).await;
        assert_eq!(world.payload().await, r#"{"id":1,"augment_failed":["user"]}"#);
    }
    assert!(world.source.queries().len() < 6);

    let world = World::new(|augment, _| augment.on_failure = OnFailure::Dead);
    world.source.answers(|_| Answer::Failed("no".into()));
    world.send("t", &[r#"{"id":1}"#, r#"{"id":2}"#]).await;
    world.dead(2).await;
}

#[tokio::test]
async fn a_failed_lookup_is_tried_again_and_counts_as_an_attempt() {
    let mut world = World::new(|_, _| {});
    let first = AtomicUsize::new(0);
    world.source.answers(move |value| match first.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::Panic,
        _ => known(value),
    });
    world.send("t", &[r#"{"id":1}"#]).await;
    let seen = world.next().await;
    assert_eq!((seen.attempt, &*seen.payload), (2, r#"{"id":1,"user":{"id":1}}"#));
    assert_eq!(world.node.metrics().failed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_source_that_is_away_burns_no_attempts() {
    let mut world = World::new(|_, settings| {
        settings.retry.max_attempts = 3;
    });
    world.source.answers(|_| Answer::Failed("away".into()));
    for n in 0..50 {
        world.send(&format!("t{n}"), &[&format!("{{\"id\":{n}}}")]).await;
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(world.store.counts().await.unwrap().dead, 0);
    let tries = world.source.queries().len();
    assert!(tries < 60, "{tries} queries to a source that is away");
    world.send("other", &[r#"{"n":1}"#]).await;
    world.source.answers(known);
    let mut left: Vec<String> = (0..50).map(|n| format!("t{n}")).collect();
    left.push("other".into());
    while !left.is_empty() {
        let seen = world.next().await;
        left.retain(|topic| *topic != seen.topic);
    }
    assert_eq!(world.store.counts().await.unwrap().dead, 0);
}

#[tokio::test]
async fn a_source_that_asks_for_rest_gets_it() {
    let mut world = World::new(|_, _| {});
    let asked_for = soon(Duration::from_millis(300));
    let first = AtomicUsize::new(0);
    world.source.answers(move |value| match first.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::Failed(Trouble { not_before: Some(asked_for), ..Trouble::from("429") }),
        _ => known(value),
    });
    let begun = Instant::now();
    world.send("t", &[r#"{"id":1}"#]).await;
    let seen = world.next().await;
    assert!(begun.elapsed() >= Duration::from_millis(250));
    assert_eq!(world.node.metrics().failed.load(Ordering::Relaxed), 0, "no attempt is burned");
    assert_eq!(seen.payload, r#"{"id":1,"user":{"id":1}}"#);
    assert_eq!(world.source.queries().len(), 2);
}

#[tokio::test]
async fn a_poisoned_answer_reaches_nobody_else() {
    let mut world = World::new(|augment, settings| {
        augment.batch_wait = Duration::from_millis(20);
        augment.cache = Duration::from_secs(60);
        settings.retry.max_attempts = 1;
    });
    world.source.answers(|value| match &**value {
        "1" => Answer::Found("{\"a\":".into()),
        "2" => Answer::Found("1}, \"admin\": true".into()),
        "3" => Answer::Found(format!("\"{}\"", "x".repeat(2 << 20))),
        _ => known(value),
    });
    for n in 1..=5 {
        world.send(&format!("t{n}"), &[&format!("{{\"id\":{n}}}")]).await;
    }
    let mut seen = [world.payload().await, world.payload().await];
    seen.sort();
    assert_eq!(seen, [r#"{"id":4,"user":{"id":4}}"#, r#"{"id":5,"user":{"id":5}}"#]);
    world.dead(3).await;
}

#[tokio::test]
async fn every_attempt_sends_the_same_bytes() {
    let mut world = World::new(|_, settings| one_target(settings));
    let count = AtomicUsize::new(0);
    world.source.answers(move |_| Answer::Found(count.fetch_add(1, Ordering::SeqCst).to_string()));
    let left = AtomicUsize::new(3);
    world.post.answers(move |_| {
        let again =
            left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if again.is_ok() { support::Answer::Failed } else { support::Answer::Delivered }
    });
    world.send("t", &[r#"{"id":1}"#]).await;
    for attempt in 1..=4 {
        let seen = world.next().await;
        assert_eq!((seen.attempt, &*seen.payload), (attempt, r#"{"id":1,"user":0}"#));
    }
    assert_eq!(world.source.queries().len(), 1);
}

#[tokio::test]
async fn several_augmentations_pass_in_order() {
    let (post, mut seen) = Post::new();
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let team =
        |ids: Vec<Value>| Ok(ids.into_iter().map(|id| (id, "{\"team\":7}".into())).collect());
    let name = |ids: Vec<Value>| {
        Ok(ids.into_iter().map(|id| (id.clone(), format!("\"team {id}\"").into())).collect())
    };
    let node = Node::builder(store)
        .settings(Settings {
            dispatch: roundsman_delivery::Dispatch { max_in_flight: 1, ..Default::default() },
            ..Settings::default()
        })
        .target(To::Channel, post)
        .augment(Augment::new("team", "/id", "/user", team).unwrap())
        .augment(Augment::new("name", "/user/team", "/name", name).unwrap())
        .start()
        .unwrap();
    node.joined(&"t".into(), false);
    for _ in 0..20 {
        node.accept(vec![Draft::new("t", r#"{"id":1}"#).unwrap()]).await.unwrap();
    }
    for _ in 0..20 {
        let payload = seen.recv().await.unwrap().payload;
        assert_eq!(payload, r#"{"id":1,"user":{"team":7},"name":"team 7"}"#);
    }
    let stages: Vec<_> = node.snapshot().await.unwrap().stages.iter().map(|it| it.stage).collect();
    assert_eq!(stages, ["source", "augment", "deliver", "settle"]);
}

#[tokio::test]
async fn no_room_for_what_was_found_is_the_messages_own_fault() {
    let world = World::new(|augment, _| augment.into = "/id/user".parse().unwrap());
    world.send("t", &[r#"{"id":1}"#]).await;
    world.dead(1).await;
}
