//! The contract's rules of delivery, each on a real node with the memory store.

mod support;

use roundsman_delivery::{Ack, Offline, Order, Retry, Rule, Rules, To};
use roundsman_store::{DeadReason, State};
use std::time::Duration;
use support::{Answer, World, draft, number, soon};

#[tokio::test]
async fn rule_1_a_topic_that_nobody_joined_is_held_and_arrives_in_order_on_the_join() {
    let mut world = World::ruled(|_| {});
    world.send("user:1", 0..5).await;
    world.send("user:1", 5..300).await;
    world.nothing().await;
    world.until("held", async |world| world.node.snapshot().await.unwrap().held == 300).await;
    world.join("user:1", false);
    assert_eq!(world.numbers(300).await, (0..300).collect::<Vec<_>>());
    world.send("user:1", 300..303).await;
    assert_eq!(world.numbers(3).await, [300, 301, 302]);
    world.until("settled", async |world| world.node.snapshot().await.unwrap().backlog == 0).await;
}

#[tokio::test]
async fn rule_1_a_delayed_message_takes_its_place_when_due() {
    let mut world = World::ruled(|_| {});
    world.join("user:1", false);
    let mut late = draft("user:1", 0);
    late.deliver_at = Some(soon(Duration::from_millis(400)));
    world.send_one(late).await;
    world.send("user:1", 1..3).await;
    assert_eq!(world.numbers(3).await, [1, 2, 0]);
}

#[tokio::test]
async fn rule_1_a_retried_head_holds_back_its_own_lane_and_nothing_else() {
    let mut world = World::with(|settings| {
        let to = To::Target(0);
        settings.rules = Rules::new(vec![Rule { to, ..Rule::channel("*") }]);
        settings.retry = Retry {
            shortest: Duration::from_millis(50),
            longest: Duration::from_millis(50),
            ..Retry::default()
        };
    });
    world.post.answers(|batch| match &*batch.topic {
        "a" if batch.messages[0].attempt < 3 => Answer::Failed,
        _ => Answer::Delivered,
    });
    world.send("a", [1]).await;
    assert_eq!(number(&world.next().await), 1);
    world.send("a", [2, 3]).await;
    world.send("b", [7]).await;
    let mut seen = Vec::new();
    while seen.last() != Some(&("a".to_owned(), 3, 1)) {
        let next = world.next().await;
        seen.push((next.topic.clone(), number(&next), next.attempt));
    }
    let of_a: Vec<_> = seen.iter().filter(|(topic, ..)| topic == "a").map(|(_, n, _)| *n).collect();
    assert!(of_a.is_sorted(), "{seen:?}");
    assert!(seen.contains(&("b".to_owned(), 7, 1)));
    assert!(seen.contains(&("a".to_owned(), 1, 3)), "delivered by its third attempt: {seen:?}");
}

#[tokio::test]
async fn rule_1_once_the_head_is_dead_the_rest_goes_on() {
    let mut world = World::with(|settings| {
        let to = To::Target(0);
        settings.rules = Rules::new(vec![Rule { to, ..Rule::channel("*") }]);
        settings.retry = Retry {
            max_attempts: 2,
            shortest: Duration::from_millis(1),
            longest: Duration::from_millis(1),
            max_age: None,
        };
    });
    world.post.answers(|batch| {
        let head = String::from_utf8_lossy(&batch.messages[0].record.payload).into_owned();
        if head.contains(":1}") { Answer::Failed } else { Answer::Delivered }
    });
    let dead = world.send_one(draft("a", 1)).await;
    world.send("a", [2]).await;
    loop {
        if number(&world.next().await) == 2 {
            break;
        }
    }
    let sighting = world.node.find(&dead.to_string()).await.unwrap().unwrap();
    assert_eq!((sighting.state, sighting.reason), (State::Dead, Some(DeadReason::Attempts)));
    assert_eq!(sighting.attempts.len(), 2);
    assert_eq!(&*sighting.attempts[0].what, "said no");
}

