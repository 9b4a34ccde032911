//! A server of sockets alone, and a channel that answers, refuses and crashes on demand.

use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use bytes::Bytes;
use parking_lot::Mutex;
use roundsman_delivery::{Acknowledger, Batch, Message, Slot, Target};
use roundsman_server::auth::{Access, Client};
use roundsman_server::channel::{
    Body, Channel, Hub, Joined, Limits, Payload, Pushed, Status, routes,
};
use roundsman_server::config::{Config, Overrides};
use roundsman_store::{Key, Lane, LaneId, MessageId, Record, Timestamp};
use serde_json::value::RawValue;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The server and what it told its channel.
pub struct House {
    pub address: SocketAddr,
    pub hub: Arc<Hub>,
    pub told: Arc<Mutex<Vec<String>>>,
}

impl House {
    pub async fn open() -> Self {
        Self::with(Limits::default(), "").await
    }

    /// With these limits and this configuration.
    pub async fn with(limits: Limits, config: &str) -> Self {
        let hub = Arc::new(Hub::with_limits(limits));
        let told = Arc::default();
        let channel = Arc::new(Trial { told: Arc::clone(&told), hub: hub.clone() });
        Self { told, ..Self::serving(hub, config, channel).await }
    }

    /// That serves this channel to the sessions of this hub.
    pub async fn serving(hub: Arc<Hub>, config: &str, channel: Arc<dyn Channel>) -> Self {
        let config = Config::parse("test.toml", config, &Overrides::default(), &|_| None).unwrap();
        let router = routes(hub.clone(), Arc::new(Access::new(&config)), channel);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service: IntoMakeServiceWithConnectInfo<_, SocketAddr> =
            router.into_make_service_with_connect_info();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { address, hub, told: Arc::default() }
    }

    /// Delivers one batch of messages with these payloads; its fate comes over the receiver.
    pub fn deliver(&self, topic: &str, payloads: &[&str]) -> Fate {
        self.deliver_as(topic, payloads, false)
    }

    /// The same, as messages that were written before.
    pub fn deliver_again(&self, topic: &str, payloads: &[&str]) -> Fate {
        self.deliver_as(topic, payloads, true)
    }

    fn deliver_as(&self, topic: &str, payloads: &[&str], again: bool) -> Fate {
        let (tell, told) = mpsc::unbounded_channel();
        let freed = tell.clone();
        let messages = (1..).zip(payloads);
        self.hub.deliver(Batch {
            topic: topic.into(),
            rule: 0,
            messages: messages.map(|(seq, payload)| message(topic, seq, payload, again)).collect(),
            acknowledger: Acknowledger::new(move |fate| {
                let _ = tell.send(format!("{fate:?}"));
            }),
            slot: Slot::new(move || {
                let _ = freed.send("free".into());
            }),
        });
        Fate(told)
    }

    /// What the channel was told since this was asked last.
    pub fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock())
    }
}

/// What becomes of one batch.
pub struct Fate(mpsc::UnboundedReceiver<String>);

impl Fate {
    /// The next thing said of it: a fate, or `free` for its slot.
    pub async fn next(&mut self) -> String {
        super::client::within(self.0.recv()).await.unwrap()
    }
}

fn message(topic: &str, seq: u64, payload: &str, again: bool) -> Message {
    let lane = Lane { id: LaneId::new(0, 1), key: Key::parse(topic).unwrap(), topic: topic.into() };
    Message {
        record: Record {
            lane: Arc::new(lane),
            seq,
            id: MessageId::Given(format!("m-{seq}").into()),
            event: "push".into(),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            accepted_at: Timestamp::default(),
            expires_at: None,
            history: None,
        },
        attempt: if again { 2 } else { 1 },
        again,
    }
}

/// The channel of the golden frames.
struct Trial {
    told: Arc<Mutex<Vec<String>>>,
    hub: Arc<Hub>,
}

impl Trial {
    fn tell(&self, what: &str, topic: &str, asks: bool) {
        let asks = if asks { " asking" } else { "" };
        let there = self.hub.joined_count(topic);
        self.told.lock().push(format!("{what} {topic}{asks}, {there} there"));
    }
}

impl Channel for Trial {
    fn serves(&self, topic: &str) -> bool {
        topic.starts_with("user:")
    }

    fn join(&self, topic: &str, payload: &RawValue, client: &Client) -> Joined {
        match topic {
            "user:crashjoin" => panic!("as it was asked to"),
            "user:deny" => Joined::Refused("unauthorized".into()),
            _ if !client.may_join(topic) => Joined::Refused("unauthorized".into()),
            _ => Joined::Ok {
                response: format!(r#"{{"got":{payload}}}"#),
                asks: payload.get() == r#"{"ack":"client"}"#,
            },
        }
    }

    fn joined(&self, topic: &Arc<str>, asks: bool) {
        self.tell("joined", topic, asks);
    }

    fn left(&self, topic: &Arc<str>, asks: bool) {
        self.tell("left", topic, asks);
    }

    fn push(&self, _topic: &Arc<str>, event: &str, payload: Payload<'_>) -> Pushed {
        let (json, data) = match payload {
            Payload::Json(json) => (json.get().to_owned(), Bytes::new()),
            Payload::Binary(data) => ("{}".into(), Bytes::copy_from_slice(data)),
        };
        let ok = |json: &str| Pushed::Reply(Status::Ok, Body::Json(json.into()));
        match event {
            "echo" => ok(&format!(r#"{{"echo":{json}}}"#)),
            "err" => Pushed::Reply(Status::Error, Body::Json(r#"{"reason":"nope"}"#.into())),
            "okonly" => ok("{}"),
            "push" => Pushed::Push("pushed".into(), Body::Json(json)),
            "bcast" => Pushed::Broadcast("bc".into(), Body::Json(json)),
            "crash" => panic!("as it was asked to"),
            "stop" => Pushed::Stop,
            "bin" => Pushed::Reply(Status::Ok, Body::Binary(data)),
            "binpush" => Pushed::Push("bp".into(), Body::Binary(data)),
            "binbcast" => Pushed::Broadcast("bc".into(), Body::Binary(data)),
            "later" => Pushed::Later(Box::pin(async move {
                tokio::task::yield_now().await;
                Pushed::Reply(Status::Ok, Body::Json(json))
            })),
            "never" => Pushed::Later(Box::pin(std::future::pending())),
            "latercrash" => Pushed::Later(Box::pin(async { panic!("as it was asked to") })),
            _ => Pushed::NoReply,
        }
    }
}
