//! Problem documents (RFC 9457): how every error of the API looks.
//!
//! `type` is always `about:blank`: the status says which kind of problem it is, `title` is its
//! name, and `detail` and `errors` say the rest. There is no second vocabulary to keep stable.

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use std::borrow::Cow;

/// Faults listed in one answer, at most: a body of 16 MiB can hold more of them than anyone reads.
pub const MAX_FAULTS: usize = 10_000;

/// One fault of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which message, counted from 0.
    pub index: usize,
    /// Where in the body, as a JSON pointer.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: Cow<'static, str>,
}

/// One error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its status.
    pub status: StatusCode,
    /// What happened and what to do, in a sentence.
    pub detail: Cow<'static, str>,
    /// Every fault, where a body is at fault.
    pub errors: Vec<Fault>,
    /// When to come again, in seconds.
    pub retry_after: Option<u32>,
    /// The rest of the request was not read: the connection cannot go on.
    pub closes: bool,
}

impl Problem {
    /// A problem of this status.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new(), retry_after: None, closes: false }
    }

    /// With these faults of the body.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<Fault>) -> Self {
        self.errors = errors;
        self
    }

    /// With the time after which to come again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// All of it in a line, for where there is no body that a pointer could lead into.
    #[must_use]
    pub(crate) fn words(&self) -> String {
        let words = |fault: &Fault| format!("{}: {}", fault.pointer, fault.detail);
        match self.errors.as_slice() {
            [] => self.detail.clone().into_owned(),
            faults => faults.iter().map(words).collect::<Vec<_>>().join("; "),
        }
    }

    /// After which the connection is closed.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closes = true;
        self
    }
}

/// As it is written on the wire.
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
        };
        // Strings and numbers only: serializing them does not fail.
        let mut response =
            Response::new(Body::from(serde_json::to_vec(&document).unwrap_or_default()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Faults as they are found, up to [`MAX_FAULTS`].
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(
        &mut self,
        index: usize,
        pointer: String,
        detail: impl Into<Cow<'static, str>>,
    ) {
        if !self.is_full() {
            self.0.push(Fault { index, pointer, detail: detail.into() });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As many as are listed: what follows need not be looked at.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MAX_FAULTS
    }

    /// The problem made of them.
    pub(crate) fn problem(self, status: StatusCode) -> Problem {
        let detail: Cow<'static, str> = match (self.0.as_slice(), self.is_full()) {
            ([only], _) => only.detail.clone(),
            (all, false) => format!("{} faults, nothing was stored; see errors", all.len()).into(),
            (_, true) => format!(
                "at least {MAX_FAULTS} faults, nothing was stored; see errors for the first of them"
            )
            .into(),
        };
        Problem::new(status, detail).with_errors(self.0)
    }
}
