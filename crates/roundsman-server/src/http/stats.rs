//! What the node is doing: `/v1/stats` for people and programs, `/metrics` for Prometheus.

use super::answer::json as answer;
use super::messages::store_problem;
use super::problem::Problem;
use super::prometheus;
use super::rates::Sample;
use super::router::Api;
use super::time::write_time;
use crate::webhook::Ailing;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// `GET /v1/stats`.
pub(super) async fn stats(State(api): State<Arc<Api>>) -> Result<Response<Body>, Problem> {
    let snapshot = api.app.node.snapshot().await.map_err(|error| store_problem(&error))?;
    let (accepted, delivered) = api.rates.lock().per_second();
    let stages: Vec<Value> = snapshot
        .stages
        .iter()
        .map(|stage| {
            json!({ "stage": stage.stage, "demand": stage.demand, "buffered": stage.buffered })
        })
        .collect();
    let busiest: Vec<Value> = snapshot
        .busiest
        .iter()
        .map(|busy| {
            json!({
                "key": busy.key,
                "in_flight": busy.in_flight,
                "waiting": busy.waiting,
                "waited_seconds": busy.waited.as_secs_f64(),
            })
        })
        .collect();
    let (ailing, count) = api.app.webhooks.ailing(SHOWN);
    let shown = json!({
        "backlog": snapshot.backlog,
        "in_flight": snapshot.in_flight,
        "unacknowledged": snapshot.unacknowledged,
        "held": snapshot.held,
        "scheduled": snapshot.scheduled,
        "dead": snapshot.dead,
        "connections": api.connections(),
        "rates": { "accepted_per_second": accepted, "delivered_per_second": delivered },
        "stages": stages,
        "busiest": busiest,
        "endpoints": { "ailing": count, "worst": ailing.iter().map(endpoint).collect::<Vec<_>>() },
    });
    Ok(answer(StatusCode::OK, shown.to_string()))
}

/// Endpoints that are shown at most.
const SHOWN: usize = 100;

/// An endpoint that is not sent to. What stands behind `?` in its URL is often a secret.
fn endpoint(ailing: &Ailing) -> Value {
    json!({
        "url": ailing.url.split('?').next(),
        "state": ailing.state,
        "failures": ailing.failures,
        "since": write_time(ailing.since),
        "next": ailing.next.and_then(write_time),
        "last": *ailing.last,
    })
}

/// `GET /metrics`. Answers while the store is away too: that is when it is looked at.
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let snapshot = api.app.node.snapshot().await.ok();
    let connections = api.connections();
    let (node, intakes) = (&api.app.node, &api.app.intakes);
    let text = prometheus::render(node.metrics(), snapshot.as_ref(), connections, intakes);
    ([(CONTENT_TYPE, prometheus::CONTENT_TYPE)], text)
}

/// Looks at the counters once a second, for as long as the router is there.
pub(super) async fn sample(api: Weak<Api>) {
    let start = Instant::now();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        seconds.tick().await;
        let Some(api) = api.upgrade() else { return };
        let metrics = api.app.node.metrics();
        api.rates.lock().add(Sample {
            at: start.elapsed(),
            accepted: metrics.accepted.load(Ordering::Relaxed),
            delivered: metrics.delivered.load(Ordering::Relaxed),
        });
    }
}
