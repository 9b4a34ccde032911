//! Who gets in: API keys, client tokens, and the rules for a server that has neither.

use axum::http::HeaderMap;
use std::net::IpAddr;
use std::time::SystemTime;

/// What an API key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Send messages.
    Sender,
    /// Do everything.
    Operator,
}

/// Why somebody does not get in; becomes a problem document or a bare status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// 401, 403 or 421.
    pub status: u16,
    /// In words.
    pub detail: String,
}

/// Decides who gets in.
#[derive(Debug)]
pub struct Access {}

impl Access {
    /// Whether a request may come in at all: without `[auth]`, its `Host` must be localhost or a
    /// loopback address (421) and no proxy may have forwarded it (403).
    ///
    /// # Errors
    /// It may not.
    pub fn admit(&self, headers: &HeaderMap, peer: IpAddr) -> Result<(), Denied> {
        let _ = (headers, peer);
        unimplemented!()
    }

    /// Whether the bearer of these headers has at least `role`. Always, without `[auth]`.
    ///
    /// # Errors
    /// 401 without a key, 403 with one that is not known or allows less.
    pub fn role(&self, headers: &HeaderMap, role: Role) -> Result<(), Denied> {
        let _ = (headers, role);
        unimplemented!()
    }

    /// Whether a browser page of this origin may open sockets: the configured origins, else the
    /// same origin only; no `Origin` header is no browser. `null` never.
    ///
    /// # Errors
    /// 403.
    pub fn origin(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let _ = headers;
        unimplemented!()
    }

    /// Who the bearer of a client token is. Without `[auth]` anybody, who may join anything.
    ///
    /// # Errors
    /// 403: no token, a bad one, one that has run out, or no token secret configured.
    pub fn client(&self, token: Option<&str>) -> Result<Client, Denied> {
        let _ = token;
        unimplemented!()
    }
}

/// The bearer of a client token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its `sub`.
    pub user: Option<String>,
    /// When it runs out; sockets are closed with 1008 then.
    pub expires_at: Option<SystemTime>,
}

impl Client {
    /// Whether it may join `topic`: `user:<sub>`, and what its `topics` claim names.
    #[must_use]
    pub fn may_join(&self, topic: &str) -> bool {
        let _ = topic;
        unimplemented!()
    }
}
