//! From a message's raw fields to a draft, or to every fault in them.

use super::canonical::canonical;
use super::fields::{Field, Fields, NAMES};
use super::problem::Faults;
use super::time::{BAD_TIME, read_time};
use super::{MAX_DEPTH, Shape};
use crate::config::Limits;
use bytes::Bytes;
use roundsman_delivery::intake::{check_event, check_id, check_times, check_topic};
use roundsman_delivery::{Offline, Rules, To};
use roundsman_store::{Draft, Fingerprint, Key, KeyError, Timestamp};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;

/// The words of the faults that only JSON can have.
mod fault {
    pub(super) const NO_MESSAGE: &str = "a message is a JSON object";
    pub(super) const NO_TOPIC: &str = "a message needs a topic";
    pub(super) const NO_PAYLOAD: &str = "a message needs a payload, a JSON object";
    pub(super) const NO_RULE: &str = "no delivery rule matches this topic";
    pub(super) const PAYLOAD: &str = "a payload is a JSON object";
    pub(super) const DEPTH: &str = "a payload is nested at most 128 deep";
    pub(super) const TEXT: &str = "this field is a string of Unicode text";
    pub(super) const KEY: &str = "a key is a string, or an array of 1 to 8 strings, widest first";
    pub(super) const TWICE: &str = "this field is given twice";
}

/// Drafts as they are read, and what is wrong with those that are none.
pub(super) struct Drafts<'a> {
    shape: Shape,
    rules: &'a Rules,
    limits: &'a Limits,
    is_joined: &'a dyn Fn(&str) -> bool,
    /// Those without fault, in order.
    pub(super) done: Vec<Draft>,
    /// Messages seen so far.
    pub(super) seen: usize,
    /// Faults of fields.
    pub(super) faults: Faults,
    /// Messages that are too large.
    pub(super) large: Faults,
    default_event: Arc<str>,
    last_event: Arc<str>,
    /// The topic before, and whether it will be held: neighbours often share it.
    last_topic: Option<(Arc<str>, bool)>,
}

impl<'a> Drafts<'a> {
    pub(super) fn new(
        shape: Shape,
        rules: &'a Rules,
        limits: &'a Limits,
        is_joined: &'a dyn Fn(&str) -> bool,
    ) -> Self {
        let default_event: Arc<str> = "message".into();
        Self {
            shape,
            rules,
            limits,
            is_joined,
            done: Vec::new(),
            seen: 0,
            faults: Faults::default(),
            large: Faults::default(),
            last_event: default_event.clone(),
            default_event,
            last_topic: None,
        }
    }

    /// Takes the next message.
    pub(super) fn take(&mut self, fields: &Fields<'_>) {
        let index = self.seen;
        self.seen += 1;
        if fields.size > self.limits.message {
            let most = self.limits.message;
            let words = format!("a message has at most {most} bytes of field names and values");
            self.large.add(index, self.shape.pointer(index), words);
        }
        // What will be answered with faults or as too large needs no drafts.
        if !self.large.is_empty() || self.faults.is_full() {
            return;
        }
        self.names(index, fields);
        let draft = self.draft(index, fields);
        if self.faults.is_empty() {
            self.done.extend(draft);
        }
    }

    /// Whether one more came than a body may have.
    pub(super) fn are_too_many(&self) -> bool {
        self.seen > self.limits.messages
    }

    /// Takes what stands where a message should.
    pub(super) fn take_other(&mut self) {
        self.faults.add(self.seen, self.shape.pointer(self.seen), fault::NO_MESSAGE);
        self.seen += 1;
    }

    fn fault(&mut self, index: usize, field: Field, detail: impl Into<Cow<'static, str>>) {
        let pointer = format!("{}/{}", self.shape.pointer(index), NAMES[field as usize]);
        self.faults.add(index, pointer, detail);
    }

