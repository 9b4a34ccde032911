//! What an operator does to a running node: takes back, replays, drops.

#![allow(clippy::unwrap_used, clippy::panic)] // In tests, also outside of `#[test]` functions.

mod support;

use futures_util::future::join_all;
use roundsman_delivery::{Ack, Happening, Retry, Rule, Rules, Seen, TakeBack, To, Watch};
use roundsman_store::{
    DeadFilter, DeadReason, Draft, Fingerprint, Inspect, Key, MessageId, State, Sweep,
};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use support::{Answer, World, draft, number, soon};

fn all() -> Sweep {
    Sweep { limit: 100, ..Sweep::default() }
}

/// One target rule for every topic, and retries after an hour, or never.
fn retrying(max_attempts: u32) -> World {
    World::with(|settings| {
        settings.rules = Rules::new(vec![Rule { to: To::Target(0), ..Rule::channel("*") }]);
        let hour = Duration::from_secs(3600);
        settings.retry = Retry { max_attempts, shortest: hour, longest: hour, max_age: None };
    })
}

async fn take_back(world: &World, id: &MessageId) -> TakeBack {
    world.node.take_back(&id.to_string()).await.unwrap()
}

async fn state(world: &World, id: &MessageId) -> Option<State> {
    world.node.find(&id.to_string()).await.unwrap().map(|seen| seen.state)
}

#[tokio::test]
async fn what_is_held_is_taken_back_and_the_rest_arrives() {
    let mut world = World::ruled(|_| {});
    let ids = [world.send_one(draft("t", 0)).await, world.send_one(draft("t", 1)).await];
    world.send("t", 2..3).await;
    assert_eq!(take_back(&world, &ids[0]).await, TakeBack::Done);
    world.until("held", async |world| state(world, &ids[1]).await == Some(State::Held)).await;
    assert_eq!(take_back(&world, &ids[1]).await, TakeBack::Done);
    for id in &ids {
        assert_eq!(take_back(&world, id).await, TakeBack::Unknown);
        assert_eq!(state(&world, id).await, None);
    }
    world.join("t", false);
    assert_eq!(world.numbers(1).await, [2]);
    world.nothing().await;
}

#[tokio::test]
async fn what_is_scheduled_is_taken_back() {
    let mut world = World::ruled(|_| {});
    world.join("t", false);
    let mut late = draft("t", 0);
    late.deliver_at = Some(soon(Duration::from_millis(300)));
    let id = world.send_one(late).await;
    assert_eq!(take_back(&world, &id).await, TakeBack::Done);
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.nothing().await;
    assert_eq!(world.node.snapshot().await.unwrap().backlog, 0);
}

#[tokio::test]
async fn what_is_in_flight_or_over_is_not() {
    let mut world = World::ruled(|_| {});
    world.join("t", false);
    world.post.answers(|_| Answer::Keep);
    let id = world.send_one(draft("t", 0)).await;
    world.next().await;
    assert_eq!(take_back(&world, &id).await, TakeBack::InFlight);
    world.post.answers(|_| Answer::Sent);
    let sent = world.send_one(draft("t", 1)).await;
    world.next().await;
    assert_eq!(take_back(&world, &sent).await, TakeBack::InFlight, "not acknowledged");
    world.post.deliver_kept();
    world.until("gone", async |world| state(world, &id).await.is_none()).await;
    assert_eq!(take_back(&world, &id).await, TakeBack::Unknown);
    assert_eq!(world.node.take_back("nobody").await.unwrap(), TakeBack::Unknown);
}

#[tokio::test]
async fn once_a_retried_head_is_taken_back_the_rest_goes_on() {
    let mut world = retrying(9);
    world.post.answers(|_| Answer::Failed);
    let head = world.send_one(draft("t", 0)).await;
    assert_eq!(number(&world.next().await), 0);
    world.send("t", 1..4).await;
    world.until("tried", async |world| state(world, &head).await == Some(State::Retrying)).await;
    world.nothing().await;
    world.post.answers(|_| Answer::Delivered);
    assert_eq!(take_back(&world, &head).await, TakeBack::Done);
    assert_eq!(world.numbers(3).await, [1, 2, 3]);
}

