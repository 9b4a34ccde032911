//! An engine with webhooks on the memory store, as the server wires them.

use parking_lot::Mutex;
use roundsman_delivery::Node;
use roundsman_server::config::{Config, Overrides, WEBHOOK};
use roundsman_server::webhook::{Answer, Resolve, Surroundings, SystemResolver, Webhooks, trust};
use roundsman_store::{
    Bounds, DeadReason, Draft, Fingerprint, Inspect, Key, MemoryStore, Sighting, State, Store,
    SystemClock,
};
use rustls_pki_types::CertificateDer;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Longer than anything here takes on a loaded machine; only a failure gets there.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct House {
    pub node: Node,
    pub webhooks: Webhooks,
    pub store: Arc<MemoryStore>,
}

impl House {
    /// With this configuration, and the names and authorities of this machine.
    pub fn new(configuration: &str) -> Self {
        Self::with(configuration, Arc::new(SystemResolver), &[])
    }

    pub fn with(
        configuration: &str,
        resolver: Arc<dyn Resolve>,
        authorities: &[CertificateDer<'static>],
    ) -> Self {
        let overrides = Overrides::default();
        let config = Config::parse("r.toml", configuration, &overrides, &|_| None).unwrap();
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let around = Surroundings {
            resolver,
            tls: trust(authorities).unwrap(),
            own: config.listen,
            clock: Arc::new(SystemClock),
        };
        let webhooks = Webhooks::new(&config.webhooks, &around);
        let node = Node::builder(store.clone())
            .settings(config.settings())
            .target(WEBHOOK, Arc::new(webhooks.clone()))
            .start()
            .unwrap();
        Self { node, webhooks, store }
    }

    /// Sends one message under an id of its own.
    pub async fn send(&self, topic: &str, id: &str) {
        self.send_payload(topic, id, "{}").await;
    }

    pub async fn send_payload(&self, topic: &str, id: &str, payload: &'static str) {
        self.send_for(topic, topic, id, payload).await;
    }

    pub async fn send_for(&self, topic: &str, key: &str, id: &str, payload: &'static str) {
        let draft = Draft {
            topic: topic.into(),
            key: Key::from_parts([key]).unwrap(),
            event: "order.shipped".into(),
            payload: payload.into(),
            id: Some((id.into(), Fingerprint::of(&[id.as_bytes()]))),
            deliver_at: None,
            expires_at: None,
            held: false,
        };
        self.store.accept(vec![draft], Bounds::NONE).await.unwrap();
    }

    /// The message once it is in this state.
    pub async fn once(&self, id: &str, state: State) -> Sighting {
        let mut last = None;
        let found = timeout(PATIENCE, async {
            loop {
                let sighting = self.store.find(id).await.unwrap().unwrap();
                if sighting.state == state {
                    return sighting;
                }
                last = Some(sighting);
                sleep(Duration::from_millis(5)).await;
            }
        });
        found.await.unwrap_or_else(|_| panic!("{id} never {state:?}; it is {last:?}"))
    }

    /// The message once it is dead after one attempt, and the words for what was wrong with that.
    pub async fn dead(&self, id: &str) -> String {
        let sighting = self.once(id, State::Dead).await;
        assert_eq!(sighting.reason, Some(DeadReason::Attempts), "{sighting:?}");
        assert_eq!(sighting.attempts.len(), 1, "{sighting:?}");
        sighting.attempts[0].what.to_string()
    }

    pub async fn store_counts(&self) -> roundsman_store::Counts {
        self.store.counts().await.unwrap()
    }

    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) {
        let waited = timeout(PATIENCE, async {
            while !holds(self).await {
                sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("never came true: {what}"));
    }
}

/// A resolver that answers by a list: the first time with the first, the last one for ever.
pub struct Liar(Mutex<Vec<Vec<IpAddr>>>);

impl Liar {
    pub fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().rev().map(parse).collect())))
    }
}

impl Resolve for Liar {
    fn resolve(&self, _name: String) -> Answer<Vec<IpAddr>, io::Error> {
        let mut answers = self.0.lock();
        let answer = if answers.len() > 1 { answers.pop() } else { answers.last().cloned() };
        Box::pin(async move { Ok(answer.unwrap_or_default()) })
    }
}

/// A resolver that never answers.
pub struct Silent;

impl Resolve for Silent {
    fn resolve(&self, _name: String) -> Answer<Vec<IpAddr>, io::Error> {
        Box::pin(std::future::pending())
    }
}

/// Awaits something that has to come.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("within a minute")
}
