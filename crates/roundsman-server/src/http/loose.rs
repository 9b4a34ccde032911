//! A message whose fields come singly, as from a row or a record: made the body of a request, so that
//! it is checked as one is.

use super::body::Form;
use super::parse::parse;
use super::time::write_time;
use crate::config::Limits;
use roundsman_delivery::Rules;
use roundsman_store::{Draft, Key, Timestamp};
use std::fmt::Write as _;

/// The fields of one message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loose<'a> {
    pub(crate) topic: &'a str,
    /// One value of JSON, known to be that: it goes into a body as it is, and must not end it.
    pub(crate) payload: &'a str,
    pub(crate) event: Option<&'a str>,
    /// Its parts joined by `/`.
    pub(crate) key: Option<&'a str>,
    pub(crate) id: Option<&'a str>,
    pub(crate) deliver_at: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// What a message is checked against.
pub(crate) struct Checks<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) limits: &'a Limits,
    pub(crate) is_joined: &'a dyn Fn(&str) -> bool,
}

impl Loose<'_> {
    /// As the body of a request.
    ///
    /// # Errors
    /// The field that cannot be written as one, and why.
    pub(crate) fn body(&self) -> Result<String, (&'static str, String)> {
        let mut body = format!("{{\"topic\":{},\"payload\":{}", quoted(self.topic), self.payload);
        let mut add = |name: &str, value: String| {
            // Writing to a string does not fail.
            let _ = write!(body, ",\"{name}\":{value}");
        };
        for (name, text) in [("event", self.event), ("id", self.id)] {
            if let Some(text) = text {
                add(name, quoted(text));
            }
        }
        if let Some(key) = self.key {
            let key = Key::parse(key).map_err(|error| ("key", error.to_string()))?;
            add("key", serde_json::Value::from_iter(key.parts()).to_string());
        }
        for (name, time) in [("deliver_at", self.deliver_at), ("expires_at", self.expires_at)] {
            if let Some(time) = time {
                let written = write_time(time);
                let written = written.ok_or((name, "not before the year 10000".to_owned()))?;
                add(name, quoted(&written));
            }
        }
        body.push('}');
        Ok(body)
    }
}

impl Checks<'_> {
    /// The message of such a body.
    ///
    /// # Errors
    /// What the API would say of it.
    pub(crate) fn draft(&self, body: &str) -> Result<Draft, String> {
        let parsed = parse(body.as_bytes(), Form::Json, self.rules, self.limits, self.is_joined);
        let draft = parsed.map_err(|problem| problem.words())?.drafts.pop();
        draft.ok_or_else(|| "no message".to_owned())
    }
}

/// As a string of JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
