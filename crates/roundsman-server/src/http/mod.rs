//! The HTTP API: routes, bodies, answers.

use crate::App;
use axum::Router;

/// Every route of the HTTP API but the sockets'.
pub fn router(app: &App) -> Router {
    let _ = app;
    unimplemented!()
}
