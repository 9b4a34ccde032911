//! From the bytes of a body to drafts, or to the one problem that names every fault. Pure.

use super::Form;
use super::draft::Drafts;
use super::fields::Element;
use super::problem::{Fault, Problem};
use crate::config::Limits;
use axum::http::StatusCode;
use roundsman_delivery::Rules;
use roundsman_store::Draft;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::error::Category;
use std::fmt;

/// What a body holds.
#[derive(Debug)]
pub struct Parsed {
    /// Its messages, in order; never none.
    pub drafts: Vec<Draft>,
    /// How they were written, for pointers at them.
    pub shape: Shape,
}

/// How the messages of a body are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One object.
    Object,
    /// An array of objects.
    Array,
    /// An object a line.
    Lines,
}

impl Shape {
    /// The JSON pointer at a message.
    #[must_use]
    pub fn pointer(self, index: usize) -> String {
        match self {
            Self::Object | Self::Lines => String::new(),
            Self::Array => format!("/{index}"),
        }
    }
}

/// Reads a body whole, within `limits`. `rules` say which topics there are, and `is_joined` whether
/// somebody is there, which decides [`Draft::held`].
///
/// # Errors
/// 400 where it cannot be read, else 413 with every message that is too large (or too many), else
/// 422 with every fault. Nothing of a faulty body is worth keeping.
///
/// # Examples
/// ```
/// use roundsman_delivery::Rules;
/// use roundsman_server::config::Limits;
/// use roundsman_server::http::{Form, parse};
///
/// let body = br#"[{"topic":"user:1","payload":{}},{"topic":"","payload":7}]"#;
/// let (rules, limits) = (Rules::default(), Limits::default());
/// let problem = parse(body, Form::Json, &rules, &limits, &|_| true).unwrap_err();
/// let pointers: Vec<_> = problem.errors.iter().map(|fault| fault.pointer.as_str()).collect();
/// assert_eq!(pointers, ["/1/topic", "/1/payload"]);
/// ```
pub fn parse(
    body: &[u8],
    form: Form,
    rules: &Rules,
    limits: &Limits,
    is_joined: &dyn Fn(&str) -> bool,
) -> Result<Parsed, Problem> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let shape = match (form, first) {
        (Form::Lines, _) => Shape::Lines,
        (Form::Json, Some(b'[')) => Shape::Array,
        (Form::Json, _) => Shape::Object,
    };
    let text =
        std::str::from_utf8(body).map_err(|error| bad_utf8(body, error.valid_up_to(), shape))?;
    let mut drafts = Drafts::new(shape, rules, limits, is_joined);
    match shape {
        Shape::Object => read_object(text, &mut drafts)?,
        Shape::Array => read_array(text, &mut drafts)?,
        Shape::Lines => read_lines(text, &mut drafts)?,
    }
    finish(drafts, limits, shape)
}

fn finish(drafts: Drafts<'_>, limits: &Limits, shape: Shape) -> Result<Parsed, Problem> {
    if drafts.are_too_many() {
        let most = limits.messages;
        let detail = format!("a body has at most {most} messages; nothing was stored");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    if !drafts.large.is_empty() {
        return Err(drafts.large.problem(StatusCode::PAYLOAD_TOO_LARGE));
    }
    if !drafts.faults.is_empty() {
        return Err(drafts.faults.problem(StatusCode::UNPROCESSABLE_ENTITY));
    }
    if drafts.done.is_empty() {
        let detail = "a body holds at least one message";
        let fault = Fault { index: 0, pointer: String::new(), detail: detail.into() };
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).with_errors(vec![fault]));
    }
    Ok(Parsed { drafts: drafts.done, shape })
}

fn read_object(text: &str, drafts: &mut Drafts<'_>) -> Result<(), Problem> {
    let element = serde_json::from_str(text).map_err(|error| unreadable(&error, 0, 0, ""))?;
    take(element, drafts);
    Ok(())
}

fn read_array(text: &str, drafts: &mut Drafts<'_>) -> Result<(), Problem> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Messages(drafts).deserialize(&mut reader).and_then(|()| reader.end());
    match read {
        Ok(()) => Ok(()),
        // Ours, to stop at one too many: `finish` says so.
        Err(error) if error.classify() == Category::Data => Ok(()),
        Err(error) => {
            let pointer = Shape::Array.pointer(drafts.seen);
            Err(unreadable(&error, 0, drafts.seen, &pointer))
        }
    }
}

fn read_lines(text: &str, drafts: &mut Drafts<'_>) -> Result<(), Problem> {
    for (above, line) in text.split('\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let element = serde_json::from_str(line)
            .map_err(|error| unreadable(&error, above, drafts.seen, ""))?;
        take(element, drafts);
        if drafts.are_too_many() {
            break;
        }
    }
    Ok(())
}

fn take(element: Element<'_>, drafts: &mut Drafts<'_>) {
    match element {
        Element::Message(fields) => drafts.take(&fields),
        Element::Other => drafts.take_other(),
    }
}

/// Reads the array of messages, each as it comes.
struct Messages<'d, 'a>(&'d mut Drafts<'a>);

impl<'de> DeserializeSeed<'de> for Messages<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Messages<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("messages")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut elements: S) -> Result<(), S::Error> {
        while let Some(element) = elements.next_element()? {
            take(element, self.0);
            if self.0.are_too_many() {
                return Err(S::Error::custom("too many messages"));
            }
        }
        Ok(())
    }
}

/// 400, with the place: `above` lines come before the text that was read, and `index` messages.
fn unreadable(error: &serde_json::Error, above: usize, index: usize, pointer: &str) -> Problem {
    let told = error.to_string();
    // The library's own position knows nothing of the lines above.
    let what = told.rsplit_once(" at line ").map_or(told.as_str(), |(what, _)| what);
    let detail = format!("line {}, column {}: {what}", above + error.line(), error.column());
    bad_request("the body is not JSON", index, pointer.to_owned(), detail)
}

/// 400, with the place of the first byte that is no UTF-8.
fn bad_utf8(body: &[u8], at: usize, shape: Shape) -> Problem {
    let before = &body[..at];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
    let index = match shape {
        Shape::Lines => {
            let whole = before.len() - (column - 1);
            let lines = before[..whole].split(|byte| *byte == b'\n');
            lines.filter(|line| !line.trim_ascii().is_empty()).count()
        }
        Shape::Object | Shape::Array => 0,
    };
    let detail = format!("line {line}, column {column}: a body is UTF-8, and this byte is not");
    bad_request("the body is not UTF-8", index, String::new(), detail)
}

fn bad_request(what: &str, index: usize, pointer: String, detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("{what}: {detail}; nothing was stored"))
        .with_errors(vec![Fault { index, pointer, detail: detail.into() }])
}