    /// Faults of the names themselves.
    fn names(&mut self, index: usize, fields: &Fields<'_>) {
        for field in &fields.twice {
            self.fault(index, *field, fault::TWICE);
        }
        for name in &fields.strange {
            if self.faults.is_full() {
                return;
            }
            let short: String = name.chars().take(64).collect();
            let pointer = format!("{}/{}", self.shape.pointer(index), escape(name));
            let known = NAMES.join(", ");
            self.faults.add(index, pointer, format!("unknown field {short:?}; there are {known}"));
        }
    }

    /// The draft, or `None` and at least one fault more.
    fn draft(&mut self, index: usize, fields: &Fields<'_>) -> Option<Draft> {
        // Every field is looked at before any is missed: all faults are answered together.
        let topic = self.topic(index, fields);
        let payload = self.payload(index, fields);
        let event = self.event(index, fields);
        let key = self.key(index, fields);
        let id = self.id(index, fields);
        let deliver_at = self.time(index, fields, Field::DeliverAt);
        let expires_at = self.time(index, fields, Field::ExpiresAt);
        let (deliver_at, expires_at) = (deliver_at?, expires_at?);
        if let Err(words) = check_times(deliver_at, expires_at) {
            self.fault(index, Field::ExpiresAt, words);
        }
        let ((topic, held), payload, event, key, id) = (topic?, payload?, event?, key?, id?);
        let key = match key {
            Some(key) => key,
            // A topic has 1 to 255 bytes, as a part has: it always makes a key.
            None => Key::from_parts([&*topic]).ok()?,
        };
        let id = id.map(|id| {
            let print = fingerprint(&topic, &key, &event, payload, [deliver_at, expires_at]);
            (Arc::from(&*id), print)
        });
        // Copied out of the body, not a slice of it: one held message must not hold 16 MiB.
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        Some(Draft { topic, key, event, payload, id, deliver_at, expires_at, held })
    }

    /// The topic, and whether the message will be held.
    fn topic(&mut self, index: usize, fields: &Fields<'_>) -> Option<(Arc<str>, bool)> {
        let Some(value) = fields.value(Field::Topic) else {
            self.fault(index, Field::Topic, fault::NO_TOPIC);
            return None;
        };
        let topic = self.text(index, Field::Topic, value)?;
        if let Some(last) = self.last_topic.as_ref().filter(|(last, _)| **last == *topic) {
            return Some(last.clone());
        }
        if let Err(words) = check_topic(&topic) {
            self.fault(index, Field::Topic, words);
            return None;
        }
        let Some((_, rule)) = self.rules.find(&topic) else {
            self.fault(index, Field::Topic, fault::NO_RULE);
            return None;
        };
        let held =
            rule.to == To::Channel && rule.offline == Offline::Hold && !(self.is_joined)(&topic);
        let found = (Arc::from(&*topic), held);
        self.last_topic = Some(found.clone());
        Some(found)
    }

