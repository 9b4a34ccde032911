//! Messages kept in SQL databases: [`SqliteStore`], embedded and durable.
//!
//! Each database has a folder with the same file names in it, one for each verb of the store
//! contract (`accept`, `claim`, `settle`, `block`, `promote`, `fetch`, `inspect`, `probe`) and
//! `schema` with the drawn layout of its tables.

mod cache;
mod claims;
mod fate;
mod hints;
mod history;
mod lane_row;
mod sqlite;

pub use sqlite::SqliteStore;
