//! Services that do their worst. Each ends as the documents say, and touches no other message.

use super::service::{Act, Asked, Service};
use super::world::{World, added, bare, marked};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const DELIVER: &str = "on_failure = \"deliver\"";
const SOON: &str = "on_failure = \"deliver\"\ntimeout = \"100ms\"";

/// An answer for everybody who was asked for.
fn all(asked: &Asked) -> String {
    let each = |id: &String| format!("{{\"id\":{id},\"of\":{id}}}");
    format!("[{}]", asked.values().iter().map(each).collect::<Vec<_>>().join(","))
}

/// What is added to a message by [`all`].
fn of(value: usize) -> String {
    added(value, &format!("{{\"id\":{value},\"of\":{value}}}"))
}

/// What becomes of messages 1, 2 and 3, looked up together.
async fn of_three(act: impl Fn(&Asked) -> Act + Send + Sync + 'static, more: &str) -> Vec<String> {
    let service = Service::start(act).await;
    let mut world = World::new(&service.many(), more);
    world.send(1..=3).await;
    world.payloads(3).await
}

#[tokio::test]
async fn one_that_hangs() {
    assert_eq!(of_three(|_| Act::Hangs, SOON).await, [1, 2, 3].map(marked));

    let service = Service::start(|_| Act::Hangs).await;
    let mut world = World::new(&service.many(), "timeout = \"100ms\"");
    world.send(1..=3).await;
    while service.asked().len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    service.acts(|asked| Act::Well(all(asked)));
    assert_eq!(world.payloads(3).await, [1, 2, 3].map(of));
    world.nobody_is_dead().await;
}

#[tokio::test]
async fn one_that_answers_late() {
    let late = |asked: &Asked| Act::Late(Duration::from_millis(400), all(asked));
    assert_eq!(of_three(late, SOON).await, [1, 2, 3].map(marked));

    // What comes when it was given up on reaches nobody, whoever asks then.
    let first = AtomicUsize::new(0);
    let service = Service::start(move |asked| match first.fetch_add(1, Ordering::SeqCst) {
        0 => Act::Late(Duration::from_millis(300), "[{\"id\":1,\"of\":\"too late\"}]".to_owned()),
        _ => Act::Well(all(asked)),
    })
    .await;
    let mut world = World::new(&service.many(), "timeout = \"100ms\"");
    world.send([1]).await;
    let seen = world.next().await;
    assert_eq!((seen.payload, seen.attempt), (of(1), 2));
}

#[tokio::test]
async fn one_whose_body_does_not_end_in_time() {
    // Every byte comes well within the time, and all of them would be what is asked for.
    let drips = |asked: &Asked| Act::Drips(Duration::from_millis(50), all(asked));
    assert_eq!(of_three(drips, SOON).await, [1, 2, 3].map(marked), "one deadline covers the body");
}

#[tokio::test]
async fn one_that_answers_with_wrong_json() {
    for body in ["", "{", "[{\"id\":1,\"of\":}]", "null null", "<html>", "{\"1\":{}", "7", "\"1\""]
    {
        let wrong = move |_: &Asked| Act::Well(body.to_owned());
        assert_eq!(of_three(wrong, DELIVER).await, [1, 2, 3].map(marked), "{body}");
    }
}

#[tokio::test]
async fn one_that_answers_with_wrong_json_for_one_value() {
    // Whoever asks together with 2 gets nothing that can be read; asked apart, all is well.
    let broken = |asked: &Asked| Act::Well(all(asked).replace("\"of\":2}", "\"of\":2"));
    assert_eq!(of_three(broken, DELIVER).await, [of(1), marked(2), of(3)]);
}

#[tokio::test]
async fn one_that_answers_with_too_much() {
    let much = |asked: &Asked| match asked.values().contains(&"2".to_owned()) {
        true => Act::Well(format!("[{{\"id\":2,\"of\":\"{}\"}}]", "x".repeat(9 << 20))),
        false => Act::Well(all(asked)),
    };
    assert_eq!(of_three(much, DELIVER).await, [of(1), marked(2), of(3)]);
    let much_for_one = |asked: &Asked| {
        let two = format!("\"of\":\"{}\"", "x".repeat(2 << 20));
        Act::Well(all(asked).replace("\"of\":2", &two))
    };
    let payloads = of_three(much_for_one, DELIVER).await;
    assert_eq!(payloads, [of(1), marked(2), of(3)], "two megabytes for one value");
}

