//! A node on the memory store, with a target that writes down what it is given.
#![allow(dead_code, unreachable_pub, missing_debug_implementations)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity)]

use bytes::Bytes;
use parking_lot::Mutex;
use roundsman_delivery::{Batch, Node, Rule, Rules, Settings, Target, To};
use roundsman_store::{
    Draft, Endpoint, Key, MemoryStore, MessageId, Store, SystemClock, Timestamp,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How the target answers a batch.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Delivered,
    Sent,
    Absent,
    Failed,
    /// Handed back, its endpoint parked for so long.
    Parked(Duration),
    /// Kept, unanswered, until [`Post::let_go`].
    Keep,
}

/// One message as the target was given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub topic: String,
    pub payload: String,
    pub attempt: u32,
    pub again: bool,
    pub id: MessageId,
}

/// A target that answers as it is told and passes on what it saw.
pub struct Post {
    answer: Mutex<Box<dyn Fn(&Batch) -> Answer + Send>>,
    seen: mpsc::UnboundedSender<Seen>,
    kept: Mutex<Vec<Batch>>,
}

impl Target for Post {
    fn deliver(&self, batch: Batch) {
        let answer = (self.answer.lock())(&batch);
        for message in &batch.messages {
            let _ = self.seen.send(Seen {
                topic: batch.topic.to_string(),
                payload: String::from_utf8_lossy(&message.record.payload).into_owned(),
                attempt: message.attempt,
                again: message.again,
                id: message.record.id.clone(),
            });
        }
        match answer {
            Answer::Delivered => batch.acknowledger.delivered(),
            Answer::Sent => batch.acknowledger.sent(),
            Answer::Absent => batch.acknowledger.absent(),
            Answer::Failed => batch.acknowledger.failed("said no"),
            Answer::Parked(span) => {
                let endpoint = endpoint(&batch.topic).expect("a topic that has one");
                batch.acknowledger.parked(endpoint, soon(span));
            }
            Answer::Keep => self.kept.lock().push(batch),
        }
    }

    fn endpoint(&self, _rule: usize, topic: &str) -> Option<Endpoint> {
        endpoint(topic)
    }
}

/// The endpoint of topics like `hook:a:1` is `hook:a`; other topics have none.
pub fn endpoint(topic: &str) -> Option<Endpoint> {
    let name = topic.strip_prefix("hook:")?.split(':').next()?;
    Some(Endpoint::of(&format!("hook:{name}")))
}

impl Post {
    /// One that takes everything, and where it says what it saw.
    pub fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Seen>) {
        let (sender, seen) = mpsc::unbounded_channel();
        let answer = Mutex::new(Box::new(|_: &Batch| Answer::Delivered) as Box<_>);
        (Arc::new(Self { answer, seen: sender, kept: Mutex::default() }), seen)
    }

    /// Answers from now on as `answer` says.
    pub fn answers(&self, answer: impl Fn(&Batch) -> Answer + Send + 'static) {
        *self.answer.lock() = Box::new(answer);
    }

    /// Drops every batch that was kept, unanswered: they are released.
    pub fn let_go(&self) {
        self.kept.lock().clear();
    }

    pub fn kept(&self) -> usize {
        self.kept.lock().iter().map(|batch| batch.messages.len()).sum()
    }

    /// Answers every batch that was kept.
    pub fn deliver_kept(&self) {
        for batch in std::mem::take(&mut *self.kept.lock()) {
            batch.acknowledger.delivered();
        }
    }
}

/// A node under test.
pub struct World {
    pub node: Node,
    pub post: Arc<Post>,
    pub store: Arc<MemoryStore>,
    pub seen: mpsc::UnboundedReceiver<Seen>,
}

impl World {
    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::on(|store| store, change)
    }

    /// On the memory store as `wrap` wraps it.
    pub fn on(
        wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let (post, seen) = Post::new();
        let mut settings = Settings::default();
        change(&mut settings);
        let node = Node::builder(wrap(store.clone()))
            .settings(settings)
            .target(To::Channel, post.clone())
            .target(To::Target(0), post.clone())
            .start()
            .unwrap();
        Self { node, post, store, seen }
    }

    /// With one rule for every topic.
    pub fn ruled(change: impl FnOnce(&mut Rule)) -> Self {
        Self::with(|settings| {
            let mut rule = Rule::channel("*");
            change(&mut rule);
            settings.rules = Rules::new(vec![rule]);
        })
    }

    pub async fn send(&self, topic: &str, payloads: impl IntoIterator<Item = u32>) {
        let batch = payloads.into_iter().map(|number| draft(topic, number)).collect();
        self.node.accept(batch).await.unwrap();
    }

    pub async fn send_one(&self, draft: Draft) -> MessageId {
        self.node.accept(vec![draft]).await.unwrap().remove(0).id
    }

    pub fn join(&self, topic: &str, asks: bool) {
        self.node.joined(&topic.into(), asks);
    }

    pub fn leave(&self, topic: &str, asks: bool) {
        self.node.left(&topic.into(), asks);
    }

    /// The next message that the target sees.
    pub async fn next(&mut self) -> Seen {
        tokio::time::timeout(Duration::from_secs(10), self.seen.recv())
            .await
            .expect("a message within ten seconds")
            .expect("the target lives")
    }

    /// The numbers of the next messages.
    pub async fn numbers(&mut self, count: usize) -> Vec<u32> {
        let mut numbers = Vec::new();
        for _ in 0..count {
            numbers.push(number(&self.next().await));
        }
        numbers
    }

    /// That nothing comes for a while.
    pub async fn nothing(&mut self) {
        let waited = tokio::time::timeout(Duration::from_millis(150), self.seen.recv()).await;
        assert!(waited.is_err(), "came: {waited:?}");
    }

    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) {
        for _ in 0..1000 {
            if holds(self).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never came true: {what}");
    }
}

pub fn draft(topic: &str, number: u32) -> Draft {
    Draft {
        topic: topic.into(),
        key: Key::from_parts([topic]).unwrap(),
        event: "message".into(),
        payload: Bytes::from(format!("{{\"n\":{number}}}")),
        id: None,
        deliver_at: None,
        expires_at: None,
        held: false,
    }
}

pub fn number(seen: &Seen) -> u32 {
    seen.payload.trim_start_matches("{\"n\":").trim_end_matches('}').parse().unwrap()
}

pub fn soon(span: Duration) -> Timestamp {
    roundsman_store::Clock::now(&SystemClock).after(span)
}
