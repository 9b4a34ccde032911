//! The channel of the product: a join opens a topic's deliveries, `ack` settles them.

use super::frame::{Status, reason};
use super::handler::{Body, Channel, Joined, Payload, Pushed};
use crate::auth::Client;
use roundsman_delivery::{Ack, Node, To, intake};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Serves every topic that a channel rule delivers to.
#[derive(Clone, Debug)]
pub struct Delivery {
    node: Node,
}

impl Delivery {
    /// For the deliveries of `node`.
    #[must_use]
    pub fn new(node: Node) -> Self {
        Self { node }
    }
}

impl Channel for Delivery {
    fn serves(&self, topic: &str) -> bool {
        let to_channel =
            || self.node.rules().find(topic).is_some_and(|(_, rule)| rule.to == To::Channel);
        intake::check_topic(topic).is_ok() && to_channel()
    }

    fn join(&self, topic: &str, payload: &RawValue, client: &Client) -> Joined {
        if !client.may_join(topic) {
            return Joined::Refused("unauthorized".into());
        }
        let by_rule =
            self.node.rules().find(topic).is_some_and(|(_, rule)| rule.ack == Ack::Client);
        Joined::Ok { response: "{}".into(), asks: by_rule || asks(payload) }
    }

    fn joined(&self, topic: &Arc<str>, asks: bool) {
        self.node.joined(topic, asks);
    }

    fn left(&self, topic: &Arc<str>, asks: bool) {
        self.node.left(topic, asks);
    }

    fn push(&self, topic: &Arc<str>, event: &str, payload: Payload<'_>) -> Pushed {
        if event != "ack" {
            return refused("unknown event");
        }
        let Some(ids) = ids(payload) else {
            return refused("an ack carries {\"ids\": [\"…\", …]}");
        };
        let (node, topic) = (self.node.clone(), topic.clone());
        Pushed::Later(Box::pin(async move {
            match node.acknowledge(&topic, ids).await {
                Ok(_) => Pushed::Reply(Status::Ok, Body::Json("{}".into())),
                Err(error) => {
                    tracing::warn!(%error, "acknowledgements could not be settled");
                    refused("unavailable")
                }
            }
        }))
    }
}

fn refused(words: &str) -> Pushed {
    Pushed::Reply(Status::Error, Body::Json(reason(words)))
}

/// Whether a join's payload says `{"ack": "client"}`. Anything else it may say is not ours.
fn asks(payload: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Wish<'a> {
        #[serde(borrow)]
        ack: Option<&'a RawValue>,
    }
    serde_json::from_str::<Wish<'_>>(payload.get())
        .is_ok_and(|wish| wish.ack.is_some_and(|ack| ack.get() == r#""client""#))
}

fn ids(payload: Payload<'_>) -> Option<Vec<Arc<str>>> {
    #[derive(Deserialize)]
    struct Ids {
        ids: Vec<Arc<str>>,
    }
    match payload {
        Payload::Json(json) => Some(serde_json::from_str::<Ids>(json.get()).ok()?.ids),
        Payload::Binary(_) => None,
    }
}
