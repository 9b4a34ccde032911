//! A node with one augmentation, its source and its target.

use super::source::Source;
use super::support::{Post, Seen};
use roundsman_delivery::{Augment, Node, Retry, Rule, Rules, Settings, To};
use roundsman_store::{Draft, Inspect, MemoryStore, SystemClock};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

pub(super) struct World {
    pub(super) node: Node,
    pub(super) post: Arc<Post>,
    pub(super) source: Arc<Source>,
    pub(super) store: Arc<MemoryStore>,
    pub(super) seen: mpsc::UnboundedReceiver<Seen>,
}

impl World {
    pub(super) fn new(change: impl FnOnce(&mut Augment, &mut Settings)) -> Self {
        let source = Source::new();
        let mut augment = Augment::new("user", "/id", "/user", source.lookup()).unwrap();
        augment.probe = (Duration::from_millis(20), Duration::from_millis(100));
        let mut settings = Settings {
            retry: Retry { shortest: Duration::from_millis(1), ..Retry::default() },
            ..Settings::default()
        };
        change(&mut augment, &mut settings);
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let (post, seen) = Post::new();
        let node = Node::builder(store.clone())
            .settings(settings)
            .target(To::Channel, post.clone())
            .target(To::Target(0), post.clone())
            .augment(augment)
            .start()
            .unwrap();
        Self { node, post, source, store, seen }
    }

    pub(super) async fn send(&self, topic: &str, payloads: &[&str]) {
        self.node.joined(&topic.into(), false);
        let drafts = payloads.iter().map(|payload| Draft::new(topic, payload.to_string()).unwrap());
        self.node.accept(drafts.collect()).await.unwrap();
    }

    pub(super) async fn next(&mut self) -> Seen {
        let next = tokio::time::timeout(Duration::from_secs(20), self.seen.recv());
        next.await.expect("a message in time").expect("a target")
    }

    pub(super) async fn payload(&mut self) -> String {
        self.next().await.payload
    }

    /// Waits until so many messages wait for their lookup.
    pub(super) async fn until_waiting(&self, count: u64) {
        let waiting = &self.node.metrics().augments[0].waiting;
        self.until("they wait", async || waiting.load(Ordering::Relaxed) >= count).await;
    }

    /// Waits until nothing waits and nothing is asked for.
    pub(super) async fn until_left_alone(&self) {
        let metrics = &self.node.metrics().augments[0];
        let is_alone = async || {
            metrics.failed.load(Ordering::Relaxed) > 1
                && metrics.waiting.load(Ordering::Relaxed) == 0
                && metrics.in_flight.load(Ordering::Relaxed) == 0
        };
        self.until("the source is left alone", is_alone).await;
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        for _ in 0..4000 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never came true: {what}");
    }

    pub(super) async fn dead(&self, count: u64) {
        let are = async || self.store.counts().await.unwrap().dead == count;
        self.until("they are dead", are).await;
    }
}

pub(super) fn one_target(settings: &mut Settings) {
    settings.rules = Rules::new(vec![Rule {
        to: To::Target(0),
        order: roundsman_delivery::Order::None,
        ..Rule::channel("*")
    }]);
}
