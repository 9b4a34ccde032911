//! The gate: one place that decides who gets in, and whose rules can change while it runs.

use super::headers::{bearer, client_address, forwarded_https, host, is_loopback, proxy_trace};
use super::keys::Keys;
use super::token::Verifier;
use super::{Client, Denied, Role};
use crate::config::{Config, Origin};
use axum::http::HeaderMap;
use axum::http::header::ORIGIN;
use ipnet::IpNet;
use parking_lot::RwLock;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Decides who gets in.
///
/// ```
/// use roundsman_server::auth::{Access, Role};
/// use roundsman_server::config::Config;
/// use axum::http::HeaderMap;
///
/// let open = Access::new(&Config::default());
/// assert!(open.role(&HeaderMap::new(), Role::Operator).is_ok());
/// assert!(open.client(None).is_ok_and(|client| client.may_join("anything")));
/// ```
pub struct Access(RwLock<Arc<Gate>>);

/// The rules of one configuration.
struct Gate {
    https: bool,
    trusted_proxies: Vec<IpNet>,
    auth: Option<Closed>,
}

/// The rules of one `[auth]`.
struct Closed {
    keys: Keys,
    verifier: Option<Verifier>,
    origins: Vec<Origin>,
}

impl Access {
    /// The gate as this configuration has it.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self(RwLock::new(Arc::new(Gate::new(config))))
    }

    /// Goes by this configuration from now on. Sockets that are open stay open.
    pub fn change(&self, config: &Config) {
        *self.0.write() = Arc::new(Gate::new(config));
    }

    /// Whether a request may come in at all: without `[auth]`, its `Host` must be localhost or a
    /// loopback address (421), and it must come from this machine and no proxy may have forwarded
    /// it (403).
    ///
    /// # Errors
    /// It may not.
    pub fn admit(&self, headers: &HeaderMap, peer: IpAddr) -> Result<(), Denied> {
        if self.gate().auth.is_some() {
            return Ok(());
        }
        let name = host(headers).and_then(|host| Origin::of_host(false, host));
        if !name.is_some_and(|name| is_loopback(name.host())) {
            return Err(Denied::new(421, "without [auth] only localhost is served here"));
        }
        if let Some(header) = proxy_trace(headers) {
            return Err(Denied::new(
                403,
                format!("a proxy forwarded this ({header}); configure [auth] to serve others"),
            ));
        }
        if !peer.to_canonical().is_loopback() {
            return Err(Denied::new(403, "without [auth] only this machine is served"));
        }
        Ok(())
    }

    /// Whether the bearer of these headers has at least `role`. Always, without `[auth]`.
    ///
    /// # Errors
    /// 401 without a key, 403 with one that is not known or allows less.
    pub fn role(&self, headers: &HeaderMap, role: Role) -> Result<(), Denied> {
        let gate = self.gate();
        let Some(auth) = &gate.auth else { return Ok(()) };
        if auth.keys.is_empty() {
            return Err(Denied::new(403, "the API is closed: no api_keys are configured"));
        }
        let key = bearer(headers)
            .ok_or_else(|| Denied::new(401, "an API key is needed: `Authorization: Bearer KEY`"))?;
        match auth.keys.role(key) {
            Some(has) if has >= role => Ok(()),
            Some(_) => Err(Denied::new(403, "this API key may send; this needs an operator key")),
            None => Err(Denied::new(403, "this API key is not known")),
        }
    }

    /// Whether a browser page of this origin may open sockets: the configured origins, else the
    /// same origin only; no `Origin` header is no browser. `null` never.
    ///
    /// # Errors
    /// 403.
    pub fn origin(&self, headers: &HeaderMap, peer: IpAddr) -> Result<(), Denied> {
        let mut written = headers.get_all(ORIGIN).iter();
        let Some(first) = written.next() else { return Ok(()) };
        let gate = self.gate();
        let page: Option<Origin> = first.to_str().ok().and_then(|origin| origin.parse().ok());
        let allowed = match (page, &gate.auth) {
            _ if written.next().is_some() => false,
            (None, _) => false,
            (Some(page), Some(auth)) if !auth.origins.is_empty() => auth.origins.contains(&page),
            (Some(page), _) => gate.own_origin(headers, peer) == Some(page),
        };
        if allowed {
            return Ok(());
        }
        Err(Denied::new(403, "pages of this origin may not open sockets; see auth.origins"))
    }

    /// Who the bearer of a client token is. Without `[auth]` anybody, who may join anything.
    ///
    /// # Errors
    /// 403: no token, a bad one, one that has run out, or no token secret configured.
    pub fn client(&self, token: Option<&str>) -> Result<Client, Denied> {
        let gate = self.gate();
        let Some(auth) = &gate.auth else { return Ok(Client::anybody()) };
        let Some(verifier) = &auth.verifier else {
            return Err(Denied::new(403, "sockets are closed: no token_secret is configured"));
        };
        let token = token.ok_or_else(|| Denied::new(403, "a client token is needed"))?;
        verifier.verify(token)
    }

    /// Whose request it is: the peer, or whom trusted proxies say they asked for.
    #[must_use]
    pub fn peer(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        client_address(headers, peer, &self.gate().trusted_proxies)
    }

    fn gate(&self) -> Arc<Gate> {
        self.0.read().clone()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("closed", &self.gate().auth.is_some()).finish()
    }
}

impl Gate {
    fn new(config: &Config) -> Self {
        let auth = config.auth.as_ref().map(|auth| Closed {
            keys: Keys::new(auth),
            verifier: auth.token.as_ref().map(Verifier::new),
            origins: auth.origins.clone(),
        });
        Self { https: config.tls.is_some(), trusted_proxies: config.trusted_proxies.clone(), auth }
    }

    /// The origin under which the client reached this server.
    fn own_origin(&self, headers: &HeaderMap, peer: IpAddr) -> Option<Origin> {
        let forwarded = forwarded_https(headers, peer, &self.trusted_proxies);
        Origin::of_host(forwarded.unwrap_or(self.https), host(headers)?)
    }
}
