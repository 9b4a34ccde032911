//! Dead letters and taking back, through the API.

#![allow(clippy::unwrap_used)] // In tests, also outside of `#[test]` functions.

mod house;

use axum::body::Body;
use axum::http::Request;
use house::{Answered, House, Mood};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use roundsman_delivery::{Batch, Node, Retry, Rule, Rules, TakeBack, Target, To};
use roundsman_server::config::{Config, StoreUrl};
use roundsman_sql::SqliteStore;
use roundsman_store::{Draft, Store, StoreError, SystemClock};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

/// Everything to `hook:*` fails, and is dead after `max_attempts`; retries come after an hour.
fn house(max_attempts: u32) -> House {
    let hook = Rule { to: To::Target(0), ..Rule::channel("hook:*") };
    let rules = Rules::new(vec![hook, Rule::channel("user:*")]);
    let hour = Duration::from_secs(3600);
    let retry = Retry { max_attempts, shortest: hour, longest: hour, max_age: None };
    House::with(Config { store: StoreUrl::Memory, rules, retry, ..Config::default() })
}

async fn send(house: &House, id: &str, topic: &str, key: &str) {
    let body = json!({"topic": topic, "key": [key, "x"], "payload": {"n": id}, "id": id});
    assert_eq!(house.post_json(body.to_string()).await.status, 202);
}

async fn dead(house: &House, id: &str, topic: &str, key: &str) {
    send(house, id, topic, key).await;
    house.until(id, "dead").await;
}

async fn ids(house: &House, query: &str) -> Vec<String> {
    let page = house.get(&format!("/v1/dead?{query}")).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let page = page.json();
    let letters = page["messages"].as_array().unwrap().iter();
    letters.map(|letter| letter["id"].as_str().unwrap().to_owned()).collect()
}

async fn ask(house: &House, what: &str, body: impl Into<Body>) -> Answered {
    let request = Request::post(format!("/v1/dead/{what}"));
    let request = request.header("content-type", "application/json").body(body.into()).unwrap();
    house.send(request).await
}

