//! Who gets in: API keys, client tokens, and the rules for a server that has neither.
//!
//! With `[auth]` the server is closed unless opened: no keys, no API; no token key, no sockets.
//! Without it anybody may do anything, but only from this machine: the server listens on loopback
//! alone, and [`Access::admit`] refuses what a proxy or a page of another site sent here.
//!
//! ```text
//!  every request ─► admit ─┬─ HTTP API ─► role ──────► 401 · 403
//!       421 · 403 ◄────────┴─ sockets ──► origin, client ─► 403, before the upgrade
//!                                                    └─► Client::may_join, at each join
//! ```

mod access;
mod headers;
mod keys;
mod token;

pub use access::Access;
pub use headers::bearer;
pub use token::{Client, MAX_TOKEN, sign};

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

impl Denied {
    fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }
}
