//! Messages kept in SQL databases: [`SqliteStore`], embedded; [`PostgresStore`] and [`MysqlStore`],
//! on a server.
//!
//! ```text
//!  sqlite/     one file: each verb of the contract (`accept`, `claim`, `settle` …) as statements
//!  served/     what databases with a server have in common: each verb on pure state, in batches
//!  postgres/   what is said to PostgreSQL: `load`, `write`, `fetch`, `inspect`, `probe`, `open`
//!  mysql/      what is said to MySQL and MariaDB, in files of the same names
//! ```
//!
//! Every database has a `schema` with the drawn layout of its tables. What lies beside the folders
//! is pure and shared by all.

mod cache;
mod claims;
mod fate;
mod history;
mod lane_row;
mod letter;
mod mysql;
mod postgres;
mod served;
mod sqlite;

pub use mysql::MysqlStore;
pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;
