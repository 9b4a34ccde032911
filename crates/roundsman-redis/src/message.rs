//! One message as it is written, and what was tried with it.
//!
//! ```text
//!  value   lane due accepted expires length-of-id ⏎ id body
//!  body    length-of-event ⏎ event payload
//!  id      nothing: made, and it lies where its id says · g and a sender's own · m lane:sequence
//!  past    {"a":attempts,"f":failures,"c":cuts,"o":cuts alone,"t":"first attempt","g":augmented,
//!           "l":[{"n":number,"t":"at","w":"what","s":status,"b":"answer"}]}
//! ```
//!
//! The scripts change all of it but the payload, which they pass on untouched.

use crate::error::strange;
use crate::ids::read_id;
use crate::reply::{lane_id, moment};
use bytes::Bytes;
use roundsman_store::{
    Attempt, Failure, History, IdSalt, LaneId, MessageId, StoreError, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A message that was read.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) lane: LaneId,
    /// Its moment, while it waits outside of its lane.
    pub(crate) due: Option<Timestamp>,
    pub(crate) accepted: Timestamp,
    pub(crate) expires: Option<Timestamp>,
    /// As it is written.
    pub(crate) id: String,
    pub(crate) body: Body,
}

/// What is sent of a message.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Bytes,
    event: (usize, usize),
}

impl Kept {
    pub(crate) fn read(value: Vec<u8>) -> Result<Self, StoreError> {
        let bytes = Bytes::from(value);
        let end = line_feed(&bytes, 0)?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| strange("no message"))?;
        let mut parts = head.split(' ');
        let mut next = || parts.next().ok_or_else(|| strange("no message"));
        let lane = lane_id(next()?)?;
        let due = moment(next()?)?;
        let accepted = moment(next()?)?.unwrap_or_default();
        let expires = moment(next()?)?;
        let length: usize = next()?.parse().map_err(|_| strange("no message"))?;
        let begin = end + 1 + length;
        let id = bytes.get(end + 1..begin).ok_or_else(|| strange("a short message"))?;
        let id = String::from_utf8(id.to_vec()).map_err(|_| strange("no id"))?;
        let body = Body::read(bytes.slice(begin..))?;
        Ok(Self { lane, due, accepted, expires, id, body })
    }

    /// Its id, lying at `seq`.
    pub(crate) fn id(&self, seq: u64, salt: IdSalt) -> Result<MessageId, StoreError> {
        if self.id.is_empty() {
            return Ok(MessageId::Made { salt, lane: self.lane, seq });
        }
        read_id(&self.id, salt)
    }
}

impl Body {
    pub(crate) fn read(bytes: Bytes) -> Result<Self, StoreError> {
        let end = line_feed(&bytes, 0)?;
        let length = std::str::from_utf8(&bytes[..end]).ok().and_then(|it| it.parse().ok());
        let length: usize = length.ok_or_else(|| strange("no event"))?;
        if bytes.len() < end + 1 + length {
            return Err(strange("a short message"));
        }
        Ok(Self { bytes, event: (end + 1, end + 1 + length) })
    }

    pub(crate) fn event(&self) -> Result<&str, StoreError> {
        let (from, to) = self.event;
        std::str::from_utf8(&self.bytes[from..to]).map_err(|_| strange("no event"))
    }

    pub(crate) fn payload(&self) -> Bytes {
        self.bytes.slice(self.event.1..)
    }

    /// As it is written.
    pub(crate) fn write(event: &str, payload: &[u8]) -> Vec<u8> {
        let mut out = event.len().to_string().into_bytes();
        out.reserve(1 + event.len() + payload.len());
        out.push(b'\n');
        out.extend(event.as_bytes());
        out.extend(payload);
        out
    }
}

fn line_feed(bytes: &[u8], from: usize) -> Result<usize, StoreError> {
    let found = bytes[from..].iter().position(|byte| *byte == b'\n');
    found.map(|at| from + at).ok_or_else(|| strange("no message"))
}