    fn payload<'p>(&mut self, index: usize, fields: &Fields<'p>) -> Option<&'p str> {
        let Some(value) = fields.value(Field::Payload) else {
            self.fault(index, Field::Payload, fault::NO_PAYLOAD);
            return None;
        };
        let payload = value.get();
        if !payload.starts_with('{') {
            self.fault(index, Field::Payload, fault::PAYLOAD);
            return None;
        }
        if is_too_deep(payload) {
            self.fault(index, Field::Payload, fault::DEPTH);
            return None;
        }
        Some(payload)
    }

    fn event(&mut self, index: usize, fields: &Fields<'_>) -> Option<Arc<str>> {
        let Some(value) = optional(fields, Field::Event) else {
            return Some(self.default_event.clone());
        };
        let event = self.text(index, Field::Event, value)?;
        if *event == *self.last_event {
            return Some(self.last_event.clone());
        }
        if let Err(words) = check_event(&event) {
            self.fault(index, Field::Event, words);
            return None;
        }
        self.last_event = Arc::from(&*event);
        Some(self.last_event.clone())
    }

    /// `Some(None)`: left out.
    fn key(&mut self, index: usize, fields: &Fields<'_>) -> Option<Option<Key>> {
        let Some(value) = optional(fields, Field::Key) else {
            return Some(None);
        };
        let parts = match value.get().as_bytes().first() {
            Some(b'"') => text(value).map(|part| vec![part]),
            Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(value.get())
                .ok()
                .and_then(|parts| parts.into_iter().map(text).collect()),
            _ => None,
        };
        let Some(parts) = parts else {
            self.fault(index, Field::Key, fault::KEY);
            return None;
        };
        match Key::from_parts(&parts) {
            Ok(key) => Some(Some(key)),
            Err(error) => {
                let mut pointer = format!("{}/key", self.shape.pointer(index));
                let part = match error {
                    KeyError::EmptyPart(part) | KeyError::LongPart(part) => Some(part),
                    _ => None,
                };
                if let Some(part) = part.filter(|_| value.get().starts_with('[')) {
                    pointer.push_str(&format!("/{part}"));
                }
                self.faults.add(index, pointer, error.to_string());
                None
            }
        }
    }

    /// `Some(None)`: left out.
    fn id<'f>(&mut self, index: usize, fields: &Fields<'f>) -> Option<Option<Cow<'f, str>>> {
        let Some(value) = optional(fields, Field::Id) else {
            return Some(None);
        };
        let id = self.text(index, Field::Id, value)?;
        if let Err(words) = check_id(&id) {
            self.fault(index, Field::Id, words);
            return None;
        }
        Some(Some(id))
    }

    /// `Some(None)`: left out.
    fn time(
        &mut self,
        index: usize,
        fields: &Fields<'_>,
        field: Field,
    ) -> Option<Option<Timestamp>> {
        let Some(value) = optional(fields, field) else {
            return Some(None);
        };
        let time = text(value).and_then(|written| read_time(&written));
        if time.is_none() {
            self.fault(index, field, BAD_TIME);
        }
        time.map(Some)
    }

    fn text<'f>(
        &mut self,
        index: usize,
        field: Field,
        value: &'f RawValue,
    ) -> Option<Cow<'f, str>> {
        let text = text(value);
        if text.is_none() {
            self.fault(index, field, fault::TEXT);
        }
        text
    }
}

/// An optional field's value; `null` is as good as left out.
fn optional<'f>(fields: &Fields<'f>, field: Field) -> Option<&'f RawValue> {
    fields.value(field).filter(|value| value.get() != "null")
}

/// The text of a string; `None` where it is none, or has half of a surrogate pair in it.
fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let written = value.get();
    let inner = written.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(written).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// A name as part of a JSON pointer.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Whether a value, which is JSON, is nested deeper than [`MAX_DEPTH`].
fn is_too_deep(json: &str) -> bool {
    // Most payloads are told by their length, or by all their brackets, wherever they stand: only
    // the rest need strings told from structure. Bytes are counted in bytes, which the compiler
    // turns into wide instructions; `[` and `{` differ in the one bit that is set here.
    let opening = |byte: &u8| u8::from(byte | 0x20 == b'{');
    let count = |part: &[u8]| usize::from(part.iter().map(opening).sum::<u8>());
    if json.len() <= 2 * MAX_DEPTH
        || json.as_bytes().chunks(usize::from(u8::MAX)).map(count).sum::<usize>() <= MAX_DEPTH
    {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// What tells whether two sendings of an id are the same message, however each is written.
fn fingerprint(
    topic: &str,
    key: &Key,
    event: &str,
    payload: &str,
    times: [Option<Timestamp>; 2],
) -> Fingerprint {
    let [deliver_at, expires_at] = times.map(|time| time.map(|at| at.0.to_le_bytes()));
    Fingerprint::of(&[
        topic.as_bytes(),
        key.as_str().as_bytes(),
        event.as_bytes(),
        &canonical(payload),
        deliver_at.as_ref().map_or(&[], |at| at.as_slice()),
        expires_at.as_ref().map_or(&[], |at| at.as_slice()),
    ])
}
