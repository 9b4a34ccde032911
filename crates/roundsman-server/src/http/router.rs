//! The routes: which handler answers what, behind which door.

use super::guard::{Door, Guard, guard};
use super::problem::Problem;
use super::rates::Rates;
use super::{dead, events, health, keys, messages, stats};
use crate::App;
use crate::auth::Role;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use parking_lot::Mutex;
use std::sync::Arc;

/// What the handlers share.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) app: App,
    pub(super) rates: Mutex<Rates>,
}

impl Api {
    /// Sockets that are open.
    pub(super) fn connections(&self) -> u64 {
        self.app.hub.connections() as u64
    }
}

/// Every route of the HTTP API but the sockets'. What is asked for elsewhere is answered 404 here.
///
/// The address of the other end comes as a request extension, `ConnectInfo<SocketAddr>` or
/// `SocketAddr`; without one it counts as a stranger's.
///
/// # Panics
/// Outside of a tokio runtime: the rates are sampled by a task, which ends with the router.
pub fn router(app: &App) -> Router {
    let api = Arc::new(Api { app: app.clone(), rates: Mutex::default() });
    tokio::spawn(stats::sample(Arc::downgrade(&api)));
    let behind = |door: Door, routes: Router<Arc<Api>>| {
        let guarded = Guard { access: app.access.clone(), door };
        routes.method_not_allowed_fallback(wrong_method).layer(from_fn_with_state(guarded, guard))
    };
    let open =
        Router::new().route("/healthz", get(health::alive)).route("/readyz", get(health::ready));
    let sending = Router::new().route("/v1/messages", post(messages::post));
    let operating = Router::new()
        .route("/v1/messages/{id}", get(messages::find).delete(dead::take_back))
        .route("/v1/dead", get(dead::page))
        .route("/v1/events", get(events::events))
        .route("/v1/dead/replay", post(dead::replay))
        .route("/v1/dead/drop", post(dead::drop_dead))
        .route("/v1/keys/{*key}", get(keys::explain))
        .route("/v1/stats", get(stats::stats))
        .route("/metrics", get(stats::metrics));
    let elsewhere = Router::new().fallback(nothing_here);
    behind(Door::Open, open)
        .merge(behind(Door::Locked(Role::Sender), sending))
        .merge(behind(Door::Locked(Role::Operator), operating))
        .merge(behind(Door::Closed, elsewhere))
        .with_state(api)
}

async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "nothing is here")
}

async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "not with this method; Allow names those that work",
    )
}