/// Messages are sent and taken back at once, while the node delivers as fast as it can: whatever
/// it said was taken back was not and is not delivered, and everything else is, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn taken_back_or_delivered_and_never_both() {
    const SENDERS: u32 = 16;
    const EACH: u32 = 250;
    let mut world = World::with(|settings| settings.dispatch.max_in_flight = 20);
    for topic in 0..4 {
        world.join(&format!("t{topic}"), false);
    }
    let racing = (0..SENDERS).map(|sender| {
        let node = world.node.clone();
        tokio::spawn(async move {
            let mut back = Vec::new();
            for count in 0..EACH {
                let label = sender * EACH + count;
                let batch = vec![draft(&format!("t{}", sender % 4), label)];
                let id = node.accept(batch).await.unwrap().remove(0).id.to_string();
                // Some at once, some when they are likely to be on their way.
                if count % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                if node.take_back(&id).await.unwrap() == TakeBack::Done {
                    back.push(label);
                }
            }
            back
        })
    });
    let back: HashSet<u32> = join_all(racing).await.into_iter().flat_map(Result::unwrap).collect();
    world.until("settled", async |world| world.node.snapshot().await.unwrap().backlog == 0).await;
    let mut seen = HashSet::new();
    while let Ok(next) = world.seen.try_recv() {
        seen.insert(number(&next));
    }
    let total = (SENDERS * EACH) as usize;
    assert!(seen.is_disjoint(&back), "delivered although taken back: {:?}", &seen & &back);
    assert_eq!(seen.len() + back.len(), total, "{} were taken back", back.len());
    assert!(!back.is_empty() && !seen.is_empty(), "no race: {} of {total} back", back.len());
}

#[tokio::test]
async fn a_replayed_letter_arrives_behind_the_others_at_attempt_1() {
    let mut world = retrying(1);
    world.post.answers(|_| Answer::Failed);
    let id = world.send_one(draft("t", 0)).await;
    world.next().await;
    world.until("dead", async |world| state(world, &id).await == Some(State::Dead)).await;
    world.post.answers(|_| Answer::Keep);
    world.send("t", 1..3).await;
    assert_eq!(number(&world.next().await), 1);
    let letters = world.node.dead(all()).await.unwrap().letters;
    assert_eq!((letters.len(), letters[0].sighting.reason), (1, Some(DeadReason::Attempts)));
    let swept = world.node.replay(all()).await.unwrap();
    assert_eq!(*swept.done[0].0, *id.to_string());
    world.post.answers(|_| Answer::Delivered);
    world.post.deliver_kept();
    assert_eq!(number(&world.next().await), 2);
    let again = world.next().await;
    assert_eq!((number(&again), again.attempt, &again.id), (0, 1, &id));
    world.until("settled", async |world| world.node.snapshot().await.unwrap().backlog == 0).await;
    assert_eq!(world.node.snapshot().await.unwrap().dead, 0);
}

#[tokio::test]
async fn a_replay_wakes_lanes_and_a_drop_does_not() {
    let mut world = retrying(1);
    world.post.answers(|_| Answer::Failed);
    for topic in ["a", "b", "c"] {
        world.send(topic, 0..1).await;
        world.next().await;
    }
    world.until("dead", async |world| world.store.counts().await.unwrap().dead == 3).await;
    let topic = |topic| DeadFilter {
        topic: Some(roundsman_delivery::Pattern::new(topic)),
        ..DeadFilter::default()
    };
    let dropped = world.node.drop_dead(Sweep { filter: topic("a"), ..all() }).await.unwrap();
    assert_eq!(dropped.done.len(), 1);
    world.post.answers(|_| Answer::Delivered);
    world.node.replay(all()).await.unwrap();
    let mut arrived = [world.next().await.topic, world.next().await.topic];
    arrived.sort_unstable();
    assert_eq!(arrived, ["b", "c"]);
    world.nothing().await;
    assert_eq!(world.store.counts().await.unwrap().dead, 0);
}

/// What a watcher saw, up to and with the first that `is_last` holds for.
async fn saw(watch: &mut Watch, is_last: impl Fn(&Happening) -> bool) -> Vec<(String, Happening)> {
    let mut all = Vec::new();
    loop {
        let waited = tokio::time::timeout(Duration::from_secs(10), watch.next()).await;
        let Some(Seen::Event(event)) = waited.expect("an event within ten seconds") else {
            panic!("the node has ended, or something was missed");
        };
        let last = is_last(&event.what);
        all.push((event.id.unwrap_or_default().to_string(), event.what));
        if last {
            return all;
        }
    }
}

