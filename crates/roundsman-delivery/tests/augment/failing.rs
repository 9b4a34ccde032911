//! Sources that fail: what is chosen, what is parked, what is asked again in parts.

use super::source::{Answer, known};
use super::support::soon;
use super::world::World;
use roundsman_delivery::{OnFailure, Trouble};
use roundsman_store::{Inspect, Sweep};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

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
async fn one_value_that_cannot_be_asked_for_fails_alone_and_dies_by_its_attempts() {
    let mut world = World::new(|augment, settings| {
        augment.batch_wait = Duration::from_millis(50);
        settings.retry.max_attempts = 3;
        settings.retry.longest = Duration::from_millis(5);
    });
    world.source.answers(|value| match &**value {
        "13" => Answer::Failed("13 is refused".into()),
        _ => known(value),
    });
    for n in 0..40 {
        world.send(&format!("t{n}"), &[&format!("{{\"id\":{n}}}")]).await;
    }
    for _ in 0..39 {
        assert_eq!(world.next().await.attempt, 1, "the others of its query do not suffer");
    }
    // Its further attempts are among others that are answered: nobody takes it for an outage.
    let mut more = 100;
    while world.store.counts().await.unwrap().dead == 0 {
        more += 1;
        world.send(&format!("t{more}"), &[&format!("{{\"id\":{more}}}")]).await;
        world.payload().await;
    }
    let sweep = Sweep { limit: 10, ..Sweep::default() };
    let letters = world.node.dead(sweep).await.unwrap().letters;
    assert_eq!(letters.len(), 1);
    assert_eq!(&*letters[0].sighting.topic, "t13");
    let why = &letters[0].sighting.attempts;
    assert!(why.iter().all(|failure| failure.what.contains("user: 13 is refused")), "{why:?}");
}

#[tokio::test]
async fn a_refusal_of_what_was_asked_is_no_outage() {
    let mut world = World::new(|augment, settings| {
        augment.batch = 1;
        settings.retry.max_attempts = 4;
        settings.retry.longest = Duration::from_millis(5);
    });
    world.source.answers(|value| match &**value {
        "1" => Answer::Failed(Trouble { status: Some(422), ..Trouble::from("422") }),
        _ => known(value),
    });
    world.send("bad", &[r#"{"id":1}"#]).await;
    world.dead(1).await;
    assert_eq!(world.source.times()["1"], 4, "every attempt was its own");
    world.send("good", &[r#"{"id":2}"#]).await;
    assert_eq!(world.next().await.topic, "good");
}
