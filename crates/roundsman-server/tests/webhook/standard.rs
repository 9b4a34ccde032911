//! What a receiver gets: headers, signature, body; the same bytes at every attempt.

use super::house::House;
use super::receiver::{Receiver, status};
use roundsman_store::State;
use standardwebhooks::Webhook;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn headers(got: &super::receiver::Got) -> hyper::HeaderMap {
    let mut map = hyper::HeaderMap::new();
    for (name, value) in &got.headers {
        let name: hyper::header::HeaderName = name.parse().unwrap();
        map.insert(name, value.parse().unwrap());
    }
    map
}

#[tokio::test]
async fn the_published_library_verifies_it_by_each_secret_of_a_rotation() {
    let mut receiver = Receiver::well().await;
    let house = House::new(&format!(
        "[[deliver]]\nto = \"webhook\"\nurl = \"http://{}/in/{{topic}}?a=b\"\nallow_private = true\n\
         secret = [\"{OLD}\", \"{NEW}\"]\nheaders = {{ authorization = \"Bearer x\", user-agent = \"mine\" }}\n",
        receiver.address
    ));
    house.send_payload("user:1", "order-1", r#"{"b": 1.0, "a":"é"}"#).await;
    let got = receiver.next().await;
    for secret in [OLD, NEW] {
        Webhook::new(secret).unwrap().verify(&got.body, &headers(&got)).unwrap();
    }
    let other = Webhook::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
    assert!(other.verify(&got.body, &headers(&got)).is_err());
    assert_eq!((got.path.as_str(), got.header("webhook-id")), ("/in/user%3A1?a=b", "order-1"));
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!((got.header("authorization"), got.header("user-agent")), ("Bearer x", "mine"));
    let sighting = house.once("order-1", State::Delivered).await;
    let body: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(body["type"], "order.shipped");
    let accepted: jiff::Timestamp = body["timestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!(accepted.as_microsecond(), sighting.accepted_at.0);
    assert!(got.text().ends_with(r#","data":{"b": 1.0, "a":"é"}}"#), "{}", got.text());
}

#[tokio::test]
async fn every_attempt_has_the_same_body_and_id_and_a_signature_of_its_own_moment() {
    let tries = AtomicUsize::new(0);
    let mut receiver = Receiver::answering(move |_| {
        status(if tries.fetch_add(1, Ordering::Relaxed) < 2 { 500 } else { 204 })
    })
    .await;
    let house = House::new(&format!(
        "[retry]\nbackoff = \"600ms..2s\"\n[[deliver]]\nto = \"webhook\"\nurl = \"http://{}\"\n\
         allow_private = true\nsecret = \"{NEW}\"\n",
        receiver.address
    ));
    house.send("user:1", "again").await;
    let mut got = Vec::new();
    for _ in 0..3 {
        let next = receiver.next().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let said: u64 = next.header("webhook-timestamp").parse().unwrap();
        assert!(now - said < 30, "of the attempt, not of the message");
        Webhook::new(NEW).unwrap().verify(&next.body, &headers(&next)).unwrap();
        got.push(next);
    }
    assert!(got.iter().all(|one| one.body == got[0].body && one.header("webhook-id") == "again"));
    assert!(got.iter().all(|one| one.connection == 1), "over one connection");
    let sighting = house.once("again", State::Delivered).await;
    assert_eq!((sighting.attempts.len(), sighting.attempts[0].status), (2, Some(500)));
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed() {
    let mut receiver = Receiver::well().await;
    let house = House::new(&format!(
        "[[deliver]]\nto = \"webhook\"\nurl = \"http://{}\"\nallow_private = true\n",
        receiver.address
    ));
    house.send("user:1", "plain").await;
    let got = receiver.next().await;
    assert_eq!((got.header("webhook-signature"), got.header("webhook-id")), ("", "plain"));
}
