//! The store in a MySQL or MariaDB database. What it has in common with other databases that have
//! a server of their own is in [`served`](crate::served); here is what is said to this one.
//!
//! ```text
//!  MysqlStore ─ Served ─┬─ Writer ── open     lock, tables, epoch, counts
//!                       │            load     what calls want to know
//!                       │            write    what calls have changed
//!                       └─ Reader ── fetch    the road, by lane
//!                                    inspect  one message, dead letters
//!                                    probe    what accepted means here
//! ```
//!
//! Statements take many rows as one value ([`rows`]), find theirs by primary key and touch nothing
//! between them (READ COMMITTED), so that others' transactions are neither waited for nor held up.
//! One that is undone for the sake of another all the same is repeated.

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
mod rows;
mod schema;
mod store;
mod url;
mod write;

pub use store::MysqlStore;
