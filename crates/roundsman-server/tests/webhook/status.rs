//! What each status means for its message.

use super::house::House;
use super::receiver::{Receiver, status};
use roundsman_store::{DeadReason, State};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn rule(receiver: &Receiver, more: &str) -> String {
    format!(
        "[retry]\nmax_attempts = 2\nbackoff = \"1ms..10ms\"\n[[deliver]]\nto = \"webhook\"\n\
         url = \"http://{}/{{topic}}\"\nallow_private = true\n{more}",
        receiver.address
    )
}

/// Answers with the status that the path begins with.
async fn obedient() -> Receiver {
    Receiver::answering(|got| {
        let written = got.path.trim_start_matches('/').split('-').next().unwrap();
        let status: u16 = written.parse().unwrap();
        format!(
            "HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 5\r\n\r\nhello"
        )
    })
    .await
}

#[tokio::test]
async fn success_is_from_200_to_299_and_nothing_else() {
    let receiver = obedient().await;
    let house = House::new(&rule(&receiver, ""));
    for topic in ["200", "201", "202", "299"] {
        house.send(topic, topic).await;
        house.once(topic, State::Delivered).await;
    }
    for topic in
        ["300", "301", "302", "303", "304", "307", "308", "400", "404", "422", "500", "503"]
    {
        house.send(topic, topic).await;
        let dead = house.once(topic, State::Dead).await;
        assert_eq!((dead.reason, dead.history.failures), (Some(DeadReason::Attempts), 2));
        for attempt in &dead.attempts {
            assert_eq!(attempt.status, topic.parse().ok());
            assert_eq!(&*attempt.what, format!("it answered {topic}"));
            let body = (topic != "304").then_some("hello");
            assert_eq!(attempt.answer.as_deref(), body, "{topic}");
        }
    }
}

#[tokio::test]
async fn gone_is_dead_at_once_and_its_endpoint_is_sent_nothing_more() {
    let mut receiver = obedient().await;
    let house = House::new(&rule(&receiver, ""));
    house.send("410", "one").await;
    let dead = house.once("one", State::Dead).await;
    assert_eq!((dead.reason, dead.history.failures), (Some(DeadReason::Gone), 1));
    assert_eq!(receiver.next().await.path, "/410");
    house.send("410", "two").await;
    house
        .until("its lane waits", async |house| house.node.snapshot().await.unwrap().in_flight == 0)
        .await;
    // Another endpoint of the same host is not touched by it.
    house.send("200", "other").await;
    house.once("other", State::Delivered).await;
    assert_eq!(receiver.next().await.path, "/200");
    let waiting = house.once("two", State::Ready).await;
    assert_eq!((waiting.history.failures, waiting.attempts.len()), (0, 0));
    let (ailing, count) = house.webhooks.ailing(10);
    assert_eq!((count, ailing[0].state, ailing[0].next), (1, "disabled", None));
    assert!(ailing[0].url.ends_with("/410"));

    for endpoint in house.webhooks.enable() {
        house.node.release_endpoint(endpoint);
    }
    assert_eq!(receiver.next().await.path, "/410", "enabled, it is sent to again");
    house.once("two", State::Dead).await;
}

#[tokio::test]
async fn retry_after_is_obeyed_by_the_message_and_by_its_endpoint() {
    let asked = AtomicBool::new(false);
    let mut receiver = Receiver::answering(move |_| match asked.swap(true, Ordering::Relaxed) {
        false => "HTTP/1.1 429 X\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n".to_owned(),
        true => status(200),
    })
    .await;
    let house = House::new(&rule(&receiver, "").replace("/{topic}", "/"));
    house.send("a", "first").await;
    receiver.next().await;
    let begun = Instant::now();
    let retrying = house.once("first", State::Retrying).await;
    let due = retrying.due_at.unwrap();
    assert!(due.since(retrying.attempts[0].at) >= Duration::from_millis(900), "{retrying:?}");
    house.send("b", "second").await;
    receiver.next().await;
    assert!(begun.elapsed() >= Duration::from_millis(900), "the whole endpoint rests");
    for id in ["first", "second"] {
        house.once(id, State::Delivered).await;
    }
    let second = house.once("second", State::Delivered).await;
    assert_eq!(second.history.failures, 0, "it never failed");
}

#[tokio::test]
async fn in_order_a_failing_message_holds_back_its_own_topic_and_nothing_else() {
    let tries = AtomicUsize::new(0);
    let mut receiver = Receiver::answering(move |got| {
        let fails = got.header("webhook-id") == "a-0" && tries.fetch_add(1, Ordering::Relaxed) < 3;
        status(if fails { 500 } else { 200 })
    })
    .await;
    let text =
        rule(&receiver, "order = \"topic\"\n").replace("max_attempts = 2", "max_attempts = 9");
    let house = House::new(&text.replace("1ms..10ms", "200ms..400ms"));
    for number in 0..5 {
        house.send("a", &format!("a-{number}")).await;
    }
    for number in 0..5 {
        house.send("b", &format!("b-{number}")).await;
    }
    let mut seen: Vec<String> = Vec::new();
    while seen.last().is_none_or(|last| last != "a-4") {
        seen.push(receiver.next().await.header("webhook-id").to_owned());
    }
    let of = |topic: &str| -> Vec<&str> {
        seen.iter().map(String::as_str).filter(|id| id.starts_with(topic)).collect()
    };
    assert_eq!(of("a"), ["a-0", "a-0", "a-0", "a-0", "a-1", "a-2", "a-3", "a-4"]);
    assert_eq!(of("b"), ["b-0", "b-1", "b-2", "b-3", "b-4"]);
    let place = |id: &str| seen.iter().position(|other| other == id).unwrap();
    assert!(place("b-4") < place("a-1"), "the other topic went on: {seen:?}");
}