/// What was tried with a message.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Past {
    #[serde(rename = "a", default)]
    attempts: u32,
    #[serde(rename = "f", default)]
    failures: u32,
    #[serde(rename = "c", default)]
    cuts: u32,
    #[serde(rename = "o", default)]
    cuts_alone: u32,
    #[serde(rename = "t", default)]
    first_attempt_at: String,
    #[serde(rename = "g", default)]
    augmented: bool,
    #[serde(rename = "l", default)]
    log: Vec<Entry>,
}

/// One failed attempt; written without its number, which the script knows.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Entry {
    #[serde(rename = "n", default, skip_serializing)]
    number: u32,
    #[serde(rename = "t")]
    at: String,
    #[serde(rename = "w")]
    what: Arc<str>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    answer: Option<Arc<str>>,
}

impl Past {
    /// Reads it; nothing was tried where there is no text.
    pub(crate) fn read(text: &[u8]) -> Result<Self, StoreError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(text).map_err(|_| strange("no history"))
    }

    pub(crate) fn history(&self) -> Result<History, StoreError> {
        Ok(History {
            attempts: self.attempts,
            failures: self.failures,
            cuts: self.cuts,
            cuts_alone: self.cuts_alone,
            first_attempt_at: moment(&self.first_attempt_at)?,
            augmented: self.augmented,
        })
    }

    pub(crate) fn log(&self) -> Result<Vec<Attempt>, StoreError> {
        let attempt = |entry: &Entry| {
            let Entry { number, at, what, status, answer } = entry.clone();
            let at = moment(&at)?.unwrap_or_default();
            Ok(Attempt { number, at, what, status, answer })
        };
        self.log.iter().map(attempt).collect()
    }
}

/// A failure as the scripts put it into a log.
pub(crate) fn write_failure(failure: &Failure) -> String {
    let what = &failure.what[..failure.what.floor_char_boundary(Failure::ANSWER)];
    let entry = Entry {
        number: 0,
        at: failure.at.0.to_string(),
        what: what.into(),
        status: failure.status,
        answer: failure.answer.clone(),
    };
    serde_json::to_string(&entry).unwrap_or_default()
}

/// A dead letter without its body.
#[derive(Debug, Deserialize)]
pub(crate) struct Letter {
    #[serde(rename = "l")]
    pub(crate) lane: String,
    #[serde(rename = "k")]
    pub(crate) key: String,
    #[serde(rename = "t")]
    pub(crate) topic: Arc<str>,
    #[serde(rename = "a")]
    pub(crate) accepted: String,
    #[serde(rename = "e")]
    pub(crate) expires: String,
    #[serde(rename = "i")]
    pub(crate) id: String,
    #[serde(rename = "r")]
    pub(crate) reason: String,
    #[serde(rename = "d")]
    pub(crate) died: String,
    #[serde(rename = "p")]
    pub(crate) past: Past,
    /// Bytes of its payload.
    #[serde(rename = "n")]
    pub(crate) size: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::hex;

    #[test]
    fn what_was_written_reads_back() {
        let lane = LaneId::new(200, 7);
        let mut value = format!("{}  12 99 3\ngab", hex(lane)).into_bytes();
        value.extend(Body::write("ring\n", b"{}\n"));
        let kept = Kept::read(value.clone()).unwrap();
        assert_eq!((kept.lane, kept.due, kept.expires), (lane, None, Some(Timestamp(99))));
        assert_eq!(kept.id(1, IdSalt(1)).unwrap(), MessageId::Given("ab".into()));
        assert_eq!(
            (kept.body.event().unwrap(), &kept.body.payload()[..]),
            ("ring\n", &b"{}\n"[..])
        );
        for end in 0..value.len() - 3 {
            assert!(Kept::read(value[..end].to_vec()).is_err(), "{end}");
        }
    }
}
