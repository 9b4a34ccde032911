//! The server as a whole: wired at the start, changed while it runs, drained at the end.

use crate::auth::Access;
use crate::channel::{self, Hub};
use crate::config::{Config, StoreUrl, WEBHOOK};
use crate::intake::Running;
use crate::listener::Listener;
use crate::webhook::{Surroundings, SystemResolver, Webhooks, trust};
use crate::{App, http, outbox, store, tls};
use roundsman::Reason;
use roundsman_delivery::{Node, NodeBuilder, To};
use roundsman_store::{StoreError, SystemClock};
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// One running server. Two of them in one process share nothing.
///
/// Dropped without [`stop`](Self::stop), it goes on until the runtime ends.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    app: App,
    tls: watch::Sender<Option<Arc<ServerConfig>>>,
    stop: watch::Sender<bool>,
    listening: JoinHandle<()>,
    intakes: Running,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// Certificate or key is at fault.
    #[error("{0}")]
    Tls(String),
    /// A source of an augmentation cannot be reached by what its URL says.
    #[error("augment {0}: {1}")]
    Augment(String, String),
    /// The store cannot be opened.
    #[error("{0}: {1}")]
    Store(StoreUrl, #[source] StoreError),
    /// The store is set so that it promises less than its kind can.
    #[error(
        "{store} promises less than it could: {}; change that, or name it in accept_weaker. \
         As it is: {sentence}",
        names.join(", ")
    )]
    Weaker {
        /// The store.
        store: StoreUrl,
        /// The settings.
        names: Vec<String>,
        /// The promise as it is.
        sentence: String,
    },
}

/// What was left when a server had stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Attempts that were cut off at the deadline.
    pub cut: u64,
    /// Messages that stay in the store; with a memory store they are gone.
    pub kept: u64,
}

impl Server {
    /// Starts a server on the current tokio runtime; it is ready on return.
    ///
    /// # Errors
    /// [`ServeError`] says what is in the way; nothing runs then.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(config: Config) -> Result<Self, ServeError> {
        let certificate =
            config.tls.as_ref().map(tls::load).transpose().map_err(ServeError::Tls)?;
        // The address first: a store that was opened has taken note of it.
        let listen = |error| ServeError::Listen(config.listen, error);
        let tcp = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = tcp.local_addr().map_err(listen)?;
        let (app, intakes) = wire(config, address).await?;
        let router = http::router(&app).merge(channel::router(&app));
        let (tls, tls_state) = watch::channel(certificate);
        let (stop, stopping) = watch::channel(false);
        let listener = Listener { tcp, tls: tls_state, router, limits: app.config.limits };
        let listening = tokio::spawn(listener.run(stopping));
        Ok(Self { address, app, tls, stop, listening, intakes })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients find it, like `http://127.0.0.1:4000`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.app.config.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// What its requests and sockets share.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Waits until a stage of the engine has ended by itself, which is a fault, and says which
    /// and why.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it; it can be asked again.
    pub async fn ended(&self) -> (&'static str, Reason) {
        self.app.node.ended().await
    }

    /// Goes by this configuration where it can while it runs: `[auth]`, `trusted_proxies`, and
    /// what is in the files of `[tls]`. Names the keys that differ and were left. Endpoints that were
    /// disabled are sent to again.
    ///
    /// # Errors
    /// Certificate or key is at fault; nothing was changed then.
    pub fn reload(&self, new: &Config) -> Result<Vec<&'static str>, ServeError> {
        let old = &self.app.config;
        let mut left = differing(old, new);
        self.app.node.set_dispatch(new.dispatch.clone());
        for endpoint in self.app.webhooks.enable() {
            self.app.node.release_endpoint(endpoint);
        }
        if let (Some(_), Some(files)) = (&old.tls, &new.tls) {
            let certificate = tls::load(files).map_err(ServeError::Tls)?;
            self.tls.send_replace(Some(certificate));
        }
        if new.auth.is_none() && !self.address.ip().is_loopback() {
            // Others can reach this server: it stays closed.
            left.push("auth");
        } else {
            self.app.access.change(&Config { tls: old.tls.clone(), ..new.clone() });
        }
        Ok(left)
    }

    /// Stops it within this time: nothing more comes in, nothing more is asked for, what is in
    /// flight is waited for, sockets are closed with 1012, the store is closed.
    ///
    /// # Cancel safety
    /// Dropped, it is somewhere on the way; nothing that was accepted is lost.
    pub async fn stop(self, within: Duration) -> Stopped {
        let deadline = Instant::now() + within;
        let farewell = (within / 5).min(FAREWELL);
        let Self { app, stop, listening, intakes, .. } = self;
        app.node.stop_intake();
        intakes.stop(deadline).await;
        app.hub.stop_admitting();
        app.webhooks.drain();
        let report = app.node.drain(within.saturating_sub(farewell * 2)).await;
        app.hub.close_all(farewell).await;
        stop.send_replace(true);
        // Past the deadline, connections that are still being answered are cut off.
        let _ = timeout_at(deadline, listening).await;
        app.node.stop().await;
        Stopped { cut: report.cut, kept: report.kept }
    }
}

