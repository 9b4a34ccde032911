//! A Roundsman that stands still past its lease, and another that has taken over meanwhile.

use crate::client::Client;
use crate::kind::{Kind, Place};
use crate::run::PATIENCE;
use crate::trouble::{log, ready, ready_or_end, serve};
use crate::wire::{exchange, post};
use serde_json::{Value, json};
use std::path::Path;
use tokio::process::{Child, Command};
use tokio::time::timeout;

const RULE: &str = "[[deliver]]\nto = \"channel\"\nack = \"client\"\nack_timeout = \"60s\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    a_paused_owner_settles_nothing(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql() {
    a_paused_owner_settles_nothing(Kind::Mysql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis() {
    a_paused_owner_settles_nothing(Kind::Redis).await;
}

/// The second is refused while the first lives, and takes over once the first has stood still for
/// the length of its lease. What the first is told when it goes on, it cannot write down.
async fn a_paused_owner_settles_nothing(kind: Kind) {
    let Some(place) = Place::fresh(kind).await else { return };
    let (one, two) = (folder(), folder());
    let mut first = serve(&place.url, one.path()).spawn().unwrap();
    let at_first = ready(&mut first, one.path()).await;
    let mut client = Client::join(&at_first, "user:1").await;
    assert_eq!(post(&at_first, MESSAGE).await.unwrap().0, 202);
    assert_eq!(client.hear("push").await["payload"], json!({"n": 1}));

    let refused = serve(&place.url, two.path()).status().await.unwrap();
    assert!(!refused.success());
    assert!(log(two.path()).contains("another Roundsman"), "{}", log(two.path()));

    signal(&first, "STOP").await;
    // It waits in the kernel until the first goes on.
    client.ack(&["paused"]).await;
    let (mut second, at_second) = take_over(&place.url, two.path()).await;
    signal(&first, "CONT").await;
    // It takes note and ends; that it has settled what it was told, it does not say.
    let ended = timeout(PATIENCE, first.wait()).await.expect("it does not notice").unwrap();
    assert!(
        !ended.success() && log(one.path()).contains("another Roundsman"),
        "{}",
        log(one.path())
    );
    while let Some(frame) = client.next().await {
        assert!(frame[3] != "phx_reply" || frame[4]["status"] != "ok", "{frame}");
    }
    let (_, seen) = exchange(&at_second, "GET", "/v1/messages/paused", "").await.unwrap();
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_ne!(seen["state"], "delivered", "{seen}");

    let mut client = Client::join(&at_second, "user:1").await;
    let push = client.hear("push").await;
    assert_eq!((&push["id"], &push["attempt"]), (&json!("paused"), &json!(2)));
    client.ack(&["paused"]).await;
    assert_eq!(client.hear("phx_reply").await["status"], "ok");
    let (_, seen) = exchange(&at_second, "GET", "/v1/messages/paused", "").await.unwrap();
    assert!(seen.contains("\"delivered\""), "{seen}");
    second.kill().await.unwrap();
    place.remove().await;
}

const MESSAGE: &str =
    r#"{"topic": "user:1", "event": "push", "id": "paused", "payload": {"n": 1}}"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("roundsman.toml"), RULE).unwrap();
    folder
}

/// Starts a second one again and again, until it is the owner.
async fn take_over(store: &str, folder: &Path) -> (Child, String) {
    let starting = async {
        loop {
            let mut second = serve(store, folder).spawn().unwrap();
            if let Some(address) = ready_or_end(&mut second).await {
                return (second, address);
            }
            // Refused: the first has not been silent for long enough.
            second.wait().await.unwrap();
        }
    };
    timeout(PATIENCE, starting).await.expect("nobody takes over")
}

pub(crate) async fn signal(process: &Child, name: &str) {
    let id = process.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status().await.unwrap();
    assert!(sent.success());
}
