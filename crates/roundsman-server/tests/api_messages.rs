//! Sending messages and looking them up, through the API.

#![allow(clippy::unwrap_used)] // In tests, also outside of `#[test]` functions.

mod house;

use axum::body::Body;
use axum::http::Request;
use house::{House, Mood};
use roundsman_delivery::{Rule, Rules, To};
use roundsman_server::config::{Config, StoreUrl};
use roundsman_store::{Bound, Refusal, StoreError};
use serde_json::json;

const ONE: &str = r#"{"topic":"user:1","payload":{"n":1}}"#;

#[tokio::test]
async fn accepted_messages_have_ids_in_order() {
    let house = House::new();
    let body = r#"[{"topic":"user:1","payload":{},"id":"a"},{"topic":"user:1","payload":{}},
                   {"topic":"user:1","payload":{ },"id":"a"}]"#;
    let answer = house.post("application/json; charset=utf-8", body).await;
    assert_eq!((answer.status, answer.header("content-type")), (202, Some("application/json")));
    let answered = answer.json();
    assert_eq!(answered["messages"][0], json!({"id": "a", "duplicate": false}));
    assert_eq!(answered["messages"][1]["duplicate"], false);
    assert_eq!(answered["messages"][2], json!({"id": "a", "duplicate": true}));
    assert_eq!(house.backlog().await, 2);

    let again = house.post("application/x-ndjson", format!("{ONE}\r\n\n{ONE}\n")).await;
    assert_eq!(again.json()["messages"].as_array().unwrap().len(), 2);
    let made = answered["messages"][1]["id"].as_str().unwrap().to_owned();
    assert_eq!(house.until(&made, "held").await["topic"], "user:1");
    assert_eq!(house.backlog().await, 4);
}

