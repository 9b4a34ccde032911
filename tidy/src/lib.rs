//! The house rules that no compiler checks, as pure functions from files to faults.
//!
//! | rule | module |
//! | --- | --- |
//! | dependencies point one way; each crate knows only what it may | [`arrows`] |
//! | a file says what it is in its first line, and is short enough to be read | [`headers`] |
//! | no unfinished work, no empty names, no state in a `static` | [`words`] |
//! | every file is compiled | [`orphans`] |
//! | links between documents lead somewhere | [`links`] |
//!
//! `tests/tree.rs` runs all of them on the workspace, so that `cargo test` is the whole gate;
//! `tests/rules.rs` breaks each of them once.

pub mod arrows;
pub mod code;
pub mod headers;
pub mod links;
pub mod orphans;
mod tree;
pub mod words;

pub use tree::read;

use std::fmt;

/// A text file of the workspace.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path from the root, with `/` between the parts.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl File {
    /// A file that says `text`.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Whether it is Rust.
    #[must_use]
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it is a test, a benchmark or part of one.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "benches")
    }

    /// A fault in this file.
    #[must_use]
    pub fn fault(&self, line: usize, what: impl Into<String>) -> Fault {
        Fault { path: self.path.clone(), line, what: what.into() }
    }
}

/// A broken rule: where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub path: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Every fault in these files.
#[must_use]
pub fn faults(files: &[File]) -> Vec<Fault> {
    let rules = [arrows::check, headers::check, words::check, orphans::check, links::check];
    rules.iter().flat_map(|rule| rule(files)).collect()
}
