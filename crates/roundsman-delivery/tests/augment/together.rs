//! Looked up together, once, within bounds, from what is kept; and in order.

use super::source::{Answer, known};
use super::world::{World, one_target};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

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
