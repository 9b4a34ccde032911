//! The configuration as the server uses it: plain data, checked, every unit resolved.

use super::{Origin, StoreUrl};
use crate::intake::Intake;
use crate::lookup::Augmentation;
use crate::webhook::Webhook;
use ipnet::IpNet;
use jsonwebtoken::{Algorithm, DecodingKey};
use roundsman_delivery::{Dispatch, Retry, Rules, Settings, To};
use roundsman_store::Bounds;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// How the engine names the target of webhooks.
pub const WEBHOOK: To = To::Target(0);

/// The configuration as the server uses it.
///
/// ```
/// use roundsman_server::config::{Config, StoreUrl};
///
/// let config = Config { store: StoreUrl::Memory, ..Config::default() };
/// assert_eq!(config.listen.to_string(), "127.0.0.1:4000");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where it listens; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Where messages are kept.
    pub store: StoreUrl,
    /// Settings of the store that may make its promise weaker.
    pub accept_weaker: Vec<String>,
    /// Certificate and key; plain HTTP without.
    pub tls: Option<Tls>,
    /// Whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who gets in; without it anybody on loopback.
    pub auth: Option<Auth>,
    /// Demand of the node.
    pub dispatch: Dispatch,
    /// How much is taken in.
    pub bounds: Bounds,
    /// How failures are tried again.
    pub retry: Retry,
    /// How long dead letters are kept; `None`: until somebody drops them.
    pub dead_kept: Option<Duration>,
    /// Logs that messages are taken in from.
    pub intakes: Vec<Intake>,
    /// What is added to messages, in order.
    pub augments: Vec<Augmentation>,
    /// What goes where.
    pub rules: Rules,
    /// The webhooks of those rules that go to one, by the rule's number.
    pub webhooks: BTreeMap<usize, Webhook>,
    /// What one client may ask of the server. Not in the file.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4000),
            store: StoreUrl::Sqlite(PathBuf::from("roundsman.db")),
            accept_weaker: Vec::new(),
            tls: None,
            trusted_proxies: Vec::new(),
            auth: None,
            dispatch: Dispatch::default(),
            bounds: Bounds {
                backlog: 10_000_000,
                backlog_per_key: 1_000_000,
                held_per_topic: 10_000,
                ids: 10_000_000,
                expires_after: Some(Duration::from_hours(7 * 24)),
            },
            retry: Retry::default(),
            dead_kept: None,
            intakes: Vec::new(),
            augments: Vec::new(),
            rules: Rules::default(),
            webhooks: BTreeMap::new(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// What the engine runs by.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            dispatch: self.dispatch.clone(),
            bounds: self.bounds,
            retry: self.retry,
            rules: self.rules.clone(),
            dead_kept: self.dead_kept,
        }
    }
}

/// What one client may ask of the HTTP API: fixed in this version, in one place. What a socket may
/// ask is in [`channel::Limits`](crate::channel::Limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one request body.
    pub body: usize,
    /// Messages in one request body.
    pub messages: usize,
    /// Bytes of one message as it was sent, every field together.
    pub message: usize,
    /// Connections that speak HTTP at once, sockets not among them; one more is answered 503.
    pub connections: usize,
    /// Within this time a request's headers are there, and so is a TLS handshake; a connection
    /// that says nothing is closed after it.
    pub header_time: Duration,
    /// From the end of a request's headers to the end of its body.
    pub body_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 16 * 1024 * 1024,
            messages: 10_000,
            message: 256 * 1024,
            connections: 10_000,
            header_time: Duration::from_secs(30),
            body_time: Duration::from_secs(30),
        }
    }
}

/// Certificate and key for TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// PEM file with the certificate, and those that lead to its root behind it.
    pub cert: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
}

/// Who gets in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auth {
    /// May send.
    pub api_keys: Vec<Secret>,
    /// May do everything.
    pub operator_keys: Vec<Secret>,
    /// What client tokens are checked with; without it no socket opens.
    pub token: Option<TokenKey>,
    /// Browser pages that may open sockets; none: the same origin only.
    pub origins: Vec<Origin>,
}

/// What client tokens are checked with. Each key goes with one algorithm, whatever a token says.
#[derive(Clone)]
pub enum TokenKey {
    /// HS256, at least 32 bytes.
    Secret(Secret),
    /// RS256, ES256 or EdDSA, as the key in the file is.
    Public {
        /// Where it was read.
        path: PathBuf,
        /// The one algorithm it is for.
        algorithm: Algorithm,
        /// The key.
        key: DecodingKey,
    },
}

impl PartialEq for TokenKey {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret(a), Self::Secret(b)) => a == b,
            (Self::Public { path: a, key: x, .. }, Self::Public { path: b, key: y, .. }) => {
                a == b && x.try_get_as_bytes().ok() == y.try_get_as_bytes().ok()
            }
            _ => false,
        }
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(secret) => f.debug_tuple("Secret").field(secret).finish(),
            Self::Public { path, algorithm, .. } => {
                f.debug_struct("Public").field("path", path).field("algorithm", algorithm).finish()
            }
        }
    }
}

/// A secret, which no log and no debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// This secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