#[tokio::test]
async fn without_an_order_a_failing_message_holds_back_nothing() {
    let mut world = World::with(|settings| {
        let rule = Rule { to: To::Target(0), order: Order::None, ..Rule::channel("*") };
        settings.rules = Rules::new(vec![rule]);
    });
    world.post.answers(|batch| {
        let head = String::from_utf8_lossy(&batch.messages[0].record.payload).into_owned();
        if head.contains(":1}") { Answer::Failed } else { Answer::Delivered }
    });
    world.send("a", 1..5).await;
    assert_eq!(world.numbers(4).await, [1, 2, 3, 4]);
    world
        .until("three are gone", async |world| world.node.snapshot().await.unwrap().backlog == 1)
        .await;
}

#[tokio::test]
async fn rule_2_what_is_unacknowledged_costs_others_nothing() {
    let mut world = World::with(|settings| {
        settings.dispatch.max_in_flight = 4;
        settings.dispatch.per_key = 2;
        let rule = Rule { ack: Ack::Client, ack_window: 3, ..Rule::channel("silent") };
        settings.rules = Rules::new(vec![rule, Rule::channel("*")]);
    });
    world.post.answers(|batch| match &*batch.topic {
        "silent" => Answer::Sent,
        _ => Answer::Delivered,
    });
    world.join("silent", true);
    world.join("other", false);
    world.send("silent", 0..10).await;
    assert_eq!(world.numbers(3).await, [0, 1, 2], "more than per_key, no more than the window");
    world.nothing().await;
    world.send("other", 0..20).await;
    assert_eq!(world.numbers(20).await, (0..20).collect::<Vec<_>>());
    world
        .until("only the unacknowledged are out", async |world| {
            let snapshot = world.node.snapshot().await.unwrap();
            (snapshot.unacknowledged, snapshot.in_flight) == (3, 0)
        })
        .await;
}

#[tokio::test]
async fn rule_3_and_4_unacknowledged_ones_come_again_on_a_join_in_order_before_anything_newer() {
    let mut world = World::ruled(|_| {});
    world.post.answers(|_| Answer::Sent);
    world.join("t", true);
    world.send("t", 0..3).await;
    let mut first = Vec::new();
    for _ in 0..3 {
        first.push(world.next().await);
    }
    let acked = world.node.acknowledge(&"t".into(), vec![first[1].id.to_string().into()]).await;
    assert!(matches!(acked.unwrap()[0], roundsman_store::Settled::Done { .. }));
    world.join("t", true);
    let (oldest, next) = (world.next().await, world.next().await);
    assert_eq!((number(&oldest), oldest.attempt, oldest.again), (0, 2, true));
    assert_eq!((number(&next), next.attempt, next.again), (2, 2, true));
    world.send("t", [3]).await;
    assert_eq!(number(&world.next().await), 3);
    // Late, under an older attempt, and twice: all harmless.
    let ids = first.iter().map(|seen| seen.id.to_string().into()).collect();
    world.node.acknowledge(&"t".into(), ids).await.unwrap();
    let again = world.node.acknowledge(&"t".into(), vec![first[0].id.to_string().into()]).await;
    assert_eq!(again.unwrap(), [roundsman_store::Settled::Unknown]);
    world.until("one left", async |world| world.node.snapshot().await.unwrap().backlog == 1).await;
}

#[tokio::test]
async fn rule_4_an_acknowledgement_for_another_topic_settles_nothing() {
    let mut world = World::ruled(|rule| rule.ack = Ack::Client);
    world.post.answers(|_| Answer::Sent);
    world.join("t", true);
    world.send("t", [1]).await;
    let id = world.next().await.id.to_string();
    let answer = world.node.acknowledge(&"other".into(), vec![id.into()]).await.unwrap();
    assert_eq!(answer, [roundsman_store::Settled::Unknown]);
    assert_eq!(world.node.snapshot().await.unwrap().backlog, 1);
}

