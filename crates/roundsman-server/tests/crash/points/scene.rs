//! A Roundsman on a store of its own, a receiver of webhooks, and clients.

use super::receiver::Receiver;
use crate::kind::{Kind, Place};
use crate::paused::signal;
use crate::proxy::Proxy;
use crate::run::{PATIENCE, accepted_of};
use crate::trouble::{ready, serve};
use crate::wire::{exchange, post};
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Child;
use tokio::time::{sleep, timeout};

/// Topics under `hook:` go to the receiver, and the others to clients that acknowledge.
pub(super) struct Scene {
    pub(super) receiver: Receiver,
    /// Where Roundsman is.
    pub(super) address: String,
    place: Place,
    store: String,
    folder: TempDir,
    roundsman: Child,
}

impl Scene {
    /// `None`, and a word about it, where the server of the store is not there.
    pub(super) async fn open(kind: Kind) -> Option<Self> {
        let place = Place::fresh(kind).await?;
        let store = place.url.clone();
        Some(Self::at(place, store).await)
    }

    /// The same, and the way to the store.
    pub(super) async fn behind(kind: Kind) -> Option<(Self, Proxy)> {
        let place = Place::fresh(kind).await?;
        let (proxy, store) = Proxy::before(&place.url).await;
        Some((Self::at(place, store).await, proxy))
    }

    async fn at(place: Place, store: String) -> Self {
        let receiver = Receiver::listen().await;
        let folder = tempfile::tempdir().unwrap();
        let weaker = accepted_of(&store);
        let rules = format!(
            "{weaker}\
             [retry]\nmax_attempts = 1\n\
             [[deliver]]\ntopics = \"hook:*\"\nto = \"webhook\"\nurl = \"http://{}/\"\n\
             allow_private = true\n\
             [[deliver]]\nto = \"channel\"\nack = \"client\"\nack_timeout = \"60s\"\n",
            receiver.address
        );
        std::fs::write(folder.path().join("roundsman.toml"), rules).unwrap();
        let mut roundsman = serve(&store, folder.path()).spawn().unwrap();
        let address = ready(&mut roundsman, folder.path()).await;
        Self { receiver, address, place, store, folder, roundsman }
    }

    /// It is killed.
    pub(super) async fn kill(&mut self) {
        self.roundsman.kill().await.unwrap();
    }

    /// It is started again on what there is.
    pub(super) async fn start(&mut self) {
        self.spawn();
        self.address = ready(&mut self.roundsman, self.folder.path()).await;
    }

    /// It begins to start.
    pub(super) fn spawn(&mut self) {
        self.roundsman = serve(&self.store, self.folder.path()).spawn().unwrap();
    }

    /// All that the store holds is gone, its tables too.
    pub(super) async fn wipe(&self) {
        self.place.remove().await;
    }

    pub(super) async fn kill_and_start(&mut self) {
        self.kill().await;
        self.start().await;
    }

    /// It hears nothing from now on.
    pub(super) async fn stand_still(&self) {
        self.signal("STOP").await;
    }

    pub(super) async fn signal(&self, name: &str) {
        signal(&self.roundsman, name).await;
    }

    /// Sends messages to a topic that say their number; whether each was a duplicate.
    pub(super) async fn send(&self, topic: &str, numbers: &[u64]) -> Vec<bool> {
        let (status, answer) = post(&self.address, &body(topic, numbers)).await.unwrap();
        assert_eq!(status, 202, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let messages = answer["messages"].as_array().unwrap().iter();
        messages.map(|message| message["duplicate"].as_bool().unwrap()).collect()
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, answer) = exchange(&self.address, method, path, body).await.unwrap();
        assert!((200..300).contains(&status), "{method} {path}: {status}: {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// The ids and reasons of all dead letters.
    pub(super) async fn dead(&self) -> Vec<(String, String)> {
        let dead = self.call("GET", "/v1/dead", "").await;
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let letters = dead["messages"].as_array().unwrap().iter();
        letters.map(|letter| (word(&letter["id"]), word(&letter["reason"]))).collect()
    }

    /// Returns once so many messages are left to be delivered.
    pub(super) async fn left(&self, count: u64) {
        left(&self.address, count).await;
    }

    /// Takes whatever comes until nothing is left: the numbers in what came.
    pub(super) async fn take_all(&mut self) -> Vec<u64> {
        let mut numbers = Vec::new();
        let is_empty = left(&self.address, 0);
        tokio::pin!(is_empty);
        loop {
            tokio::select! {
                () = &mut is_empty => return numbers,
                arrival = self.receiver.next() => {
                    numbers.push(arrival.number());
                    arrival.answer("200 OK").await;
                }
            }
        }
    }

    /// All is done: nothing is left, dead or on its way.
    pub(super) async fn end(mut self) {
        self.left(0).await;
        assert_eq!(self.dead().await, []);
        assert!(!self.receiver.has_more(), "something came again");
        self.kill().await;
        self.place.remove().await;
    }
}

async fn left(address: &str, count: u64) {
    let is_so = async {
        loop {
            let (status, stats) = exchange(address, "GET", "/v1/stats", "").await.unwrap();
            assert_eq!(status, 200, "{stats}");
            let stats: Value = serde_json::from_str(&stats).unwrap();
            if stats["backlog"] == count {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, is_so).await.unwrap_or_else(|_| panic!("there are not {count} left"));
}

/// What is posted to send messages that say their number.
pub(super) fn body(topic: &str, numbers: &[u64]) -> String {
    let message = |n: &u64| json!({"topic": topic, "id": format!("m-{n}"), "payload": {"n": n}});
    Value::Array(numbers.iter().map(message).collect()).to_string()
}
