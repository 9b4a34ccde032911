//! Who gets in at each door, with and without `[auth]`.

#![allow(clippy::unwrap_used)] // In tests, also outside of `#[test]` functions.

mod house;

use axum::body::Body;
use axum::http::Request;
use house::{Answered, House};
use roundsman_server::config::{Auth, Config, Secret, StoreUrl};

const ONE: &str = r#"{"topic":"user:1","payload":{"n":1}}"#;
const LOOKING: [&str; 4] = ["/v1/messages/a", "/v1/stats", "/metrics", "/v1/dead"];

fn closed() -> House {
    let auth = Auth {
        api_keys: vec![Secret::new("may-send-1234567890")],
        operator_keys: vec![Secret::new("may-all-1234567890")],
        ..Auth::default()
    };
    House::with(Config { store: StoreUrl::Memory, auth: Some(auth), ..Config::default() })
}

async fn call(house: &House, method: &str, path: &str, headers: &[(&str, &str)]) -> Answered {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    house.send(request.body(Body::from(ONE)).unwrap()).await
}

async fn post(house: &House, headers: &[(&str, &str)]) -> Answered {
    let declared = [headers, &[("content-type", "application/json")]].concat();
    call(house, "POST", "/v1/messages", &declared).await
}

#[tokio::test]
async fn a_stranger_is_asked_for_a_key() {
    let house = closed();
    let answer = post(&house, &[]).await;
    answer.problem(401);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    for path in LOOKING {
        house.get(path).await.problem(401);
    }
    for headers in [("authorization", "Bearer unknown"), ("authorization", "Bearer may-send")] {
        post(&house, &[headers]).await.problem(403);
    }
    assert_eq!(house.backlog().await, 0);
}

#[tokio::test]
async fn an_api_key_sends_and_an_operator_key_does_all() {
    let house = closed();
    let sender = [("authorization", "Bearer may-send-1234567890")];
    let operator = [("authorization", "Bearer may-all-1234567890")];
    assert_eq!(post(&house, &sender).await.status, 202);
    assert_eq!(post(&house, &operator).await.status, 202);
    for path in LOOKING {
        call(&house, "GET", path, &sender).await.problem(403);
        let seen = call(&house, "GET", path, &operator).await.status;
        assert!(matches!(seen, 200 | 404), "{path}: {seen}");
    }
}

#[tokio::test]
async fn health_is_always_open() {
    let house = closed();
    for path in ["/healthz", "/readyz"] {
        let headers = [("host", "example.org"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(call(&house, "GET", path, &headers).await.status, 200);
        assert_eq!(call(&House::new(), "GET", path, &headers).await.status, 200);
    }
}

#[tokio::test]
async fn without_auth_only_this_machine_is_served() {
    let house = House::new();
    post(&house, &[("host", "example.org")]).await.problem(421);
    post(&house, &[("x-forwarded-for", "192.0.2.1")]).await.problem(403);
    call(&house, "GET", "/v1/nothing", &[("host", "example.org")]).await.problem(421);
    call(&house, "GET", "/v1/stats", &[("host", "example.org")]).await.problem(421);
    call(&house, "GET", "/v1/messages", &[("host", "example.org")]).await.problem(421);
    assert_eq!(house.backlog().await, 0);
    assert_eq!(post(&house, &[("host", "127.0.0.1:4000")]).await.status, 202);
    assert_eq!(house.get("/v1/stats").await.status, 200);
}
