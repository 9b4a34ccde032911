//! Webhooks: messages posted to receivers that are slow, limited, broken or hostile.
//!
//! ```text
//!  batch ─► Webhooks ── url ─► place ─► turns ─► endpoints ──► client ─► connect ─► receiver
//!              ▲         (pure)         (pure)   parked? back    │  one deadline,
//!              │                                                 │  one judged address
//!              └─ delivered · failed · refused · parked ◄─ answer, circuit (pure)
//! ```
//!
//! The pure parts decide: `url` fills a topic into a URL that still leads to the same host, `sign`
//! and `body` make the bytes, `address` says which addresses may be dialled, `answer` what a status
//! means, `circuit` how one endpoint does, `turns` whose turn it is. The thin parts do: `connect`
//! dials what was judged, `client` reads within bounds, `endpoints` remembers who fails, `target`
//! is what the engine sees.
//!
//! **An endpoint** is a resolved URL. One that keeps failing is parked as a whole: what is under
//! way for it is handed back unharmed, the engine keeps the rest in the store, and one message at a
//! time tries it. While it answers nothing is remembered of it.
//!
//! **A receiver can cost** one slot of `per_host` for one `timeout`, 64 KiB of an answer's head and
//! 64 KiB of its body. It is never asked for anything else: a redirect is a failure, an answer is
//! not unpacked, and where a connection goes is decided on the address that is dialled.

mod address;
mod answer;
mod body;
mod circuit;
mod client;
mod connect;
mod endpoints;
mod settings;
mod sign;
mod target;
mod trust;
mod turns;
mod url;

pub use address::{Reach, reach, refusal};
pub use answer::{LONGEST_WAIT, Verdict, judge};
pub use circuit::Patience;
pub(crate) use client::{Sender, chain, sender, words};
pub(crate) use connect::Connector;
pub use connect::{Answer, Resolve, SystemResolver};
pub use endpoints::Ailing;
pub use settings::Webhook;
pub use sign::{SigningKey, signature};
pub use target::{Surroundings, Webhooks};
pub use trust::trust;
pub use url::Template;
