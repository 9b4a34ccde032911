//! Configuration, in two storeys: as written, then as resolved. Only the resolved one is used.
//!
//! ```text
//!  file ── written (tables and values, each with its place) ──┐
//!  environment, flags ── Overrides ───────────────────────────┴─► resolve ─► Config
//!                                                                    │
//!                                                                    └─► Fault: file, line, key, cure
//! ```
//!
//! `default.toml` beside this file is the annotated list of what can be set; a test holds it to
//! be exactly [`Config::default`].

mod augment;
mod deliver;
mod dispatch;
mod fault;
mod intake;
mod load;
mod origin;
mod print;
mod resolve;
mod resolved;
mod secret;
mod store_url;
mod units;
mod webhook;
mod written;

pub use fault::Fault;
pub use origin::Origin;
pub use resolve::Overrides;
pub(crate) use resolve::parse_pattern;
pub use resolved::{Auth, Config, Limits, Secret, Tls, TokenKey, WEBHOOK};
pub use store_url::StoreUrl;
pub use units::{parse_span, write_span};

/// Every key with its default and what it is for.
pub const DEFAULT: &str = include_str!("default.toml");
