//! The HTTP API: routes, bodies, answers.
//!
//! ```text
//!  request ─► guard ─► body ─► parse ─► node.accept ─► 202
//!             who      bytes   drafts       │
//!              └────────┴────────┴──────────┴─► problem (RFC 9457)
//! ```
//!
//! The pure parts know neither axum's requests nor the engine: [`parse()`] turns bytes into drafts
//! or into one [`Problem`] that names every fault; `fields` and `draft` are one message of it,
//! `canonical` is what two sendings of one id are compared by; `loose` makes a body of fields that
//! come singly, of a row or a record; `prometheus` and `rates` turn counts
//! into text and into rates. The thin parts are `router`, `guard`, `body` and the handlers in
//! `messages`, `dead`, `stats` and `health`.
//!
//! What a body may be:
//!
//! - `application/json`: one message (an object) or an array of them; `application/x-ndjson`: one
//!   message a line, blank lines skipped. Parameters of the type are ignored; a body is UTF-8.
//! - A message's size, for its limit, is that of its field names and values as they were sent;
//!   white space between them is free.
//! - `null` in an optional field is the same as leaving it out. A field given twice or an unknown
//!   one is a fault.
//! - In `errors`, `index` counts messages from 0 and `pointer` is a JSON pointer into the body:
//!   `/topic` in a single object, `/3/topic` in an array. In NDJSON each line is a document of its
//!   own, so it is `/topic` again, and `index` says of which message.
//! - One answer lists at most [`MAX_FAULTS`] faults.

mod answer;
mod body;
mod canonical;
mod dead;
mod draft;
mod events;
mod fields;
mod guard;
mod health;
mod keys;
mod letters;
mod loose;
mod messages;
mod parse;
mod problem;
mod prometheus;
mod query;
mod rates;
mod router;
mod sighting;
mod stats;
pub(crate) mod time;

pub use body::Form;
pub(crate) use loose::{Checks, Loose, quoted};
pub use messages::accepted;
pub use parse::{Parsed, Shape, parse};
pub use problem::{Fault, MAX_FAULTS, Problem};
pub use router::router;
pub(crate) use time::write_time;

/// How deep a payload is nested, at most. No configuration moves it: what reads payloads with
/// recursion relies on it.
pub const MAX_DEPTH: usize = 128;
