//! A node with the augmentation of a configuration, and a target that takes everything.

use super::around;
use roundsman_delivery::{Batch, Node, OnFailure, Retry, Settings, Target, To};
use roundsman_server::config::{Config, Overrides};
use roundsman_server::lookup::Augmentation;
use roundsman_store::{Draft, Inspect, MemoryStore, Sweep, SystemClock};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

/// One message as the target was given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) topic: String,
    pub(super) payload: String,
    pub(super) attempt: u32,
}

struct Taker(mpsc::UnboundedSender<Seen>);

impl Target for Taker {
    fn deliver(&self, batch: Batch) {
        for message in &batch.messages {
            let payload = String::from_utf8_lossy(&message.record.payload).into_owned();
            let (topic, attempt) = (batch.topic.to_string(), message.attempt);
            let _ = self.0.send(Seen { topic, payload, attempt });
        }
        batch.acknowledger.delivered();
    }
}

/// The augmentation of a configuration.
pub(super) fn augmentation(from: &str, more: &str) -> Augmentation {
    let timeout = if more.contains("timeout") { "" } else { "timeout = \"5s\"\n" };
    let text = format!(
        "[[augment]]\nname = \"it\"\nfrom = \"{from}\"\nmatch = \"/payload/id\"\ninto = \"/payload/it\"\n\
         {timeout}{more}\n"
    );
    let config = Config::parse("r.toml", &text, &Overrides::default(), &|_| None).unwrap();
    config.augments.into_iter().next().unwrap()
}

/// A node under test.
pub(super) struct World {
    pub(super) node: Node,
    store: Arc<MemoryStore>,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl World {
    pub(super) fn new(from: &str, more: &str) -> Self {
        Self::with(&augmentation(from, &format!("allow_private = true\n{more}")))
    }

    pub(super) fn with(it: &Augmentation) -> Self {
        let mut augment = it.augment(&around()).unwrap();
        augment.probe = (Duration::from_millis(20), Duration::from_millis(100));
        let many = augment.on_failure == OnFailure::Retry;
        let retry = Retry {
            shortest: Duration::from_millis(1),
            longest: Duration::from_millis(50),
            max_attempts: if many { 1000 } else { 1 },
            ..Retry::default()
        };
        let (sender, seen) = mpsc::unbounded_channel();
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let node = Node::builder(store.clone())
            .settings(Settings { retry, ..Settings::default() })
            .target(To::Channel, Arc::new(Taker(sender)))
            .augment(augment)
            .start()
            .unwrap();
        Self { node, store, seen }
    }

    /// Sends messages that are looked up by these values, each on a topic of its own, at once.
    pub(super) async fn send(&self, values: impl IntoIterator<Item = usize>) {
        let draft = |value| {
            let topic = format!("t{value}");
            self.node.joined(&topic.as_str().into(), false);
            Draft::new(topic.as_str(), format!("{{\"id\":{value}}}")).unwrap()
        };
        self.node.accept(values.into_iter().map(draft).collect()).await.unwrap();
    }

    pub(super) async fn next(&mut self) -> Seen {
        let next = tokio::time::timeout(Duration::from_secs(30), self.seen.recv());
        next.await.expect("a message in time").expect("a target")
    }

    /// What the next messages are, in order of their payloads.
    pub(super) async fn payloads(&mut self, count: usize) -> Vec<String> {
        let mut payloads = Vec::new();
        for _ in 0..count {
            payloads.push(self.next().await.payload);
        }
        payloads.sort();
        payloads
    }

    /// Waits until so many are dead; what was wrong with each.
    pub(super) async fn dead(&self, count: usize) -> Vec<String> {
        for _ in 0..4000 {
            if self.store.counts().await.unwrap().dead == count as u64 {
                let sweep = Sweep { limit: 1000, ..Sweep::default() };
                let letters = self.node.dead(sweep).await.unwrap().letters;
                let last = |attempts: &[roundsman_store::Attempt]| {
                    attempts.last().map(|it| it.what.to_string()).unwrap_or_default()
                };
                return letters.iter().map(|it| last(&it.sighting.attempts)).collect();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never {count} dead");
    }

    /// Attempts that failed so far.
    pub(super) fn failed(&self) -> u64 {
        self.node.metrics().failed.load(Ordering::Relaxed)
    }

    pub(super) async fn nobody_is_dead(&self) {
        assert_eq!(self.store.counts().await.unwrap().dead, 0);
    }
}

/// What a message becomes that is looked up by `value`: with this added, or marked.
pub(super) fn added(value: usize, what: &str) -> String {
    format!("{{\"id\":{value},\"it\":{what}}}")
}

pub(super) fn marked(value: usize) -> String {
    format!("{{\"id\":{value},\"augment_failed\":[\"it\"]}}")
}

pub(super) fn bare(value: usize) -> String {
    format!("{{\"id\":{value}}}")
}
