//! The deliveries of a real node over real sockets: held, sent, acknowledged, come again.

use super::client::Client;
use super::house::House;
use roundsman_delivery::{Ack, Node, Rule, Rules, Settings, To};
use roundsman_server::channel::{Delivery, Hub};
use roundsman_store::{Draft, MemoryStore, SystemClock};
use serde_json::{Value, json};
use std::sync::Arc;

async fn house(rules: Vec<Rule>) -> (House, Node) {
    let hub = Arc::new(Hub::default());
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let settings = Settings { rules: Rules::new(rules), ..Settings::default() };
    let node =
        Node::builder(store).settings(settings).target(To::Channel, hub.clone()).start().unwrap();
    (House::serving(hub, "", Arc::new(Delivery::new(node.clone()))).await, node)
}

async fn send(node: &Node, topic: &str, numbers: std::ops::Range<u32>) {
    let draft = |n: u32| Draft::new(topic, format!(r#"{{"n":{n}}}"#)).unwrap();
    node.accept(numbers.map(draft).collect()).await.unwrap();
}

/// The numbers and ids of the next messages, wrapped as they are for one who asks.
async fn wrapped(client: &mut Client, count: usize) -> Vec<(u64, u64, String)> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let frame = client.json().await;
        assert_eq!(frame[3], "message", "{frame}");
        let (body, number) = (&frame[4], frame[4]["payload"]["n"].as_u64().unwrap());
        let attempt = body["attempt"].as_u64().unwrap();
        seen.push((number, attempt, body["id"].as_str().unwrap().to_owned()));
    }
    seen
}

async fn acknowledge(client: &mut Client, ids: &[String]) -> Value {
    let frame = json!(["1", "ack-1", "user:42", "ack", {"ids": ids}]);
    client.send(&frame.to_string()).await;
    loop {
        let frame = client.json().await;
        if frame[1] == "ack-1" {
            return frame[4].clone();
        }
    }
}

#[tokio::test]
async fn what_was_sent_before_the_join_arrives_after_it_in_order() {
    let (house, node) = house(vec![]).await;
    send(&node, "user:42", 0..50).await;
    let mut client = Client::open(house.address).await;
    client.join("user:42", "{}").await;
    send(&node, "user:42", 50..60).await;
    for number in 0..60 {
        client.expect(&format!(r#"[null,null,"user:42","message",{{"n":{number}}}]"#)).await;
    }
}

#[tokio::test]
async fn one_who_asks_gets_it_again_until_it_says_so() {
    let (house, node) = house(vec![]).await;
    send(&node, "user:42", 0..3).await;
    let mut client = Client::open(house.address).await;
    client.join("user:42", r#"{"ack":"client"}"#).await;
    let first = wrapped(&mut client, 3).await;
    assert_eq!(first.iter().map(|(n, ..)| *n).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(first.iter().all(|(_, attempt, _)| *attempt == 1));
    let settled = acknowledge(&mut client, &[first[0].2.clone()]).await;
    assert_eq!(settled, json!({"status": "ok", "response": {}}));
    drop(client);
    super::client::until(|| house.hub.joined_count("user:42") == 0).await;
    let mut client = Client::open(house.address).await;
    client.join("user:42", r#"{"ack":"client"}"#).await;
    let again = wrapped(&mut client, 2).await;
    assert_eq!(again.iter().map(|(n, ..)| *n).collect::<Vec<_>>(), [1, 2]);
    assert!(again.iter().all(|(_, attempt, _)| *attempt > 1));
    assert_eq!(again[0].2, first[1].2, "the id is the same");
    let ids: Vec<String> = again.into_iter().map(|(_, _, id)| id).collect();
    assert_eq!(acknowledge(&mut client, &ids).await["status"], "ok");
    let snapshot = node.snapshot().await.unwrap();
    assert_eq!((snapshot.backlog, snapshot.unacknowledged), (0, 0));
}

#[tokio::test]
async fn a_rule_may_ask_for_everyone() {
    let rule = Rule { ack: Ack::Client, ..Rule::channel("user:*") };
    let (house, node) = house(vec![rule]).await;
    let mut client = Client::open(house.address).await;
    client.join("user:42", "{}").await;
    send(&node, "user:42", 0..1).await;
    assert_eq!(wrapped(&mut client, 1).await[0].0, 0);
}

#[tokio::test]
async fn topics_that_no_channel_rule_serves_are_unmatched() {
    let webhook = Rule { to: To::Target(0), ..Rule::channel("hook:*") };
    let (house, _node) = house(vec![webhook, Rule::channel("user:*")]).await;
    let mut client = Client::open(house.address).await;
    for topic in ["hook:orders", "team:1", "", &"x".repeat(256), "user:\\u0007"] {
        client.send(&format!(r#"["1","1","{topic}","phx_join",{{}}]"#)).await;
        let reply = client.json().await;
        assert_eq!(reply[4]["response"]["reason"], "unmatched topic", "{topic}");
        assert_eq!(reply[0], Value::Null);
    }
    client.join("user:42", "{}").await;
}

#[tokio::test]
async fn a_client_pushes_acks_and_nothing_else() {
    let (house, _node) = house(vec![]).await;
    let mut client = Client::open(house.address).await;
    client.join("user:42", "{}").await;
    client.send(r#"["1","2","user:42","shout",{}]"#).await;
    client
        .expect(r#"["1","2","user:42","phx_reply",{"status":"error","response":{"reason":"unknown event"}}]"#)
        .await;
    // A binary push is one too: "shout", with references 1 and 3.
    client.send_binary("00 01 01 07 05 31 33 757365723a3432 73686f7574 050607").await;
    client
        .expect(r#"["1","3","user:42","phx_reply",{"status":"error","response":{"reason":"unknown event"}}]"#)
        .await;
    for bad in ["{}", "[]", r#"{"ids":"m-1"}"#, r#"{"ids":[1]}"#, "null", r#"{"ids":[null]}"#] {
        client.send(&format!(r#"["1","4","user:42","ack",{bad}]"#)).await;
        let reply = client.json().await;
        assert_eq!(reply[4]["status"], "error", "{bad}");
        assert!(reply[4]["response"]["reason"].as_str().unwrap().contains("ids"), "{reply}");
    }
    // Unknown ids harm nothing.
    let unknown = acknowledge(&mut client, &["nobody-knows".into()]).await;
    assert_eq!(unknown, json!({"status": "ok", "response": {}}));
    assert_eq!(acknowledge(&mut client, &[]).await["status"], "ok");
    client.expect_silence().await;
}
