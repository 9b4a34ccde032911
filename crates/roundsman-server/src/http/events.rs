//! What happens to a key's messages, live, a line of JSON each.

use super::problem::{Faults, Problem};
use super::query::{pairs, pointer};
use super::router::Api;
use super::time::write_time;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Response, StatusCode};
use bytes::Bytes;
use futures_util::stream::{once, unfold};
use futures_util::{Stream, StreamExt};
use roundsman_delivery::{Event, Happening, Seen, Watch};
use roundsman_store::{Failure, Key};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// `GET /v1/events?key=…`.
pub(super) async fn events(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response<Body>, Problem> {
    let key = read_key(query.as_deref().unwrap_or_default())?;
    let watch = api.app.node.watch(key.clone()).await;
    let first = json!({ "what": "watching", "key": key.parts().collect::<Vec<_>>() });
    let first = once(async move { Ok::<_, Infallible>(line(&first)) });
    let mut response = Response::new(Body::from_stream(first.chain(lines(watch))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Without news an empty line goes out this often, so that either end finds out that the other is gone.
const QUIET: Duration = Duration::from_secs(15);

fn lines(watch: Watch) -> impl Stream<Item = Result<Bytes, Infallible>> {
    unfold(watch, |mut watch| async {
        let news = match tokio::time::timeout(QUIET, watch.next()).await {
            Ok(None) => return None,
            Ok(Some(Seen::Event(event))) => line(&show(&event)),
            Ok(Some(Seen::Missed(count))) => line(&json!({ "what": "missed", "count": count })),
            Err(_) => Bytes::from_static(b"\n"),
        };
        Some((Ok(news), watch))
    })
}

fn line(value: &Value) -> Bytes {
    format!("{value}\n").into()
}

fn read_key(query: &str) -> Result<Key, Problem> {
    let mut faults = Faults::default();
    let mut key = None;
    for (name, value) in pairs(query)? {
        match (name.as_str(), Key::parse(&value)) {
            ("key", Ok(read)) if key.is_none() => key = Some(read),
            ("key", Ok(_)) => faults.add(0, pointer(&name), "this parameter is given twice"),
            ("key", Err(error)) => faults.add(0, pointer(&name), error.to_string()),
            _ => faults.add(0, pointer(&name), "unknown parameter; there is key"),
        }
    }
    match key {
        Some(key) if faults.is_empty() => Ok(key),
        None if faults.is_empty() => {
            let words = "name the key to watch: ?key=team-7/user-42";
            faults.add(0, pointer("key"), words);
            Err(faults.problem(StatusCode::UNPROCESSABLE_ENTITY))
        }
        _ => Err(faults.problem(StatusCode::UNPROCESSABLE_ENTITY)),
    }
}

/// An event as it is written; what does not apply is left out.
fn show(event: &Event) -> Value {
    let mut shown = json!({
        "at": write_time(event.at),
        "what": word(&event.what),
        "topic": &*event.topic,
        "key": event.key.parts().collect::<Vec<_>>(),
    });
    if let Some(id) = &event.id {
        shown["id"] = (&**id).into();
    }
    match &event.what {
        Happening::Dispatched { attempt } => shown["attempt"] = (*attempt).into(),
        Happening::Failed { failure, again_at } => {
            show_failure(failure, &mut shown);
            shown["again_at"] = write_time(*again_at).into();
        }
        Happening::Dead { reason, failure } => {
            shown["reason"] = reason.as_str().into();
            if let Some(failure) = failure {
                show_failure(failure, &mut shown);
            }
        }
        _ => {}
    }
    shown
}

fn show_failure(failure: &Failure, shown: &mut Value) {
    shown["why"] = (&*failure.what).into();
    if let Some(status) = failure.status {
        shown["status"] = status.into();
    }
    if let Some(answer) = &failure.answer {
        shown["answer"] = (&**answer).into();
    }
}

fn word(what: &Happening) -> &'static str {
    match what {
        Happening::Accepted => "accepted",
        Happening::Dispatched { .. } => "dispatched",
        Happening::Sent => "sent",
        Happening::Delivered => "delivered",
        Happening::Released => "released",
        Happening::Failed { .. } => "failed",
        Happening::Dead { .. } => "dead",
        Happening::Expired => "expired",
        Happening::Dropped => "dropped",
        Happening::TakenBack => "taken_back",
        Happening::Replayed => "replayed",
        Happening::DeadDropped => "dead_dropped",
    }
}
