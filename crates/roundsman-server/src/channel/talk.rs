//! What is said over one socket: every frame of a client, and the answers it gets.
//!
//! The rules are those of Phoenix as they were seen on the wire; where two frames answer one, the
//! order is part of them. Nothing is written here: answers line up in the outbox, in front of
//! what the hub puts there from the moment that it has the join.

use super::binary::{self, BinaryPush};
use super::frame::{self, Frame, NoFrame, Ref, Status, quoted, reason};
use super::handler::{Body, Channel, Joined, Payload, Pushed};
use super::hub::Seat;
use super::join::{Address, Belongs, Membership, Memberships};
use super::outbox::{Answer, Item};
use super::wire;
use crate::auth::Client;
use bytes::Bytes;
use futures_util::FutureExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The protocol's half of one socket.
pub(super) struct Talk {
    pub(super) seat: Seat,
    channel: Arc<dyn Channel>,
    client: Client,
    memberships: Memberships,
    /// Pushes whose answer is still to come.
    owed: usize,
}

impl Talk {
    pub(super) fn new(seat: Seat, channel: Arc<dyn Channel>, client: Client) -> Self {
        Self { seat, channel, client, memberships: Memberships::default(), owed: 0 }
    }

    /// Whether another frame may be read, or answers are to be waited for first.
    pub(super) fn has_time(&self) -> bool {
        self.owed < MOST_OWED
    }

    /// Whether answers are still to come.
    pub(super) fn owes(&self) -> bool {
        self.owed > 0
    }

