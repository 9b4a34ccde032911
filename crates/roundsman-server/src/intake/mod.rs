//! Intake from logs that are there already: records become messages, and are given up in their log
//! once the store has them.
//!
//! ```text
//!            ┌────────────────── done, with the spots ◄────────────────────┐
//!            ▼                                                             │
//!  log ─► Log::next ─► Mapping (pure) ─► http::parse ─► node.accept ─► accepted, durable
//!        bounded batch   topic, payload…   as a body           │
//!                             └── at fault: stop, or skip      └── a bound, the store away: wait
//! ```
//!
//! Logs are read by `roundsman-logs`; here is what of a record becomes a message, and what happens
//! when that fails. A record has an id that follows from its place, so that one that comes again
//! after a crash is a duplicate to the store. A log is one queue: everything is taken in as fast as the
//! store commits, up to `[limits]`, since turns can be shared only between keys that are seen.
//!
//! `settings` is what the configuration says of one, `place`, `template` and `mapping` make messages, `batch` and
//! `pump` take them in, `counts` is what is counted, `running` starts and ends all of them.

mod batch;
mod counts;
mod mapping;
mod place;
mod pump;
mod running;
mod settings;
mod template;

pub use counts::{Counts, Intakes};
pub(crate) use mapping::prefix;
pub use mapping::{Id, Mapping};
pub use place::Kind;
pub(crate) use running::Running;
pub use settings::{Intake, OnError};
pub use template::{Payload, Template};
