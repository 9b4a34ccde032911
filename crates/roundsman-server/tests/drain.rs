//! Draining and reloading: what the real binary does when it is asked to stop, or to read again.

#![allow(clippy::unwrap_used, clippy::panic)]

mod binary;

use binary::{Folder, Serving};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Longer than anything here takes on a loaded machine; only a failure gets there.
const PATIENCE: Duration = Duration::from_secs(60);

async fn join(serving: &Serving, topic: &str) -> Socket {
    let url = format!("ws://{}/socket/websocket?vsn=2.0.0", serving.address());
    let (mut socket, _) = connect_async(url).await.unwrap();
    push(&mut socket, &json!(["1", "1", topic, "phx_join", {"ack": "client"}])).await;
    assert_eq!(hear(&mut socket).await[4]["status"], "ok");
    socket
}

async fn push(socket: &mut Socket, frame: &Value) {
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

async fn next(socket: &mut Socket) -> Message {
    timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap()
}

async fn hear(socket: &mut Socket) -> Value {
    serde_json::from_str(next(socket).await.to_text().unwrap()).unwrap()
}

async fn post(serving: &Serving, message: &Value) -> reqwest::Response {
    let posted = reqwest::Client::new().post(format!("{}/v1/messages", serving.url));
    posted.json(message).send().await.unwrap()
}

async fn status(serving: &Serving, path: &str) -> u16 {
    reqwest::get(format!("{}{path}", serving.url)).await.unwrap().status().as_u16()
}

fn provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_waits_for_what_is_out_and_loses_nothing() {
    provider();
    let folder = Folder::new();
    let mut serving = folder.serve("");
    let mut socket = join(&serving, "user:1").await;
    for id in ["first", "second"] {
        let message = json!({"topic": "user:1", "payload": {}, "id": id});
        assert_eq!(post(&serving, &message).await.status(), 202);
        assert_eq!(hear(&mut socket).await[4]["id"], id);
    }
    let absent = json!({"topic": "user:2", "payload": {"n": 1}, "id": "held"});
    assert_eq!(post(&serving, &absent).await.status(), 202);

    serving.signal("TERM");
    serving.log_until("draining");
    // Two messages are not acknowledged yet, so it is still there: for them, not for more.
    while status(&serving, "/readyz").await != 503 {}
    let refused = post(&serving, &absent).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(status(&serving, "/healthz").await, 200);
    let late = format!("ws://{}/socket/websocket?vsn=2.0.0", serving.address());
    assert!(connect_async(late).await.unwrap_err().to_string().contains("503"));

    push(&mut socket, &json!(["1", "2", "user:1", "ack", {"ids": ["first", "second"]}])).await;
    assert_eq!(hear(&mut socket).await[4]["status"], "ok");
    let Message::Close(Some(close)) = next(&mut socket).await else { panic!("not closed") };
    assert_eq!(u16::from(close.code), 1012);
    drop(socket);
    let ended = tokio::task::spawn_blocking(|| serving.end()).await.unwrap();
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{}", ended.err);
    assert!(ended.err.contains("drained") && ended.err.contains("kept=1"), "{}", ended.err);

    // The rest is where it was.
    let serving = folder.serve("");
    let mut socket = join(&serving, "user:2").await;
    let arrived = hear(&mut socket).await;
    assert_eq!(arrived[4], json!({"id": "held", "attempt": 1, "payload": {"n": 1}}));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_it_goes_without_an_answer() {
    provider();
    let folder = Folder::new();
    let serving = folder.serve("--drain-seconds 1");
    let mut socket = join(&serving, "user:1").await;
    post(&serving, &json!({"topic": "user:1", "payload": {}, "id": "a"})).await;
    assert_eq!(hear(&mut socket).await[4]["attempt"], 1);
    serving.signal("TERM");
    let ended = tokio::task::spawn_blocking(|| serving.end()).await.unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("cut off at the deadline"), "{}", ended.err);

    let serving = folder.serve("");
    let mut socket = join(&serving, "user:1").await;
    let again = hear(&mut socket).await;
    assert_eq!((&again[4]["id"], &again[4]["attempt"]), (&json!("a"), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    provider();
    let folder = Folder::new();
    let mut serving = folder.serve("--store memory: --drain-seconds 3600");
    let mut socket = join(&serving, "user:1").await;
    post(&serving, &json!({"topic": "user:1", "payload": {}})).await;
    assert_eq!(hear(&mut socket).await[4]["attempt"], 1);
    serving.signal("TERM");
    serving.log_until("draining");
    serving.signal("INT");
    let ended = tokio::task::spawn_blocking(|| serving.end()).await.unwrap();
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("a second time"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_says_how_many_it_discards() {
    provider();
    let folder = Folder::new();
    let serving = folder.serve("--store memory:");
    let three = json!([1, 2, 3].map(|n| json!({"topic": "user:1", "payload": {"n": n}})));
    assert_eq!(post(&serving, &three).await.status(), 202);
    serving.signal("TERM");
    let ended = tokio::task::spawn_blocking(|| serving.end()).await.unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("3 messages in memory are discarded"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_while_it_runs_and_the_rest_is_named() {
    provider();
    let folder = Folder::new();
    let write = |rest: &str, key: &str| {
        folder.write("r.toml", format!("{rest}\n[auth]\noperator_keys = [\"{key}\"]\n"));
    };
    write("", "old");
    let mut serving = folder.serve("--store memory: --config r.toml");
    let url = format!("{}/v1/stats", serving.url);
    let stats = |key: &'static str| {
        let asked = reqwest::Client::new().get(&url).bearer_auth(key);
        async move { asked.send().await.unwrap().status().as_u16() }
    };
    assert_eq!((stats("old").await, stats("new").await), (200, 403));

    write("", "new");
    serving.signal("HUP");
    serving.log_until("the configuration was read again");
    assert_eq!((stats("old").await, stats("new").await), (403, 200));

    write("[retry]\nmax_attempts = 3\n[dispatch]\nmax_in_flight = 7\n", "new");
    serving.signal("HUP");
    let line = serving.log_until("need a restart");
    assert!(line.contains("dispatch.max_in_flight, retry"), "{line}");

    write("nonsense = 1", "evil");
    serving.signal("HUP");
    let line = serving.log_until("stays as it was");
    assert!(line.contains("r.toml:1: nonsense is no key"), "{line}");
    serving.signal("TERM");
    let ended = tokio::task::spawn_blocking(|| serving.end()).await.unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}
