//! The store in a PostgreSQL database. What it has in common with other databases that have a
//! server of their own is in [`served`](crate::served); here is what is said to this one.
//!
//! ```text
//!  PostgresStore ─ Served ─┬─ Writer ── open     schema, lock, epoch, counts
//!                          │            load     what calls want to know     ┐ one round trip each,
//!                          │            write    what calls have changed     ┘ pipelined
//!                          └─ Reader ── fetch    the road, by lane
//!                                       inspect  one message, dead letters
//!                                       probe    what accepted means here
//! ```
//!
//! Statements take arrays (`unnest`), so that one is prepared for any number of rows. The connection
//! that writes holds a lock of the session: through a pooler that shares sessions it cannot work,
//! and connects past it.

mod connect;
mod error;
mod fetch;
mod handed;
mod inspect;
mod load;
mod open;
mod outbox;
mod probe;
mod row;
mod schema;
mod store;
mod tls;
mod url;
mod write;

pub use store::PostgresStore;
