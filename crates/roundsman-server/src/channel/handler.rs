//! What a joined topic does: the seam between the protocol and what is served over it.
//!
//! The product serves one thing, [`Delivery`](super::Delivery). The seam exists so that the
//! protocol can be held to its golden frames by a channel that answers, refuses and crashes.

use super::frame::Status;
use crate::auth::Client;
use bytes::Bytes;
use serde_json::value::RawValue;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// Decides over joins and answers what clients push.
///
/// Called from the socket's own task: `join` and `push` must not block; what takes time goes into
/// [`Pushed::Later`]. A panic in either, or in what comes later, is a crash of that one channel:
/// the client is told and joins again, the socket lives on.
pub trait Channel: Send + Sync + 'static {
    /// Whether there is such a topic at all. Where not, the client hears `unmatched topic`.
    fn serves(&self, topic: &str) -> bool;

    /// A client asks to join.
    fn join(&self, topic: &str, payload: &RawValue, client: &Client) -> Joined;

    /// The join was answered and the hub has the client: what is delivered from now on reaches it.
    fn joined(&self, topic: &Arc<str>, asks: bool) {
        let _ = (topic, asks);
    }

    /// A client left, as it had joined; the hub no longer has it.
    fn left(&self, topic: &Arc<str>, asks: bool) {
        let _ = (topic, asks);
    }

    /// A joined client pushes an event.
    fn push(&self, topic: &Arc<str>, event: &str, payload: Payload<'_>) -> Pushed;
}

/// The answer to a join.
#[derive(Debug)]
pub enum Joined {
    /// It may.
    Ok {
        /// What the reply carries, as JSON.
        response: String,
        /// It is going to acknowledge what it gets.
        asks: bool,
    },
    /// It may not, and why.
    Refused(String),
}

/// What a client pushed, as it came.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// Of a text frame: any JSON.
    Json(&'a RawValue),
    /// Of a binary frame.
    Binary(&'a [u8]),
}

/// What a channel sends.
#[derive(Clone, Debug)]
pub enum Body {
    /// JSON, in a text frame.
    Json(String),
    /// Bytes, in a binary frame.
    Binary(Bytes),
}

/// What becomes of a push.
pub enum Pushed {
    /// It is answered.
    Reply(Status, Body),
    /// It is not.
    NoReply,
    /// This client gets an event.
    Push(String, Body),
    /// Everyone on the topic gets an event.
    Broadcast(String, Body),
    /// The channel ends; the client does not come back to it.
    Stop,
    /// Known later. The socket goes on meanwhile; whether the client stays or not, it is seen
    /// through to its end.
    Later(Pin<Box<dyn Future<Output = Pushed> + Send>>),
}

impl fmt::Debug for Pushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reply(..) => "Reply",
            Self::NoReply => "NoReply",
            Self::Push(..) => "Push",
            Self::Broadcast(..) => "Broadcast",
            Self::Stop => "Stop",
            Self::Later(_) => "Later",
        })
    }
}
