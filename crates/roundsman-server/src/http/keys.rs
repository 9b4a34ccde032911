//! `GET /v1/keys/{key}`: why a key's messages wait.

use super::answer::json as answer;
use super::messages::store_problem;
use super::problem::{Faults, Problem};
use super::router::Api;
use super::time::write_time;
use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::http::{Response, StatusCode};
use percent_encoding::percent_decode_str;
use roundsman_delivery::{Charge, KeyReport, Wait};
use roundsman_store::Key;
use serde_json::{Value, json};
use std::sync::Arc;

/// What the path begins with; the key is the rest of it.
const PATH: &str = "/v1/keys/";

/// The handler. Slashes of the path join the parts of the key: it is taken as it was sent, since
/// a part may hold anything, a slash as `~1` or as `%7E1`, and `%2F` reads as the slash it is.
pub(super) async fn explain(
    State(api): State<Arc<Api>>,
    OriginalUri(uri): OriginalUri,
) -> Result<Response<Body>, Problem> {
    let key = read_key(uri.path().strip_prefix(PATH).unwrap_or_default())?;
    let report = api.app.node.explain(&key).await.map_err(|error| store_problem(&error))?;
    let charge = api.app.node.dispatch().charge;
    Ok(answer(StatusCode::OK, shown(&key, &report, charge).to_string()))
}

fn read_key(written: &str) -> Result<Key, Problem> {
    let mut faults = Faults::default();
    let decoded = percent_decode_str(written).decode_utf8();
    let decoded =
        decoded.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the key is not UTF-8"))?;
    Key::parse(&decoded).map_err(|error| {
        faults.add(0, "/key".to_owned(), format!("{error}; {HOW}"));
        faults.problem(StatusCode::UNPROCESSABLE_ENTITY)
    })
}

const HOW: &str =
    "the parts of a key are joined by `/`, with `~1` for `/` and `~0` for `~` inside a part";

fn shown(key: &Key, report: &KeyReport, charge: Charge) -> Value {
    let unit = match charge {
        Charge::Time => "microseconds",
        Charge::Bytes => "bytes",
        Charge::Count => "thousandths of a message",
    };
    json!({
        "key": key.as_str(),
        "parts": key.parts().collect::<Vec<_>>(),
        "state": state(report),
        "backlog": report.backlog,
        "held": report.held,
        "in_flight": report.in_flight,
        "waiting": report.waiting,
        "waited_seconds": report.waited.map(|waited| waited.as_secs_f64()),
        "ready": report.ready,
        "parked": report.parked.iter().map(parked).collect::<Vec<_>>(),
        "debt": { "amount": report.debt, "unit": unit },
        "turns_ahead": report.turns_ahead,
    })
}

/// The one word for it.
fn state(report: &KeyReport) -> &'static str {
    if report.ready {
        "ready"
    } else if !report.parked.is_empty() {
        "parked"
    } else if report.in_flight > 0 {
        "in_flight"
    } else if report.backlog > 0 {
        "waiting"
    } else {
        "idle"
    }
}

fn parked(wait: &Wait) -> Value {
    let (why, what) = match wait {
        Wait::Cap => ("cap", "as many of the key are in flight as may be"),
        Wait::Rate => ("rate", "the key has had its turns for now"),
        Wait::Reserve => ("reserve", "the slots that are left are kept for others"),
        Wait::Window => ("window", "as many wait for an acknowledgement as may"),
        Wait::Backoff { .. } => ("back-off", "a failed attempt is tried again later"),
        Wait::Absent => ("absent", "nobody has joined"),
        Wait::Endpoint => ("endpoint", "what they are for does not answer"),
        Wait::Slots => ("slots", "as many are on their way to the same endpoint as may be"),
    };
    let mut shown = json!({ "why": why, "detail": what });
    if let Wait::Backoff { until } = wait {
        shown["until"] = json!(write_time(*until));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written_in_a_path() {
        for (written, parts) in [
            ("user:42", vec!["user:42"]),
            ("team-7/user-42", vec!["team-7", "user-42"]),
            ("a~1b/c~0d", vec!["a/b", "c~d"]),
            ("a%7E1b/%C3%A4%20b", vec!["a/b", "ä b"]),
            ("a%2Fb", vec!["a", "b"]),
            ("*/stats", vec!["*", "stats"]),
        ] {
            let key = read_key(written).unwrap();
            assert_eq!(key.parts().collect::<Vec<_>>(), parts, "{written}");
        }
        for (written, status) in [
            ("", 422),
            ("a//b", 422),
            ("a/", 422),
            ("a~2", 422),
            ("1/2/3/4/5/6/7/8/9", 422),
            ("%FF", 400),
        ] {
            assert_eq!(read_key(written).unwrap_err().status.as_u16(), status, "{written}");
        }
    }
}
