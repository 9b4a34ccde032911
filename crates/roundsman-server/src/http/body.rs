//! A body's declared type, and its bytes: bounded in size and in time.

use super::problem::Problem;
use crate::config::Limits;
use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

/// A body that is too large is read on up to so many times the limit, unkept, so that its sender
/// hears the answer rather than a connection reset. Beyond, it may as well be endless.
const UNKEPT: usize = 4;

/// Set aside before the first byte has come, at most: a length costs its sender nothing.
const MAX_AHEAD: usize = 256 << 10;

/// How a body says it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `application/json`.
    Json,
    /// `application/x-ndjson`.
    Lines,
}

impl Form {
    /// What the headers declare.
    ///
    /// # Errors
    /// 415: nothing, another type, or a compressed body.
    pub fn declared(headers: &HeaderMap) -> Result<Self, Problem> {
        let refuse = |detail| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        let encoding = headers.get(CONTENT_ENCODING).map(|value| value.as_bytes());
        if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
            return refuse("send the body without Content-Encoding");
        }
        let declared = headers.get(CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
        let essence = declared.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if essence.eq_ignore_ascii_case(b"application/json") {
            Ok(Self::Json)
        } else if essence.eq_ignore_ascii_case(b"application/x-ndjson") {
            Ok(Self::Lines)
        } else {
            refuse("declare the body: Content-Type is application/json or application/x-ndjson")
        }
    }
}

/// Reads a body to its end.
///
/// # Errors
/// 413 where it is too large, 408 where it takes too long, 400 where it is cut off.
pub(super) async fn collect(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
) -> Result<Bytes, Problem> {
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok())
        .unwrap_or(0);
    // Whoever asks first has sent nothing yet, and can be told at once.
    let most = limits.body;
    if declared > UNKEPT * most || (declared > most && headers.contains_key(EXPECT)) {
        return Err(too_large(most).closing());
    }
    match tokio::time::timeout(limits.body_time, read(declared, body, most)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body took longer than {:?}; nothing was stored", limits.body_time),
        )
        .closing()),
    }
}

/// Frame by frame. A body that comes in one piece, as most do, is not copied.
async fn read(declared: usize, mut body: Body, most: usize) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    let mut length = 0usize;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            let detail = "the body was cut off; nothing was stored";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail).closing());
        };
        let Ok(data) = frame.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length > UNKEPT * most {
            return Err(too_large(most).closing());
        }
        if length > most {
            (first, whole) = (Bytes::new(), BytesMut::new());
        } else if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            if whole.is_empty() {
                whole.reserve(declared.clamp(length, length.max(MAX_AHEAD)));
                whole.extend_from_slice(&first);
                first = Bytes::new();
            }
            whole.extend_from_slice(&data);
        }
    }
    match length {
        _ if length > most => Err(too_large(most)),
        _ if whole.is_empty() => Ok(first),
        _ => Ok(whole.freeze()),
    }
}

fn too_large(most: usize) -> Problem {
    let detail = format!("a body has at most {most} bytes; nothing was stored");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}
