//! A slow source slows its own messages alone: whatever waits for it, everything else goes on.

use super::source::{Answer, Source, known};
use super::support::Post;
use super::world::{World, one_target};
use roundsman_delivery::{Augment, Dispatch, Node, Settings, To};
use roundsman_store::{Draft, MemoryStore, SystemClock};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const SLOTS: usize = 20;
/// Those of them that messages which wait for lookups may take up.
const WAITING: u64 = 15;

fn never_given_up(augment: &mut Augment, settings: &mut Settings) {
    augment.timeout = Duration::from_hours(1);
    settings.dispatch = Dispatch { max_in_flight: SLOTS, ..Dispatch::default() };
}

#[tokio::test]
async fn what_needs_no_lookup_goes_on_while_a_source_hangs() {
    for order in [true, false] {
        let mut world = World::new(|augment, settings| {
            never_given_up(augment, settings);
            if !order {
                one_target(settings);
            }
        });
        world.source.answers(|value| match &**value {
            "0" => known(value),
            _ => Answer::Never,
        });
        for n in 1..=200 {
            world.send(&format!("slow{n}"), &[&format!("{{\"id\":{n}}}")]).await;
        }
        world.until_waiting(WAITING).await;
        for n in 0..300 {
            world.send(&format!("other{n}"), &[r#"{"n":1}"#, r#"{"n":2}"#]).await;
        }
        for _ in 0..600 {
            assert!(world.next().await.topic.starts_with("other"));
        }
        let waiting = world.node.metrics().augments[0].waiting.load(Ordering::Relaxed);
        assert_eq!(waiting, WAITING, "no more of them wait than that");
    }
}

#[tokio::test]
async fn what_needs_another_source_goes_on_while_one_hangs() {
    let (post, mut seen) = Post::new();
    let (hangs, answers) = (Source::new(), Source::new());
    hangs.answers(|_| Answer::Never);
    let settings = Settings {
        dispatch: Dispatch { max_in_flight: SLOTS, ..Dispatch::default() },
        ..Settings::default()
    };
    let augment = |name: &str, value: &str, source: &Arc<Source>| Augment {
        timeout: Duration::from_hours(1),
        ..Augment::new(name, value, &format!("/{name}"), source.lookup()).unwrap()
    };
    let node = Node::builder(Arc::new(MemoryStore::new(Arc::new(SystemClock))))
        .settings(settings)
        .target(To::Channel, post)
        .augment(augment("a", "/a_id", &hangs))
        .augment(augment("b", "/b_id", &answers))
        .start()
        .unwrap();
    let send = async |topic: String, payload: &str| {
        node.joined(&topic.as_str().into(), false);
        node.accept(vec![Draft::new(topic.as_str(), payload.to_owned()).unwrap()]).await.unwrap();
    };
    for n in 0..100 {
        send(format!("a{n}"), &format!("{{\"a_id\":{n}}}")).await;
        send(format!("both{n}"), &format!("{{\"a_id\":{n},\"b_id\":{n}}}")).await;
    }
    for n in 0..100 {
        send(format!("b{n}"), &format!("{{\"b_id\":{n}}}")).await;
        send(format!("none{n}"), "{}").await;
    }
    for _ in 0..200 {
        let next = tokio::time::timeout(Duration::from_secs(30), seen.recv()).await;
        let seen = next.expect("it goes on").unwrap();
        assert!(
            seen.topic.starts_with('b') && !seen.topic.starts_with("both")
                || seen.topic.starts_with("none")
        );
    }
}

#[tokio::test]
async fn what_needs_no_lookup_goes_on_while_a_source_is_left_alone() {
    let mut world = World::new(|augment, _| {
        augment.batch = 1;
        augment.probe = (Duration::from_hours(1), Duration::from_hours(1));
    });
    world.source.answers(|_| Answer::Failed("away".into()));
    for n in 0..50 {
        world.send(&format!("t{n}"), &[&format!("{{\"id\":{n}}}")]).await;
    }
    world.until_left_alone().await;
    for n in 0..100 {
        world.send(&format!("other{n}"), &[r#"{"n":1}"#]).await;
        assert_eq!(world.next().await.topic, format!("other{n}"));
    }
    let asked = world.source.queries().len();
    assert!(asked < 50, "{asked} queries to a source that is away");
}

#[tokio::test]
async fn a_message_that_needs_none_goes_on_in_a_lane_that_needs_some() {
    let mut world = World::new(|augment, settings| {
        augment.batch = 1;
        never_given_up(augment, settings);
    });
    world.source.answers(|value| match &**value {
        "1" => Answer::Never,
        _ => known(value),
    });
    let mixed = [r#"{"n":0}"#, r#"{"id":2}"#, r#"{"n":1}"#, r#"{"id":1}"#, r#"{"n":2}"#];
    world.send("t", &mixed).await;
    assert_eq!(world.payload().await, mixed[0]);
    assert_eq!(world.payload().await, r#"{"id":2,"user":{"id":2}}"#);
    assert_eq!(world.payload().await, mixed[2]);
    world.send("other", &[r#"{"n":3}"#]).await;
    assert_eq!(world.payload().await, r#"{"n":3}"#, "what is behind the slow one keeps its order");
}

#[tokio::test]
async fn more_lanes_than_are_in_memory_wait_and_the_others_go_on() {
    let mut world = World::new(|augment, settings| {
        augment.batch_wait = Duration::ZERO;
        never_given_up(augment, settings);
    });
    world.source.gate.forget_permits(1 << 20);
    for from in (0..12_000).step_by(1_000) {
        let drafts = (from..from + 1_000).map(|n| {
            let topic = format!("slow{n}");
            world.node.joined(&topic.as_str().into(), false);
            Draft::new(topic.as_str(), format!("{{\"id\":{n}}}")).unwrap()
        });
        world.node.accept(drafts.collect()).await.unwrap();
    }
    world.until_waiting(WAITING).await;
    for n in 0..300 {
        world.send(&format!("other{n}"), &[r#"{"n":1}"#]).await;
    }
    for _ in 0..300 {
        assert!(world.next().await.topic.starts_with("other"));
    }
    world.source.gate.add_permits(1 << 20);
    for _ in 0..12_000 {
        assert!(world.next().await.topic.starts_with("slow"), "none of them is forgotten");
    }
}