#[tokio::test]
async fn rule_4_only_time_outs_with_the_client_there_count_as_failures() {
    let mut world = World::with(|settings| {
        let rule = Rule {
            ack: Ack::Client,
            ack_timeout: Duration::from_millis(200),
            ..Rule::channel("*")
        };
        settings.rules = Rules::new(vec![rule]);
        settings.retry = Retry { max_attempts: 3, ..Retry::default() };
    });
    world.post.answers(|_| Answer::Sent);
    world.join("t", true);
    let id = world.send_one(draft("t", 1)).await.to_string();
    assert_eq!(world.next().await.attempt, 1);
    // Gone and back, again and again: sendings, but no failures.
    for attempt in 2..6 {
        world
            .until("unacknowledged", async |world| {
                world.node.snapshot().await.unwrap().unacknowledged == 1
            })
            .await;
        world.leave("t", true);
        world.until("held", async |world| world.node.snapshot().await.unwrap().held == 1).await;
        world.join("t", true);
        assert_eq!(world.next().await.attempt, attempt);
    }
    let history = world.node.find(&id).await.unwrap().unwrap().history;
    assert_eq!(history.failures, 0);
    // Silent with the client there: each time-out counts, and the third is the last.
    assert_eq!(world.next().await.attempt, 6);
    assert_eq!(world.next().await.attempt, 7);
    world.nothing().await;
    world
        .until("dead", async |world| {
            world.node.find(&id).await.unwrap().unwrap().state == State::Dead
        })
        .await;
    let sighting = world.node.find(&id).await.unwrap().unwrap();
    assert_eq!((sighting.reason, sighting.history.failures), (Some(DeadReason::Attempts), 3));
}

#[tokio::test]
async fn offline_drop_is_gone_and_counted() {
    let mut world = World::ruled(|rule| rule.offline = Offline::Drop);
    world.post.answers(|_| Answer::Absent);
    world.send("t", 0..3).await;
    world.until("gone", async |world| world.node.snapshot().await.unwrap().backlog == 0).await;
    let dropped = world.node.metrics().dropped.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(dropped, 3);
    world.post.answers(|_| Answer::Delivered);
    world.join("t", false);
    world.send("t", [9]).await;
    let mut numbers = world.numbers(4).await;
    assert_eq!(numbers.pop(), Some(9));
}

#[tokio::test]
async fn an_expired_message_is_never_sent_and_is_counted_not_dead() {
    let mut world = World::ruled(|_| {});
    let mut short = draft("t", 1);
    short.expires_at = Some(soon(Duration::from_millis(50)));
    world.send_one(short).await;
    world.send("t", [2]).await;
    tokio::time::sleep(Duration::from_millis(80)).await;
    world.join("t", false);
    assert_eq!(world.numbers(1).await, [2]);
    world
        .until("counted", async |world| {
            world.node.metrics().expired.load(std::sync::atomic::Ordering::Relaxed) == 1
        })
        .await;
    let snapshot = world.node.snapshot().await.unwrap();
    assert_eq!((snapshot.dead, snapshot.backlog), (0, 0));
}

#[tokio::test]
async fn a_released_batch_comes_again_in_order() {
    let mut world = World::ruled(|_| {});
    world.join("t", false);
    world.post.answers(|_| Answer::Keep);
    world.send("t", 0..5).await;
    assert_eq!(world.numbers(5).await, [0, 1, 2, 3, 4]);
    world.post.answers(|_| Answer::Delivered);
    world.post.let_go();
    assert_eq!(world.numbers(5).await, [0, 1, 2, 3, 4]);
    world.send("t", [5]).await;
    assert_eq!(world.numbers(1).await, [5]);
}

#[tokio::test]
async fn draining_waits_for_what_is_in_flight_and_keeps_the_rest() {
    let mut world = World::ruled(|_| {});
    world.join("t", false);
    world.post.answers(|_| Answer::Keep);
    world.send("t", 0..2).await;
    world.numbers(2).await;
    world.send("nobody", 0..3).await;
    let node = world.node.clone();
    let drain = tokio::spawn(async move { node.drain(Duration::from_secs(10)).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!drain.is_finished(), "two are still out");
    assert!(world.node.accept(vec![draft("t", 9)]).await.is_err(), "nothing new");
    world.post.deliver_kept();
    let report = drain.await.unwrap();
    assert_eq!((report.cut, report.kept), (0, 3));
}
