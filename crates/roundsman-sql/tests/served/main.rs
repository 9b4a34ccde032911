//! Stores in databases with a server of their own, on real servers: `scripts/servers` starts them.

#![allow(clippy::unwrap_used, clippy::panic)] // In tests, also outside of `#[test]` functions.

mod kind;
mod mysql;
mod owner;
mod postgres;
mod whole;

/// The server that a variable names.
fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} names no server; `source scripts/servers; start_servers` starts one")
    })
}

/// A name for a schema that nobody has.
fn new_name() -> String {
    format!("test_{}_{:x}", std::process::id(), rand::random::<u32>())
}
