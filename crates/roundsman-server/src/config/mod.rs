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

mod origin;
mod resolved;
mod store_url;

pub use origin::Origin;
pub use resolved::{Auth, Config, Limits, Secret, Tls, TokenKey};
pub use store_url::StoreUrl;
