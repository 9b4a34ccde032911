//! Lookups: where `[[augment]]` finds what messages lack.
//!
//! ```text
//!  roundsman-delivery ── values ──► Postgres · Mysql · Sqlite · Redis · Http ──► the source
//!        (bounds, cache, order)        │  pure: Query, Words, Request, rows
//!                                      └─ JSON for each value that there is something for
//! ```
//!
//! The engine says how often, how many at once and for how long; what is here turns values into
//! one query and its answer into JSON by value. Values reach a database as parameters alone. A
//! value that a column cannot hold is one that there is nothing for; an answer for a value that
//! nobody asked for is let go.
//!
//! `source` is what the configuration says of one, `query` puts values into statements, `row`
//! matches answers, `pool` keeps connections, `shape` renders templates; each source has its file.

mod check;
mod http;
mod mysql;
mod pool;
mod postgres;
mod query;
mod redis;
mod request;
mod row;
mod shape;
mod source;
mod sqlite;

pub use check::check;
pub use query::Query;
pub use redis::Command;
pub use request::Request;
pub use shape::Template;
pub use source::{Augmentation, From};
