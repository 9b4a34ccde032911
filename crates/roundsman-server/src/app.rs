//! What every request and every socket of one server shares.

use crate::auth::Access;
use crate::channel::Hub;
use crate::config::Config;
use crate::intake::Intakes;
use crate::webhook::Webhooks;
use roundsman_delivery::Node;
use std::sync::Arc;

/// One running server: its engine, its audience, who gets in, and how it was configured.
///
/// Every request that reaches a router carries its peer as
/// [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo) in its extensions.
#[derive(Clone, Debug)]
pub struct App {
    /// The engine.
    pub node: Node,
    /// Topics and the sockets that joined them; the engine's channel target.
    pub hub: Arc<Hub>,
    /// Receivers and how they do; the engine's webhook target.
    pub webhooks: Webhooks,
    /// Who gets in.
    pub access: Arc<Access>,
    /// What each intake from a log counts.
    pub intakes: Intakes,
    /// As resolved.
    pub config: Arc<Config>,
}
