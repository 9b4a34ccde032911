//! The text frames of Phoenix Channels V2: JSON arrays of five. Pure: no socket, no clock.
//!
//! References are the client's own and opaque: a string, a number or `null`. They are kept as the
//! JSON text they came in and echoed byte for byte. A payload is never parsed here.

use serde::Deserializer;
use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A reference as the JSON text it came in, `null` among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref(Box<str>);

impl Ref {
    /// No reference.
    #[must_use]
    pub fn null() -> Self {
        Self("null".into())
    }

    /// The reference that a text frame carried.
    #[must_use]
    pub fn of(raw: &RawValue) -> Self {
        Self(raw.get().into())
    }

    /// The reference that a binary frame carried: there, references are always strings.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        Self(quoted(text).into())
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    /// As JSON.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// As a binary frame carries it: a string without its quotes, a number by its digits, `null`
    /// as nothing.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        match serde_json::from_str::<Cow<'_, str>>(&self.0) {
            Ok(text) => text,
            Err(_) if self.is_null() => Cow::Borrowed(""),
            Err(_) => Cow::Borrowed(&self.0),
        }
    }
}

/// A text that is no frame: not JSON, not an array, or an array of fewer than five.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFrame;

/// One frame, its parts borrowed from the text it was read from.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Of the join that the frame belongs to.
    pub join_ref: &'a RawValue,
    /// Of the frame itself.
    pub reference: &'a RawValue,
    /// Usually a string; anything else is a topic that nobody can have joined.
    pub topic: &'a RawValue,
    /// Usually a string.
    pub event: &'a RawValue,
    /// Any JSON.
    pub payload: &'a RawValue,
}

impl<'a> Frame<'a> {
    /// Reads one frame. What an array holds behind the fifth element is skipped.
    ///
    /// # Errors
    /// The text is no frame.
    ///
    /// ```
    /// use roundsman_server::channel::Frame;
    ///
    /// let frame = Frame::decode(r#"["3","7","user:42","ack",{"ids":[]}]"#).unwrap();
    /// assert_eq!(frame.topic().as_deref(), Some("user:42"));
    /// assert_eq!(frame.reference.get(), "\"7\"");
    /// assert!(Frame::decode("[1,2]").is_err());
    /// ```
    pub fn decode(text: &'a str) -> Result<Self, NoFrame> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let frame = reader.deserialize_seq(Five).map_err(|_| NoFrame)?;
        reader.end().map_err(|_| NoFrame)?;
        Ok(frame)
    }

    /// The topic, where it is a string.
    #[must_use]
    pub fn topic(&self) -> Option<Cow<'a, str>> {
        string(self.topic)
    }

    /// The event, where it is a string.
    #[must_use]
    pub fn event(&self) -> Option<Cow<'a, str>> {
        string(self.event)
    }
}

/// A JSON string's text; `None` for other JSON. Borrowed where nothing is escaped.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    match inner.contains('\\') {
        false => Some(Cow::Borrowed(inner)),
        true => serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned),
    }
}

struct Five;

impl<'de> Visitor<'de> for Five {
    type Value = Frame<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of five")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Frame<'de>, A::Error> {
        let mut next = || seq.next_element()?.ok_or_else(|| A::Error::custom("fewer than five"));
        let (join_ref, reference) = (next()?, next()?);
        let (topic, event, payload) = (next()?, next()?, next()?);
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Frame { join_ref, reference, topic, event, payload })
    }
}

/// How a reply judges what it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was done.
    Ok,
    /// It was not.
    Error,
}

impl Status {
    /// Its word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }
}

/// The reply to `reference`. `topic` and `response` are JSON.
#[must_use]
pub fn reply(
    join_ref: &Ref,
    reference: &Ref,
    topic: &str,
    status: Status,
    response: &str,
) -> String {
    let (join_ref, reference) = (join_ref.as_json(), reference.as_json());
    let status = status.as_str();
    format!(
        r#"[{join_ref},{reference},{topic},"phx_reply",{{"status":"{status}","response":{response}}}]"#
    )
}

/// A frame from the server that answers nothing. `topic` and `payload` are JSON.
#[must_use]
pub fn push(join_ref: &Ref, reference: &Ref, topic: &str, event: &str, payload: &str) -> String {
    let (join_ref, reference, event) = (join_ref.as_json(), reference.as_json(), quoted(event));
    format!("[{join_ref},{reference},{topic},{event},{payload}]")
}

/// The response of a refusal: `{"reason": …}`.
#[must_use]
pub(super) fn reason(words: &str) -> String {
    format!(r#"{{"reason":{}}}"#, quoted(words))
}

/// `text` as a JSON string.
#[must_use]
pub(super) fn quoted(text: &str) -> String {
    // Writing a string into memory cannot fail.
    serde_json::to_string(text).unwrap_or_default()
}
