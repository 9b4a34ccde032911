//! Endpoints that are parked, on a real node with the memory store.
#![allow(clippy::unwrap_used)]

mod support;

use roundsman_delivery::{Node, Order, Rule, Rules, Settings, To};
use roundsman_store::{Block, Bounds, MemoryStore, Store, SystemClock};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{Answer, Seen, World, draft, endpoint};

const SPAN: Duration = Duration::from_millis(50);

fn webhooks(settings: &mut Settings) {
    let rule = Rule { to: To::Target(0), order: Order::None, ..Rule::channel("*") };
    settings.rules = Rules::new(vec![rule]);
}

/// A world whose endpoint `hook:a` answers as long as the switch is on.
fn world() -> (World, Arc<AtomicBool>) {
    let world = World::with(webhooks);
    let answers = Arc::new(AtomicBool::new(false));
    let switch = answers.clone();
    world.post.answers(move |batch| {
        if switch.load(Ordering::Relaxed) || !batch.topic.starts_with("hook:a:") {
            Answer::Delivered
        } else {
            Answer::Parked(SPAN)
        }
    });
    (world, answers)
}

/// What came until this many messages were seen for the last time, by topic.
async fn last_seen(world: &mut World, topics: usize) -> BTreeMap<String, Seen> {
    let mut last = BTreeMap::new();
    while last.len() < topics || world.node.snapshot().await.unwrap().backlog > 0 {
        let seen = world.next().await;
        last.insert(seen.topic.clone(), seen);
    }
    while let Ok(seen) = world.seen.try_recv() {
        last.insert(seen.topic.clone(), seen);
    }
    last
}

#[tokio::test]
async fn what_is_parked_waits_while_one_at_a_time_is_let_through() {
    let (mut world, answers) = world();
    let first = world.send_one(draft("hook:a:0", 0)).await;
    assert_eq!(world.next().await.id, first);
    for lane in 1..200 {
        world.send(&format!("hook:a:{lane}"), [lane]).await;
    }
    world.send("hook:b:1", [1]).await;
    let mut tries = 0;
    loop {
        let seen = world.next().await;
        if seen.topic == "hook:b:1" {
            break;
        }
        tries += 1;
    }
    assert!(tries < 20, "{tries} of those parked came before another endpoint's message");
    for _ in 0..3 {
        assert!(world.next().await.topic.starts_with("hook:a:"), "it is tried again and again");
    }
    answers.store(true, Ordering::Relaxed);
    let last = last_seen(&mut world, 199).await;
    assert!(last.len() >= 199);
    let sighting = world.node.find(&first.to_string()).await.unwrap();
    assert!(sighting.is_none(), "delivered, and its id was made here");
    assert_eq!(world.node.metrics().failed.load(Ordering::Relaxed), 0, "no attempt was counted");
    assert_eq!(world.node.metrics().delivered.load(Ordering::Relaxed), 201);
}

#[tokio::test]
async fn any_other_answer_opens_it_again() {
    let mut world = World::with(webhooks);
    let once = AtomicBool::new(false);
    world.post.answers(move |batch| match once.swap(true, Ordering::Relaxed) {
        false => Answer::Parked(SPAN),
        true if batch.topic.ends_with(":0") => Answer::Failed,
        true => Answer::Delivered,
    });
    world.send("hook:a:0", [0]).await;
    assert_eq!(world.next().await.topic, "hook:a:0");
    world.send("hook:a:1", [1]).await;
    world
        .until("the other lane goes on", async |world| {
            world.node.metrics().delivered.load(Ordering::Relaxed) == 1
        })
        .await;
    assert_eq!(world.node.metrics().failed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn whoever_knows_that_it_answers_says_so() {
    let world = World::with(webhooks);
    let away = AtomicBool::new(true);
    world.post.answers(move |_| match away.swap(false, Ordering::Relaxed) {
        true => Answer::Parked(Duration::from_hours(1)),
        false => Answer::Delivered,
    });
    world.send("hook:a:0", [0]).await;
    world.until("parked", async |world| world.store.walk(None, 9).await.unwrap().is_empty()).await;
    world.node.release_endpoint(endpoint("hook:a:0").unwrap());
    world
        .until("delivered", async |world| {
            world.node.metrics().delivered.load(Ordering::Relaxed) == 1
        })
        .await;
}

#[tokio::test]
async fn what_an_earlier_run_parked_is_released_at_the_start() {
    let mut world = World::with(webhooks);
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    store.accept(vec![draft("hook:a:0", 0)], Bounds::NONE).await.unwrap();
    let lane = store.walk(None, 1).await.unwrap().remove(0);
    store.block(vec![(lane.id, Block::Parked(endpoint("hook:a:0").unwrap()))]).await.unwrap();
    let mut settings = Settings::default();
    webhooks(&mut settings);
    let _node = Node::builder(store)
        .settings(settings)
        .target(To::Target(0), world.post.clone())
        .start()
        .unwrap();
    assert_eq!(world.next().await.topic, "hook:a:0");
}
