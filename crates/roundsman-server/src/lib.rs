//! Roundsman, the server: HTTP in, Phoenix Channels sockets out, made of the library's stages.
//!
//! ```text
//!  POST /v1/messages ─► http ─► node (roundsman-delivery) ─► channel::Hub ─► sessions ─► sockets
//!                        ▲                      └─► webhook::Webhooks ─► receivers  │
//!                       auth ◄──────────────── tokens ─────────────────────────┘
//! ```
//!
//! `config` reads what the operator wrote, `store` opens what its URL names, `serve` wires the
//! parts and drains them, `cli` is the command line. [`App`] is what requests and sockets share.

mod app;
pub mod auth;
pub mod channel;
pub mod cli;
pub mod config;
pub mod http;
pub mod intake;
mod listener;
pub mod log;
pub mod lookup;
mod outbox;
mod serve;
mod shutdown;
mod store;
mod tls;
pub mod webhook;

pub use app::App;
pub use serve::{ServeError, Server, Stopped};