#[tokio::test]
async fn an_id_that_is_taken_is_a_conflict() {
    let house = House::new();
    let first = r#"{"topic":"user:1","payload":{"n":1},"id":"x"}"#;
    assert_eq!(house.post_json(first).await.status, 202);
    let body = format!(r#"[{ONE},{}]"#, first.replace("1}", "2}"));
    let problem = house.post_json(body).await.problem(409);
    assert_eq!(problem["errors"].as_array().unwrap().len(), 1);
    assert_eq!((&problem["errors"][0]["index"]), 1);
    assert_eq!((&problem["errors"][0]["pointer"]), "/1/id");
    assert_eq!(house.backlog().await, 1);
}

#[tokio::test]
async fn a_faulty_body_stores_nothing() {
    let house = House::new();
    for (body, status) in [
        (format!("[{ONE},{{}}]"), 422),
        (format!("[{ONE},"), 400),
        (format!("[{ONE},{{\"topic\":\"{}\"}}]", "x".repeat(300 << 10)), 413),
        ("[]".to_owned(), 422),
        (String::new(), 400),
    ] {
        let problem = house.post_json(body).await.problem(status);
        assert!(problem["errors"][0]["index"].is_u64(), "{problem}");
        assert!(problem["errors"][0]["pointer"].is_string());
        assert!(problem["errors"][0]["detail"].is_string());
    }
    house.post_json(&b"{\"topic\":\"\xff\"}"[..]).await.problem(400);
    assert_eq!(house.backlog().await, 0);
}

#[tokio::test]
async fn a_body_has_to_say_what_it_is() {
    let house = House::new();
    for content_type in ["text/plain", "application/jsonx", "", "application/vnd.api+json"] {
        house.post(content_type, ONE).await.problem(415);
    }
    let undeclared = Request::post("/v1/messages").body(Body::from(ONE)).unwrap();
    house.send(undeclared).await.problem(415);
    let packed = Request::post("/v1/messages")
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(Body::from(ONE))
        .unwrap();
    house.send(packed).await.problem(415);
    assert_eq!(house.post("Application/JSON ;charset=UTF-8", ONE).await.status, 202);
    assert_eq!(house.backlog().await, 1);
}

#[tokio::test]
async fn a_store_that_is_away_is_said_to_be() {
    let house = House::new();
    for error in [
        StoreError::Unavailable("/secret/path".into()),
        StoreError::Full("/secret/path".into()),
        StoreError::Closed,
    ] {
        house.store.feel(Mood::Fails(error));
        let answer = house.post_json(ONE).await;
        let detail = answer.problem(503)["detail"].to_string();
        assert!(answer.header("retry-after").unwrap().parse::<u32>().is_ok());
        assert!(!detail.contains("secret"));
        house.get("/v1/messages/x").await.problem(503);
        house.get("/v1/stats").await.problem(503);
    }
    house.store.feel(Mood::Fails(StoreError::Unsupported("a log keeps no index".into())));
    assert_eq!(house.get("/v1/messages/x").await.problem(501)["detail"], "a log keeps no index");
    house.store.feel(Mood::Well);
    assert_eq!(house.post_json(ONE).await.status, 202);
}

#[tokio::test]
async fn every_refused_message_is_named() {
    let house = House::new();
    let full = |index, bound| Refusal { index, bound: Some(bound) };
    let bounds = vec![full(0, Bound::Backlog), full(2, Bound::HeldPerTopic)];
    house.store.feel(Mood::Refuses(bounds.clone()));
    let answer = house.post_json(format!("[{ONE},{ONE},{ONE}]")).await;
    let errors = answer.problem(429)["errors"].clone();
    assert!(answer.header("retry-after").is_some());
    assert_eq!((&errors[0]["index"], &errors[0]["pointer"]), (&json!(0), &json!("/0")));
    assert_eq!((&errors[1]["index"], &errors[1]["pointer"]), (&json!(2), &json!("/2")));
    assert!(errors[1]["detail"].as_str().unwrap().contains("max_held_per_topic"));

    let conflict = Refusal { index: 1, bound: None };
    house.store.feel(Mood::Refuses([bounds, vec![conflict]].concat()));
    let lines = format!("{ONE}\n{ONE}\n{ONE}");
    let errors = house.post("application/x-ndjson", lines).await.problem(409)["errors"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 1);
    assert_eq!((&errors[0]["index"], &errors[0]["pointer"]), (&json!(1), &json!("/id")));
}

#[tokio::test]
async fn a_node_that_drains_takes_nothing() {
    let house = House::new();
    assert_eq!(house.get("/readyz").await.status, 200);
    house.node.stop_intake();
    let answer = house.post_json(ONE).await;
    answer.problem(503);
    assert!(answer.header("retry-after").is_some());
    house.get("/readyz").await.problem(503);
    assert_eq!(house.get("/healthz").await.status, 200);
    assert_eq!(house.backlog().await, 0);
}

#[tokio::test]
async fn a_panic_is_one_requests_own() {
    let house = House::new();
    house.store.feel(Mood::Panics);
    house.post_json(ONE).await.problem(500);
    house.store.feel(Mood::Well);
    assert_eq!(house.post_json(ONE).await.status, 202);
}

#[tokio::test]
async fn a_message_tells_what_became_of_it() {
    let hook = Rule { to: To::Target(0), ..Rule::channel("hook:*") };
    let rules = Rules::new(vec![hook, Rule::channel("user:*")]);
    let house = House::with(Config { store: StoreUrl::Memory, rules, ..Config::default() });
    let body = r#"[{"topic":"user:1","event":"push","payload":{},"id":"there","key":["t","u/1"]},
        {"topic":"user:2","payload":{},"id":"away"},{"topic":"hook:1","payload":{},"id":"hook"},
        {"topic":"user:1","payload":{},"id":"later","deliver_at":"2126-12-01T09:00:00Z",
         "expires_at":"2126-12-02T09:00:00Z"}]"#;
    assert_eq!(house.post_json(body).await.status, 202);
    house.node.joined(&"user:1".into(), false);

    let there = house.until("there", "delivered").await;
    assert_eq!((&there["id"], &there["topic"]), (&json!("there"), &json!("user:1")));
    assert_eq!(there["key"], json!(["t", "u/1"]));
    assert!(there["settled_at"].as_str().unwrap().ends_with('Z'), "{there}");
    let away = house.until("away", "held").await;
    assert_eq!((&away["event"], &away["key"]), (&json!("message"), &json!(["user:2"])));
    assert!(away["accepted_at"].is_string() && away["expires_at"].is_string());
    let hook = house.until("hook", "retrying").await;
    assert_eq!((&hook["failed"], &hook["failures"][0]["attempt"]), (&json!(1), &json!(1)));
    assert_eq!(hook["failures"][0]["why"], "it said no");
    let later = house.until("later", "scheduled").await;
    assert_eq!(later["due_at"], "2126-12-01T09:00:00Z");
    assert_eq!(later["expires_at"], "2126-12-02T09:00:00Z");
}

#[tokio::test]
async fn nothing_else_is_here() {
    let house = House::new();
    for path in [
        "/",
        "/v1",
        "/v1/nothing",
        "/v1/messages/unknown",
        "/v1/messages/%ff",
        "/v1/messages/a%2Fb",
        "/openapi.json",
    ] {
        house.get(path).await.problem(404);
    }
    let wrong = house.get("/v1/messages").await;
    wrong.problem(405);
    assert_eq!(wrong.header("allow"), Some("POST"));
    let wrong = house.send(Request::put("/v1/messages/a").body(Body::empty()).unwrap()).await;
    wrong.problem(405);
    assert_eq!(wrong.header("allow"), Some("GET,HEAD,DELETE"));
    let wrong = house.send(Request::post("/healthz").body(Body::empty()).unwrap()).await;
    wrong.problem(405);
}