#[tokio::test]
async fn one_that_answers_with_other_rows_than_asked() {
    let others = |asked: &Asked| {
        let other = |id: &String| format!("{{\"id\":\"{id}0\",\"of\":\"poison\"}}");
        let more: Vec<String> = asked.values().iter().map(other).collect();
        Act::Well(format!("[{}]", more.join(",")))
    };
    assert_eq!(of_three(others, DELIVER).await, [1, 2, 3].map(bare), "there is nothing for them");
    let by_value = |_: &Asked| Act::Well("{\"2\":{\"of\":2},\"4\":{\"of\":\"poison\"}}".to_owned());
    let two = added(2, "{\"of\":2}");
    assert_eq!(of_three(by_value, DELIVER).await, [bare(1), two, bare(3)]);
}

#[tokio::test]
async fn one_that_answers_twice_with_the_same_row() {
    let twice = |asked: &Asked| {
        let rows = all(asked);
        let again = rows.replace("\"of\":", "\"of\":\"again\",\"x\":");
        Act::Well(format!("{},{}", rows.trim_end_matches(']'), again.trim_start_matches('[')))
    };
    assert_eq!(of_three(twice, DELIVER).await, [1, 2, 3].map(of), "the first counts");
    let twice = |_: &Asked| Act::Well("{\"1\":{\"n\":1},\"1\":{\"n\":2}}".to_owned());
    let one = added(1, "{\"n\":1}");
    assert_eq!(of_three(twice, DELIVER).await, [one, bare(2), bare(3)], "of members as well");
}

#[tokio::test]
async fn one_whose_answers_lack_the_key() {
    let lacks = |asked: &Asked| Act::Well(all(asked).replace("\"id\":2", "\"no\":2"));
    assert_eq!(of_three(lacks, DELIVER).await, [of(1), marked(2), of(3)]);
}

#[tokio::test]
async fn one_that_closes_midway() {
    let half = |asked: &Asked| Act::BreaksOff(all(asked));
    assert_eq!(of_three(half, DELIVER).await, [1, 2, 3].map(marked));
    assert_eq!(of_three(|_| Act::Closes, DELIVER).await, [1, 2, 3].map(marked));

    let some = AtomicUsize::new(0);
    let service = Service::start(move |asked| match some.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => Act::BreaksOff("[{\"id\":1,\"of\":\"half\"}".to_owned()),
        _ => Act::Well(all(asked)),
    })
    .await;
    let mut world = World::new(&service.many(), "");
    world.send(1..=9).await;
    assert_eq!(world.payloads(9).await, [1, 2, 3, 4, 5, 6, 7, 8, 9].map(of));
}

#[tokio::test]
async fn one_that_says_429_with_retry_after() {
    let first = AtomicUsize::new(0);
    let service = Service::start(move |asked| match first.fetch_add(1, Ordering::SeqCst) {
        0 => Act::Says("429 Too Many", "retry-after: 1\r\n".to_owned(), "slow down".to_owned()),
        _ => Act::Well(all(asked)),
    })
    .await;
    let mut world = World::new(&service.many(), "");
    world.send(1..=3).await;
    assert_eq!(world.payloads(3).await, [1, 2, 3].map(of));
    let asked = service.asked();
    let waited = asked[1].at - asked[0].at;
    assert!(waited >= Duration::from_millis(900), "asked again after {waited:?}");
    assert_eq!(world.failed(), 0, "no attempt was counted");
}

#[tokio::test]
async fn one_that_says_500() {
    let fails = |_: &Asked| Act::Says("500 No", String::new(), "oops".to_owned());
    assert_eq!(of_three(fails, DELIVER).await, [1, 2, 3].map(marked));
    let service = Service::start(fails).await;
    let world = World::new(&service.many(), "on_failure = \"dead\"");
    world.send([1]).await;
    assert_eq!(world.dead(1).await, ["it: it answered 500 Internal Server Error"]);

    // It goes on for long, and costs nobody more than an attempt.
    let service = Service::start(fails).await;
    let mut world = World::new(&service.many(), "");
    world.send(1..=50).await;
    while service.asked().len() < 12 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    service.acts(|asked| Act::Well(all(asked)));
    let mut payloads = world.payloads(50).await;
    payloads.retain(|payload| !payload.contains("\"of\""));
    assert_eq!(payloads, [""; 0]);
    assert!(world.failed() <= 50, "{} attempts", world.failed());
}

#[tokio::test]
async fn one_that_sends_elsewhere() {
    let other = Service::start(|asked| Act::Well(all(asked))).await;
    for status in ["301 Moved", "302 Found", "303 See", "307 Here", "308 There"] {
        let location = format!("location: http://{}/?ids=1\r\n", other.address);
        let sends = move |_: &Asked| Act::Says(status, location.clone(), String::new());
        assert_eq!(of_three(sends, DELIVER).await, [1, 2, 3].map(marked), "{status}");
    }
    assert!(other.asked().is_empty(), "nobody follows");
}