    /// A text came in.
    pub(super) fn text(&mut self, text: &str) -> Result<(), NoFrame> {
        let frame = Frame::decode(text)?;
        let (topic, event) = (frame.topic(), frame.event().unwrap_or_default());
        match (topic.as_deref(), &*event) {
            (Some("phoenix"), "heartbeat") => {
                let (none, reference) = (Ref::null(), Ref::of(frame.reference));
                self.reply(&none, &reference, r#""phoenix""#, Status::Ok, "{}");
            }
            (None | Some("phoenix"), _) => {
                self.unmatched(&Ref::of(frame.reference), frame.topic.get());
            }
            (Some(topic), "phx_join") => self.join(topic, &frame),
            (Some(topic), "phx_leave") => self.leave(topic, &frame),
            (Some(topic), event) => {
                let (join_ref, reference) = (frame.join_ref.get(), Ref::of(frame.reference));
                self.push(topic, join_ref, reference, event, Payload::Json(frame.payload));
            }
        }
        Ok(())
    }

    /// A binary came in.
    pub(super) fn binary(&mut self, data: &[u8]) -> Result<(), NoFrame> {
        let push = BinaryPush::decode(data)?;
        let (join_ref, reference) = (Ref::of_text(push.join_ref), Ref::of_text(push.reference));
        self.push(
            push.topic,
            join_ref.as_json(),
            reference,
            push.event,
            Payload::Binary(push.data),
        );
        Ok(())
    }

    /// The answer to an earlier push is there.
    pub(super) fn answer(&mut self, answer: Answer) {
        self.owed = self.owed.saturating_sub(1);
        self.act(answer.address, answer.pushed);
    }

    /// Takes the socket out of the hub; what it was on is to be passed to [`Self::left`].
    pub(super) fn leave_hub(&mut self) -> Vec<Membership> {
        let memberships = self.memberships.take();
        memberships.iter().for_each(|membership| self.seat.leave(&membership.topic));
        self.seat.outbox.close();
        memberships
    }

    /// Tells the channel that these are over.
    pub(super) fn left(&self, memberships: &[Membership]) {
        for membership in memberships {
            self.channel.left(&membership.topic, membership.asks);
        }
    }

    fn join(&mut self, topic: &str, frame: &Frame<'_>) {
        let (join_ref, reference) = (Ref::of(frame.join_ref), Ref::of(frame.reference));
        if !self.channel.serves(topic) {
            return self.unmatched(&reference, frame.topic.get());
        }
        let topic: Arc<str> = topic.into();
        let name = quoted(&topic);
        let old = self.part(&topic);
        let joined = if self.memberships.len() < self.seat.limits().topics {
            let join = || self.channel.join(&topic, frame.payload, &self.client);
            catch_unwind(AssertUnwindSafe(join))
                .unwrap_or_else(|_| Joined::Refused("join crashed".into()))
        } else {
            Joined::Refused("too many channels joined".into())
        };
        match &joined {
            Joined::Ok { response, .. } => {
                self.reply(&join_ref, &reference, &name, Status::Ok, response);
            }
            Joined::Refused(why) => {
                self.reply(&join_ref, &reference, &name, Status::Error, &reason(why));
            }
        }
        if let Some(old) = old {
            self.farewell(&old, "phx_close", "{}");
        }
        if let Joined::Ok { asks, .. } = joined {
            self.seat.join(&topic, asks);
            self.memberships.add(Membership { topic: topic.clone(), join_ref, asks });
            self.channel.joined(&topic, asks);
        }
    }

    fn leave(&mut self, topic: &str, frame: &Frame<'_>) {
        let join_ref = match self.memberships.find(topic, frame.join_ref.get()) {
            Belongs::Stale => return,
            Belongs::Unjoined => Ref::of(frame.join_ref),
            Belongs::To(membership) => membership.join_ref.clone(),
        };
        let old = self.part(topic);
        let (reference, name) = (Ref::of(frame.reference), frame.topic.get());
        self.reply(&join_ref, &reference, name, Status::Ok, "{}");
        if let Some(old) = old {
            self.farewell(&old, "phx_close", "{}");
        }
    }

    fn push(
        &mut self,
        topic: &str,
        join_ref: &str,
        reference: Ref,
        event: &str,
        payload: Payload<'_>,
    ) {
        let membership = match self.memberships.find(topic, join_ref) {
            Belongs::Stale => return,
            Belongs::Unjoined => return self.unmatched(&reference, &quoted(topic)),
            Belongs::To(membership) => membership,
        };
        let address = Address::new(membership, reference);
        let push = || self.channel.push(&membership.topic, event, payload);
        let pushed = catch_unwind(AssertUnwindSafe(push)).ok();
        self.act(address, pushed);
    }

    /// Does what the channel made of a push; `None` for a crash.
    fn act(&mut self, address: Address, pushed: Option<Pushed>) {
        let Address { topic, join_ref, reference } = &address;
        let name = quoted(topic);
        let sent = match pushed {
            Some(Pushed::NoReply) => true,
            Some(Pushed::Reply(status, body)) => match body {
                Body::Json(json) => {
                    self.reply(join_ref, reference, &name, status, &json);
                    true
                }
                Body::Binary(data) => {
                    let (join_ref, reference) = (join_ref.to_text(), reference.to_text());
                    self.say(binary::reply(&join_ref, &reference, topic, status, &data))
                }
            },
            Some(Pushed::Push(event, Body::Json(json))) => {
                self.say_text(&frame::push(join_ref, &Ref::null(), &name, &event, &json));
                true
            }
            Some(Pushed::Push(event, Body::Binary(data))) => {
                self.say(binary::push(&join_ref.to_text(), topic, &event, &data))
            }
            Some(Pushed::Broadcast(event, body)) => self.broadcast(topic, &event, &body),
            Some(Pushed::Stop) => return self.end(&address, "phx_close", "{}"),
            Some(Pushed::Later(later)) => return self.later(address, later),
            None => false,
        };
        if !sent {
            self.end(&address, "phx_error", r#"{"reason":"channel_crash"}"#);
        }
    }

    fn later(
        &mut self,
        address: Address,
        later: std::pin::Pin<Box<dyn Future<Output = Pushed> + Send>>,
    ) {
        self.owed += 1;
        let outbox = self.seat.outbox.clone();
        tokio::spawn(async move {
            let pushed = AssertUnwindSafe(later).catch_unwind().await.ok();
            drop(outbox.put(Item::Answer(Answer { address, pushed })));
        });
    }

    fn broadcast(&self, topic: &str, event: &str, body: &Body) -> bool {
        let frames = match body {
            Body::Json(json) => {
                let none = Ref::null();
                Some(wire::text(&frame::push(&none, &none, &quoted(topic), event, json)))
            }
            Body::Binary(data) => {
                binary::broadcast(topic, event, data).map(|data| wire::binary(&data))
            }
        };
        frames.is_some_and(|frames| {
            self.seat.broadcast(topic, &frames);
            true
        })
    }

    /// Ends one join from this side, unless it is over already.
    fn end(&mut self, address: &Address, event: &str, payload: &str) {
        let join_ref = address.join_ref.as_json();
        let lives = match self.memberships.find(&address.topic, join_ref) {
            Belongs::To(membership) => membership.join_ref == address.join_ref,
            Belongs::Stale | Belongs::Unjoined => false,
        };
        if lives && let Some(old) = self.part(&address.topic) {
            self.farewell(&old, event, payload);
        }
    }

    /// Leaves a topic: first the hub, then the channel is told.
    fn part(&mut self, topic: &str) -> Option<Membership> {
        let old = self.memberships.remove(topic)?;
        self.seat.leave(topic);
        self.channel.left(&old.topic, old.asks);
        Some(old)
    }

    /// The last frame of a join; it carries the join's reference twice.
    fn farewell(&self, old: &Membership, event: &str, payload: &str) {
        let name = quoted(&old.topic);
        self.say_text(&frame::push(&old.join_ref, &old.join_ref, &name, event, payload));
    }

    fn unmatched(&self, reference: &Ref, topic: &str) {
        self.reply(&Ref::null(), reference, topic, Status::Error, &reason("unmatched topic"));
    }

    fn reply(&self, join_ref: &Ref, reference: &Ref, topic: &str, status: Status, response: &str) {
        self.say_text(&frame::reply(join_ref, reference, topic, status, response));
    }

    fn say_text(&self, text: &str) {
        drop(self.seat.outbox.put(Item::Frames(wire::text(text))));
    }

    /// Whether there was a frame to send: one whose fields fit.
    fn say(&self, data: Option<Bytes>) -> bool {
        data.is_some_and(|data| {
            drop(self.seat.outbox.put(Item::Frames(wire::binary(&data))));
            true
        })
    }
}

/// Pushes of one socket that may wait for their answer; beyond, nothing more is read from it.
const MOST_OWED: usize = 32;