/// Store, node, audience and gate of one server.
async fn wire(config: Config, address: SocketAddr) -> Result<(App, Running), ServeError> {
    let around = Surroundings {
        resolver: Arc::new(SystemResolver),
        tls: trust(&[]).map_err(|error| ServeError::Tls(error.to_string()))?,
        own: address,
        clock: Arc::new(SystemClock),
    };
    let webhooks = Webhooks::new(&config.webhooks, &around);
    let augments: Vec<_> = config
        .augments
        .iter()
        .map(|it| it.augment(&around).map_err(|what| ServeError::Augment(it.name.clone(), what)))
        .collect::<Result<_, _>>()?;
    for number in 0..config.rules.iter().count() {
        if let Some(by) = config.rules.hidden_by(number) {
            let (rule, by) = (number + 1, by + 1);
            tracing::warn!(rule, by, "a rule is never used: one before it takes all of its topics");
        }
    }
    let url = config.store.clone();
    let failed = |error| ServeError::Store(url.clone(), error);
    // Sockets are those of one process: while a rule delivers to them, there is one.
    let shares = config.rules.iter().all(|rule| rule.to != To::Channel);
    let store = store::open(&config.store, shares).await.map_err(failed)?;
    let guarantee = store.probe().await.map_err(failed)?;
    let names = store::unaccepted(&guarantee, &config.accept_weaker);
    if !names.is_empty() {
        let _ = store.close().await;
        let sentence = guarantee.sentence;
        return Err(ServeError::Weaker { store: config.store, names, sentence });
    }
    tracing::info!(store = %config.store, version = guarantee.store, "{}", guarantee.sentence);
    let hub = Arc::new(Hub::default());
    let node = augments
        .into_iter()
        .fold(Node::builder(store), NodeBuilder::augment)
        .settings(config.settings())
        .target(To::Channel, hub.clone())
        .target(WEBHOOK, Arc::new(webhooks.clone()))
        .start()
        .map_err(failed)?;
    // It ends with the intake, or with the store.
    tokio::spawn(outbox::drain(node.clone(), config.limits));
    let (running, intakes) = Running::start(&node, config.limits, &config.intakes);
    let access = Arc::new(Access::new(&config));
    Ok((App { node, hub, webhooks, access, intakes, config: Arc::new(config) }, running))
}

/// The keys that differ and that cannot change while a server runs.
fn differing(old: &Config, new: &Config) -> Vec<&'static str> {
    let same = [
        ("listen", old.listen == new.listen),
        ("store", old.store == new.store),
        ("accept_weaker", old.accept_weaker == new.accept_weaker),
        ("tls", old.tls.is_some() == new.tls.is_some()),
        ("dispatch.max_in_flight", old.dispatch.max_in_flight == new.dispatch.max_in_flight),
        ("limits", old.bounds == new.bounds),
        ("retry", old.retry == new.retry),
        ("dead", old.dead_kept == new.dead_kept),
        ("intake", old.intakes == new.intakes),
        ("augment", old.augments == new.augments),
        ("deliver", (&old.rules, &old.webhooks) == (&new.rules, &new.webhooks)),
    ];
    same.iter().filter(|(_, same)| !same).map(|(key, _)| *key).collect()
}

/// For closing the sockets, and again for the answers under way, at most.
const FAREWELL: Duration = Duration::from_secs(5);