/// In short words, with the failures' texts left out.
fn words(seen: &[(String, Happening)]) -> Vec<String> {
    let word = |(id, what): &(String, Happening)| match what {
        Happening::Dispatched { attempt } => format!("{id} dispatched {attempt}"),
        Happening::Failed { failure, .. } => format!("{id} failed: {}", failure.what),
        Happening::Dead { reason, .. } => format!("{id} dead: {reason}"),
        other => format!("{id} {other:?}"),
    };
    seen.iter().map(word).collect()
}

fn named(id: &str, topic: &str, number: u32) -> Draft {
    let id = Some((id.into(), Fingerprint::of(&[id.as_bytes()])));
    Draft { id, ..draft(topic, number) }
}

#[tokio::test]
async fn a_watcher_sees_what_happens_to_its_key_and_nothing_else() {
    let world = World::with(|settings| {
        settings.rules = Rules::new(vec![Rule { to: To::Target(0), ..Rule::channel("*") }]);
        let soon = Duration::from_millis(1);
        settings.retry = Retry { max_attempts: 2, shortest: soon, longest: soon, max_age: None };
    });
    let mut watch = world.node.watch(Key::parse("t").unwrap()).await;
    world.post.answers(|_| Answer::Failed);
    world.send_one(named("other", "s", 9)).await;
    world.send_one(named("a", "t", 0)).await;
    let seen = saw(&mut watch, |what| matches!(what, Happening::Dead { .. })).await;
    let expected =
        ["a Accepted", "a dispatched 1", "a failed: said no", "a dispatched 2", "a dead: attempts"];
    assert_eq!(words(&seen), expected);
    world.post.answers(|_| Answer::Delivered);
    world.node.replay(all()).await.unwrap();
    let seen = saw(&mut watch, |what| *what == Happening::Delivered).await;
    assert_eq!(words(&seen), ["a Replayed", "a dispatched 1", "a Delivered"]);
    let mut later = named("b", "t", 1);
    later.deliver_at = Some(soon(Duration::from_secs(60)));
    let id = world.send_one(later).await;
    assert_eq!(take_back(&world, &id).await, TakeBack::Done);
    let seen = saw(&mut watch, |what| *what == Happening::TakenBack).await;
    assert_eq!(words(&seen), ["b Accepted", "b TakenBack"]);
}

#[tokio::test]
async fn a_watcher_who_comes_late_sees_the_end_of_what_is_out() {
    let mut world = World::ruled(|rule| rule.ack = Ack::Client);
    world.join("t", true);
    world.post.answers(|_| Answer::Sent);
    let id = world.send_one(draft("t", 0)).await.to_string();
    world.next().await;
    world
        .until("sent", async |world| world.node.snapshot().await.unwrap().unacknowledged == 1)
        .await;
    let mut watch = world.node.watch(Key::parse("t").unwrap()).await;
    let ids = vec![Arc::from(id.as_str())];
    world.node.acknowledge(&"t".into(), ids).await.unwrap();
    let seen = saw(&mut watch, |what| *what == Happening::Delivered).await;
    assert_eq!(words(&seen), [format!("{id} Delivered")]);
}

#[tokio::test]
async fn dead_letters_are_kept_as_long_as_the_settings_say() {
    for (kept, left) in [(Some(Duration::from_millis(20)), 0), (None, 2)] {
        let mut world = World::with(|settings| {
            settings.rules = Rules::new(vec![Rule { to: To::Target(0), ..Rule::channel("*") }]);
            settings.retry = Retry { max_attempts: 1, ..Retry::default() };
            settings.dead_kept = kept;
        });
        world.post.answers(|_| Answer::Failed);
        world.send("t", 0..2).await;
        world.numbers(2).await;
        let metrics = world.node.metrics();
        world
            .until("dead", async |_| metrics.dead.load(std::sync::atomic::Ordering::Relaxed) == 2)
            .await;
        if left == 0 {
            world.until("dropped", async |w| w.store.counts().await.unwrap().dead == 0).await;
        }
        world.nothing().await;
        assert_eq!(world.store.counts().await.unwrap().dead, left);
    }
}

#[tokio::test]
async fn a_watcher_sees_what_expires_where_it_waits() {
    let world = World::ruled(|_| {});
    let mut watch = world.node.watch(Key::parse("t").unwrap()).await;
    for (id, millis) in [("soon", 50), ("late", 60_000)] {
        let expires_at = Some(soon(Duration::from_millis(millis)));
        world.send_one(Draft { expires_at, ..named(id, "t", 0) }).await;
    }
    let seen = saw(&mut watch, |what| *what == Happening::Expired).await;
    assert_eq!(words(&seen), ["soon Accepted", "late Accepted", "soon Expired"]);
}
