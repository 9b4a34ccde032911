//! What becomes of messages: added to, defaulted, dead; the same at every attempt.

use super::source::Answer;
use super::support::{self, Post};
use super::world::{World, one_target};
use roundsman_delivery::{Augment, Node, OnMissing, Settings, To, Value};
use roundsman_store::{Draft, MemoryStore, SystemClock};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn it_adds_what_is_found_and_leaves_the_rest_as_it_was() {
    let mut world = World::new(|_, _| {});
    let written = r#"{ "z": 1e999, "id" : "a\"b", "big": 123456789012345678901234567890 }"#;
    world.send("t", &[written]).await;
    let expected = r#"{ "z": 1e999, "id" : "a\"b", "big": 123456789012345678901234567890,"user":{"id":"a\"b"} }"#;
    assert_eq!(world.payload().await, expected);
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
async fn no_room_for_what_was_found_is_the_messages_own_fault() {
    let world = World::new(|augment, _| augment.into = "/id/user".parse().unwrap());
    world.send("t", &[r#"{"id":1}"#]).await;
    world.dead(1).await;
}
