//! Whether the process is alive, and whether it can accept: for supervisors and load balancers.

use super::problem::Problem;
use super::router::Api;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;

/// `GET /healthz`: answers for as long as the process can answer at all.
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// `GET /readyz`: the store answers and the node is not draining.
pub(super) async fn ready(State(api): State<Arc<Api>>) -> Result<&'static str, Problem> {
    if api.app.node.is_ready().await {
        return Ok("ready\n");
    }
    let detail = "not ready: draining, or the store is away";
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(2))
}