async fn delete(house: &House, id: &str) -> Answered {
    let path = format!("/v1/messages/{id}");
    house.send(Request::delete(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_letter_shows_all_that_is_known_of_it() {
    let house = house(1);
    dead(&house, "a", "hook:1", "team").await;
    let page = house.get("/v1/dead").await.json();
    assert_eq!(page["next"], Value::Null);
    let letter = &page["messages"][0];
    for (field, expected) in [
        ("id", json!("a")),
        ("state", json!("dead")),
        ("reason", json!("attempts")),
        ("topic", json!("hook:1")),
        ("event", json!("message")),
        ("key", json!(["team", "x"])),
        ("payload", json!({"n": "a"})),
        ("attempts", json!(1)),
    ] {
        assert_eq!(letter[field], expected, "{field}");
    }
    let failure = &letter["failures"][0];
    assert_eq!((&failure["attempt"], &failure["why"]), (&json!(1), &json!("it said no")));
    assert!(failure["at"].is_string() && letter["settled_at"].is_string());
    assert_eq!(house.get("/v1/stats").await.json()["dead"], 1);
}

#[tokio::test]
async fn pages_and_filters() {
    let house = house(1);
    for (id, topic, key) in
        [("a", "hook:1", "team"), ("b", "hook:2", "teams"), ("c", "hook:20", "a/b")]
    {
        dead(&house, id, topic, key).await;
    }
    assert_eq!(ids(&house, "limit=2").await, ["a", "b"]);
    let next = house.get("/v1/dead?limit=2").await.json()["next"].as_str().unwrap().to_owned();
    assert_eq!(ids(&house, &format!("limit=2&after={next}")).await, ["c"]);
    assert_eq!(ids(&house, "key=team").await, ["a"]);
    assert_eq!(ids(&house, "key=a~1b/x").await, ["c"]);
    assert_eq!(ids(&house, "topic=hook:2*").await, ["b", "c"]);
    assert_eq!(ids(&house, "topic=hook%3A2").await, ["b"]);
    assert_eq!(ids(&house, "reason=age").await, [""; 0]);
    assert_eq!(ids(&house, "id=c&id=a&id=nobody").await, ["a", "c"]);
    assert_eq!(ids(&house, "until=2001-01-01T00:00:00Z").await, [""; 0]);
    assert_eq!(ids(&house, "since=2001-01-01T00:00:00Z&limit=500").await, ["a", "b", "c"]);
    for (query, pointer) in [
        ("limit=501", "/limit"),
        ("after=-1", "/after"),
        ("reason=sad", "/reason"),
        ("since=2001-01-01", "/since"),
        ("key=a~", "/key"),
        ("topic=", "/topic"),
        ("order=asc", "/order"),
    ] {
        let problem = house.get(&format!("/v1/dead?{query}")).await.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    house.get("/v1/dead?topic=%ff").await.problem(400);
}

#[tokio::test]
async fn replayed_by_id_and_all() {
    let house = house(1);
    for number in 0..3 {
        dead(&house, &format!("id-{number}"), "hook:1", "team").await;
    }
    let body = r#"{"ids": ["id-1", "nobody", "id-1"]}"#;
    let answer = ask(&house, "replay", body).await;
    assert_eq!(answer.json(), json!({"replayed": 1, "unknown": ["nobody"]}));
    // It fails again at once, at attempt 1, and nothing else does.
    while house.node.metrics().dead.load(std::sync::atomic::Ordering::Relaxed) < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.until("id-1", "dead").await["attempts"], 1);
    assert_eq!(house.get("/v1/stats").await.json()["dead"], 3);
    let answer = ask(&house, "replay", r#"{"all": true}"#).await;
    assert_eq!(answer.json(), json!({"replayed": 3}));
    let text = house.get("/metrics").await.text;
    assert!(text.contains("roundsman_replayed_total 4\n"), "{text}");
}

#[tokio::test]
async fn dropped_by_filter() {
    let house = house(1);
    dead(&house, "a", "hook:1", "team").await;
    dead(&house, "b", "hook:2", "other").await;
    let answer = ask(&house, "drop", r#"{"key": ["team"], "reason": "attempts"}"#).await;
    assert_eq!(answer.json(), json!({"dropped": 1}));
    house.get("/v1/messages/a").await.problem(404);
    assert_eq!(ids(&house, "").await, ["b"]);
    let again =
        house.post_json(r#"{"topic":"hook:1","key":["team","x"],"payload":{"n":"a"},"id":"a"}"#);
    assert_eq!(again.await.json()["messages"][0]["duplicate"], true);
    assert_eq!(ask(&house, "drop", r#"{"key": "team"}"#).await.json(), json!({"dropped": 0}));
}

#[tokio::test]
async fn a_faulty_body_does_nothing() {
    let house = house(1);
    dead(&house, "a", "hook:1", "team").await;
    for verb in ["replay", "drop"] {
        for (body, status, pointer) in [
            ("", 400, ""),
            ("{", 400, ""),
            ("{}", 422, ""),
            ("[]", 422, ""),
            (r#"{"all": 1}"#, 422, "/all"),
            (r#"{"all": true, "reason": "age"}"#, 422, "/all"),
            (r#"{"ids": "a"}"#, 422, "/ids"),
            (r#"{"key": []}"#, 422, "/key"),
            (r#"{"ids": ["a"], "reason": "x"}"#, 422, "/reason"),
        ] {
            let problem = ask(&house, verb, body).await.problem(status);
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
        }
        let request = Request::post(format!("/v1/dead/{verb}")).body(Body::from("{}")).unwrap();
        house.send(request).await.problem(415);
        assert_eq!(house.get(&format!("/v1/dead/{verb}")).await.status, 405);
    }
    assert_eq!(ids(&house, "").await, ["a"]);
}

#[tokio::test]
async fn taken_back_or_told_why_not() {
    let house = house(2);
    send(&house, "held", "user:1", "k").await;
    send(&house, "head", "hook:1", "k").await;
    house.until("head", "retrying").await;
    assert_eq!(delete(&house, "held").await.status, 204);
    assert_eq!(delete(&house, "head").await.status, 204);
    for id in ["held", "head", "nobody", "%20", "%ff"] {
        delete(&house, id).await.problem(404);
    }
    assert_eq!(house.backlog().await, 0);
    house.node.joined(&"user:2".into(), false);
    send(&house, "there", "user:2", "k").await;
    house.until("there", "delivered").await;
    let problem = delete(&house, "there").await.problem(409);
    assert!(problem["detail"].as_str().unwrap().contains("delivered"), "{problem}");
    assert!(house.get("/metrics").await.text.contains("roundsman_taken_back_total 2\n"));
}

#[tokio::test]
async fn a_dead_one_is_not_taken_back() {
    let house = house(1);
    dead(&house, "a", "hook:1", "k").await;
    let problem = delete(&house, "a").await.problem(409);
    assert!(problem["detail"].as_str().unwrap().contains("/v1/dead/drop"), "{problem}");
    assert_eq!(ids(&house, "").await, ["a"]);
}

#[tokio::test]
async fn a_store_that_cannot_says_so() {
    let house = house(1);
    dead(&house, "a", "hook:1", "k").await;
    let why = "this store does not look messages up";
    for (error, status) in [
        (StoreError::Unsupported(why.to_owned()), 501),
        (StoreError::Unavailable("away".to_owned()), 503),
    ] {
        house.store.feel(Mood::Fails(error));
        house.get("/v1/dead").await.problem(status);
        delete(&house, "a").await.problem(status);
        for verb in ["replay", "drop"] {
            ask(&house, verb, r#"{"all": true}"#).await.problem(status);
        }
    }
    house.store.feel(Mood::Well);
    assert_eq!(ids(&house, "").await, ["a"]);
}

/// The next line of a stream of events that is no empty one.
async fn line(body: &mut Body, rest: &mut String) -> Value {
    loop {
        if let Some((line, behind)) = rest.split_once('\n') {
            let (line, behind) = (line.to_owned(), behind.to_owned());
            *rest = behind;
            if !line.is_empty() {
                return serde_json::from_str(&line).unwrap();
            }
            continue;
        }
        let frame = tokio::time::timeout(Duration::from_secs(10), body.frame()).await.unwrap();
        let data = frame.unwrap().unwrap().into_data().unwrap();
        rest.push_str(std::str::from_utf8(&data).unwrap());
    }
}

#[tokio::test]
async fn what_happens_to_a_key_is_told_live() {
    let house = house(1);
    let request = Request::get("/v1/events?key=team").header("host", "localhost");
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(std::net::SocketAddr::from(([127, 0, 0, 1], 5000)));
    let response = house.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let (mut body, mut rest) = (response.into_body(), String::new());
    assert_eq!(line(&mut body, &mut rest).await, json!({"what": "watching", "key": ["team"]}));
    dead(&house, "other", "hook:1", "teams").await;
    dead(&house, "a", "hook:1", "team").await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let event = line(&mut body, &mut rest).await;
        assert_eq!((&event["id"], &event["topic"]), (&json!("a"), &json!("hook:1")));
        assert_eq!(event["key"], json!(["team", "x"]));
        assert!(event["at"].as_str().unwrap().ends_with('Z'));
        seen.push(event);
    }
    assert_eq!(seen[0]["what"], "accepted");
    assert_eq!((&seen[1]["what"], &seen[1]["attempt"]), (&json!("dispatched"), &json!(1)));
    assert_eq!((&seen[2]["what"], &seen[2]["reason"]), (&json!("dead"), &json!("attempts")));
    assert_eq!(seen[2]["why"], "it said no");
    // A node that is drained has nothing more to tell.
    house.node.drain(Duration::from_secs(5)).await;
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_watcher_has_to_name_a_key() {
    let house = house(1);
    for (query, pointer) in
        [("", "/key"), ("?key=", "/key"), ("?key=a&to=b", "/to"), ("?key=a~", "/key")]
    {
        let problem = house.get(&format!("/v1/events{query}")).await.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}");
    }
}

/// Messages are sent and taken back at once on a store that answers from threads of its own, while
/// the node delivers as fast as it can: taken back, or delivered, and never both.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_disk_too_taken_back_or_delivered_and_never_both() {
    const SENDERS: usize = 16;
    const EACH: usize = 60;
    struct Notes(Arc<Mutex<HashSet<String>>>);
    impl Target for Notes {
        fn deliver(&self, batch: Batch) {
            let ids = batch.messages.iter().map(|message| message.record.id.to_string());
            self.0.lock().extend(ids);
            batch.acknowledger.delivered();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roundsman.db");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path, Arc::new(SystemClock)).unwrap());
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let target = Arc::new(Notes(seen.clone()));
    let node = Node::builder(store).target(To::Channel, target).start().unwrap();
    for topic in 0..4 {
        node.joined(&format!("t{topic}").into(), false);
    }
    let racing = (0..SENDERS).map(|sender| {
        let node = node.clone();
        tokio::spawn(async move {
            let (mut back, mut kept) = (Vec::new(), Vec::new());
            for count in 0..EACH {
                let draft = Draft::new(&format!("t{}", sender % 4), "{}").unwrap();
                let id = node.accept(vec![draft]).await.unwrap().remove(0).id.to_string();
                if count % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                match node.take_back(&id).await.unwrap() {
                    TakeBack::Done => back.push(id),
                    _ => kept.push(id),
                }
            }
            (back, kept)
        })
    });
    let (mut back, mut kept) = (HashSet::new(), HashSet::new());
    for ended in futures_util::future::join_all(racing).await {
        let (some, others) = ended.unwrap();
        back.extend(some);
        kept.extend(others);
    }
    while node.snapshot().await.unwrap().backlog > 0 {
        tokio::task::yield_now().await;
    }
    let seen = seen.lock().clone();
    assert_eq!(seen.intersection(&back).count(), 0, "delivered although taken back");
    assert_eq!(seen, kept, "of {} that were taken back", back.len());
    assert!(!back.is_empty() && !kept.is_empty(), "no race: {} of {}", back.len(), kept.len());
    node.stop().await;
}
