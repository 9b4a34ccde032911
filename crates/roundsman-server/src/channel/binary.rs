//! The binary frames of Phoenix Channels V2. Pure: no socket, no clock.
//!
//! ```text
//!  client  push       0, len(join_ref), len(ref), len(topic), len(event),  join_ref, ref, topic, event,  data
//!  server  push       0, len(join_ref),           len(topic), len(event),  join_ref,      topic, event,  data
//!  server  reply      1, len(join_ref), len(ref), len(topic), len(status), join_ref, ref, topic, status, data
//!  server  broadcast  2,                          len(topic), len(event),                 topic, event,  data
//! ```
//!
//! A length is one byte, so a field has at most 255 of UTF-8. Kinds 3 and 4 are in use elsewhere
//! under the same version and stay reserved: like every other unknown kind they are no frame.

use super::frame::{NoFrame, Status};
use bytes::Bytes;

/// A push from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinaryPush<'a> {
    /// Of the join that it belongs to.
    pub join_ref: &'a str,
    /// Of the push itself.
    pub reference: &'a str,
    /// The topic.
    pub topic: &'a str,
    /// The event.
    pub event: &'a str,
    /// Whatever it carries.
    pub data: &'a [u8],
}

impl<'a> BinaryPush<'a> {
    /// Reads one push.
    ///
    /// # Errors
    /// Another kind, a field that ends behind the frame, or one that is not UTF-8.
    pub fn decode(frame: &'a [u8]) -> Result<Self, NoFrame> {
        let (head, mut rest) = frame.split_at_checked(5).ok_or(NoFrame)?;
        if head[0] != KIND_PUSH {
            return Err(NoFrame);
        }
        let mut field = |len: u8| {
            let (field, after) = rest.split_at_checked(usize::from(len)).ok_or(NoFrame)?;
            rest = after;
            std::str::from_utf8(field).map_err(|_| NoFrame)
        };
        let (join_ref, reference) = (field(head[1])?, field(head[2])?);
        let (topic, event) = (field(head[3])?, field(head[4])?);
        Ok(Self { join_ref, reference, topic, event, data: rest })
    }

    /// Writes it as a client does; `None` where a field is longer than 255 bytes.
    #[must_use]
    pub fn encode(&self) -> Option<Bytes> {
        write(KIND_PUSH, &[self.join_ref, self.reference, self.topic, self.event], self.data)
    }
}

/// A push to one channel; `None` where a field is longer than 255 bytes.
#[must_use]
pub fn push(join_ref: &str, topic: &str, event: &str, data: &[u8]) -> Option<Bytes> {
    write(KIND_PUSH, &[join_ref, topic, event], data)
}

/// A reply; `None` where a field is longer than 255 bytes.
#[must_use]
pub fn reply(
    join_ref: &str,
    reference: &str,
    topic: &str,
    status: Status,
    data: &[u8],
) -> Option<Bytes> {
    write(KIND_REPLY, &[join_ref, reference, topic, status.as_str()], data)
}

/// A broadcast; `None` where a field is longer than 255 bytes.
#[must_use]
pub fn broadcast(topic: &str, event: &str, data: &[u8]) -> Option<Bytes> {
    write(KIND_BROADCAST, &[topic, event], data)
}

fn write(kind: u8, fields: &[&str], data: &[u8]) -> Option<Bytes> {
    let mut frame = vec![kind];
    for field in fields {
        frame.push(u8::try_from(field.len()).ok()?);
    }
    for field in fields {
        frame.extend_from_slice(field.as_bytes());
    }
    frame.extend_from_slice(data);
    Some(frame.into())
}

const KIND_PUSH: u8 = 0;
const KIND_REPLY: u8 = 1;
const KIND_BROADCAST: u8 = 2;
