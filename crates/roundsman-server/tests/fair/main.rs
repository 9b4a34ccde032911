//! Fairness of the real binary on a SQLite file: restarts, weights, caps, and keys of every kind.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../binary/mod.rs"]
mod binary;
mod desk;
#[path = "../crash/wire.rs"]
mod wire;

use binary::Folder;
use desk::{Arrived, Desk};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};

/// A message of a key on a topic, of which it is the `number`th.
fn message(key: &Value, topic: &str, number: usize) -> Value {
    let payload = json!({ "key": key, "topic": topic, "n": number });
    json!({ "topic": topic, "key": key, "payload": payload })
}

async fn send(address: &str, messages: &[Value]) {
    let (status, answer) = wire::post(address, &Value::from(messages).to_string()).await.unwrap();
    assert_eq!(status, 202, "{answer}");
}

/// Killed without a word while messages flow, and sent newer ones as soon as it is back.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_no_message_passes_an_older_one_of_its_key() {
    let (folder, mut desk) = (Folder::new(), Desk::open().await);
    folder.write("r.toml", desk.rule("*", "order = \"topic\"\nconcurrency = 8\nper_host = 8\n"));
    let of_all = |numbers: std::ops::Range<usize>| -> Vec<Value> {
        let numbers = numbers.flat_map(|n| (0..20).map(move |topic| (topic, n)));
        numbers.map(|(topic, n)| message(&json!(["k"]), &format!("t:{topic}"), n)).collect()
    };
    let serving = folder.serve("--config r.toml");
    send(serving.address(), &of_all(0..30)).await;
    desk.let_go(150);
    let mut arrived = desk.take(100).await;
    serving.signal("KILL");
    drop(serving);
    let serving = folder.serve("--config r.toml");
    send(serving.address(), &of_all(30..35)).await;
    desk.let_go(10_000);
    let mut first: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut seen = HashSet::new();
    while seen.len() < 20 * 35 {
        for Arrived { topic, number, .. } in arrived.drain(..) {
            if seen.insert((topic.clone(), number)) {
                first.entry(topic).or_default().push(number);
            }
        }
        if seen.len() < 20 * 35 {
            arrived = desk.take(1).await;
        }
    }
    for (topic, numbers) in first {
        assert!(numbers.is_sorted(), "{topic}: {numbers:?}");
    }
}

/// What waits already is shared by the weights that hold now.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_weight_acts_on_the_backlog() {
    let (folder, mut desk) = (Folder::new(), Desk::open().await);
    let one = desk.rule("*", "concurrency = 1\nper_host = 1\n");
    folder.write("r.toml", format!("{one}[dispatch]\ncharge = \"count\"\n"));
    let mut serving = folder.serve("--config r.toml");
    let numbers = (0..300).flat_map(|n| ["a", "b"].map(|key| message(&json!([key]), key, n)));
    send(serving.address(), &numbers.collect::<Vec<_>>()).await;
    desk.let_go(60);
    let of_b = |arrived: &[Arrived]| arrived.iter().filter(|it| it.topic == "b").count();
    let evenly = of_b(&desk.take(60).await[20..]);
    assert!((17..=23).contains(&evenly), "{evenly} of 40");

    let weights = "[dispatch]\ncharge = \"count\"\nweights = { b = 9 }\n";
    folder.write("r.toml", format!("{one}{weights}"));
    serving.signal("HUP");
    serving.log_until("the configuration was read again");
    desk.let_go(120);
    let weighed = of_b(&desk.take(120).await[40..]);
    assert!((67..=77).contains(&weighed), "{weighed} of 80");
}

/// More keys than the node keeps in mind wait for somebody to join; one that does not is served.
#[tokio::test(flavor = "multi_thread")]
async fn many_keys_that_cannot_be_served_do_not_hide_one_that_can() {
    let (folder, mut desk) = (Folder::new(), Desk::open().await);
    folder.write("r.toml", desk.rule("hook:*", "") + "[[deliver]]\n");
    let serving = folder.serve("--config r.toml");
    let away = |user: usize| message(&json!([format!("user-{user}")]), &format!("user:{user}"), 0);
    let away: Vec<_> = (0..9000).map(away).collect();
    send(serving.address(), &away).await;
    desk.let_go(2);
    send(serving.address(), &[message(&json!(["here"]), "hook:1", 0)]).await;
    assert_eq!(desk.take(1).await[0].topic, "hook:1");
    // Nor do they after a start, when all that is known of them is in the file.
    serving.signal("KILL");
    drop(serving);
    let serving = folder.serve("--config r.toml");
    send(serving.address(), &[message(&json!(["here"]), "hook:2", 0)]).await;
    while desk.take(1).await[0].topic != "hook:2" {}
}

/// Two rules with slots of their own: what a key may have at once holds over both.
#[tokio::test(flavor = "multi_thread")]
async fn a_cap_holds_over_all_rules() {
    let (folder, mut desk) = (Folder::new(), Desk::open().await);
    let rules = ["a:*", "b:*"].map(|topics| desk.rule(topics, "concurrency = 20\nper_host = 20\n"));
    folder.write("r.toml", rules.concat() + "[dispatch]\nper_key = 3\n");
    let serving = folder.serve("--config r.toml");
    let messages = (0..20).flat_map(|n| {
        let of = |key: &str, rule| message(&json!(["team", key]), &format!("{rule}:1"), n);
        [of("x", "a"), of("x", "b"), of("y", "b")]
    });
    send(serving.address(), &messages.collect::<Vec<_>>()).await;
    for _ in 0..60 {
        desk.let_go(1);
        let most = desk.take(1).await[0].at_once;
        assert!(most <= 3, "{most} at once");
    }
}

/// Keys that look like something else are keys like all others.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_named_like_anything_internal_is_harmless() {
    let (folder, mut desk) = (Folder::new(), Desk::open().await);
    folder.write("r.toml", desk.rule("*", ""));
    let serving = folder.serve("--config r.toml");
    let parts = ["*", "%", "~", "/", "-1", "0", "null", "lane", "nobody", "'; DROP TABLE lane; --"];
    let mut keys: Vec<Value> = parts.iter().map(|part| json!([part])).collect();
    keys.extend(parts.iter().map(|part| json!(["team", part])));
    keys.extend([json!(["team"]), json!(["team/0"]), json!(["~1", "~0"]), json!(["a", "b", "c"])]);
    let all: Vec<_> = keys.iter().map(|key| message(key, "t", 0)).collect();
    send(serving.address(), &all).await;
    desk.let_go(keys.len());
    let arrived: HashSet<String> =
        desk.take(keys.len()).await.into_iter().map(|arrived| arrived.key).collect();
    assert_eq!(arrived.len(), keys.len(), "each once, none as another: {arrived:?}");
    for key in keys {
        let written: Vec<String> = key.as_array().unwrap().iter().map(written).collect();
        let path = format!("/v1/keys/{}", written.join("/"));
        let (status, report) = wire::exchange(serving.address(), "GET", &path, "").await.unwrap();
        assert_eq!(status, 200, "{path}: {report}");
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["parts"], key);
    }
}

/// A part as a URL has it.
fn written(part: &Value) -> String {
    let part = part.as_str().unwrap().replace('~', "~0").replace('/', "~1");
    let byte = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    part.bytes().map(byte).collect()
}
