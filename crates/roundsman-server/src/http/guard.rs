//! The door of every route: who gets in, and that a handler's panic stays that request's.

use super::problem::Problem;
use crate::auth::{Access, Denied, Role};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Extensions, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// What it takes to get through.
#[derive(Clone, Copy, Debug)]
pub(super) enum Door {
    /// Nothing.
    Open,
    /// Being let in at all.
    Closed,
    /// A key that allows this.
    Locked(Role),
}

/// A door, and who decides about it.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) access: Arc<Access>,
    pub(super) door: Door,
}

impl Guard {
    fn admit(&self, request: &Request) -> Result<(), Denied> {
        if let Door::Open = self.door {
            return Ok(());
        }
        self.access.admit(request.headers(), peer(request.extensions()))?;
        match self.door {
            Door::Locked(role) => self.access.role(request.headers(), role),
            Door::Open | Door::Closed => Ok(()),
        }
    }
}

/// Runs before, and around, every handler.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if let Err(denied) = guard.admit(&request) {
        return Problem::from(denied).into_response();
    }
    // A handler shares nothing that a panic could leave half done: the engine has its own edges.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("a request's handler panicked");
            let detail = "something went wrong here; whether anything was stored is unknown";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
        }
    }
}

/// Who is at the other end. One that nobody named is treated as a stranger.
fn peer(extensions: &Extensions) -> IpAddr {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| &info.0)
        .or_else(|| extensions.get::<SocketAddr>())
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), SocketAddr::ip)
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let status = StatusCode::from_u16(denied.status).unwrap_or(StatusCode::FORBIDDEN);
        Self::new(status, denied.detail)
    }
}
