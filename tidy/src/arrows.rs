//! Dependencies point one way, and each crate knows only what it may.
//!
//! ```text
//! level 3              roundsman-server
//!                     ┌───────┴───────┬───────────────┐
//! level 2    roundsman-delivery   roundsman-sql  roundsman-redis
//!               │         │          │               │
//! level 1   roundsman  roundsman-store ◄─────────────┘
//! ```
//!
//! The table at the end is the picture as data. A crate that is not in it is a fault: whoever adds
//! one says here what it must not know.

use crate::code::{code_only, has_word, used_paths};
use crate::{Fault, File};
use toml::Table;

/// What one crate of `crates/` may and must not know.
#[derive(Debug)]
pub struct Walls {
    /// Its name.
    pub name: &'static str,
    /// Crates of the house it may depend on.
    pub may: &'static [&'static str],
    /// Crates from outside it may depend on; `None` for any but those of `not`.
    pub only: Option<&'static [&'static str]>,
    /// Paths, of crates or of the standard library, that its source must not name.
    pub not: &'static [&'static str],
}

/// Arrows that turned.
#[must_use]
pub fn check(files: &[File]) -> Vec<Fault> {
    files.iter().flat_map(check_one).collect()
}

fn check_one(file: &File) -> Vec<Fault> {
    let mut parts = file.path.split('/');
    let (Some("crates"), Some(name), Some(next)) = (parts.next(), parts.next(), parts.next())
    else {
        return Vec::new();
    };
    let Some(walls) = WALLS.iter().find(|walls| walls.name == name) else {
        return vec![file.fault(1, format!("`{name}` is not in the table of tidy/src/arrows.rs"))];
    };
    match next {
        "Cargo.toml" => check_manifest(file, walls),
        "src" if file.is_rust() => check_source(file, walls),
        _ => Vec::new(),
    }
}

fn check_manifest(file: &File, walls: &Walls) -> Vec<Fault> {
    let manifest = match file.text.parse::<Table>() {
        Ok(manifest) => manifest,
        Err(error) => return vec![file.fault(1, error.message())],
    };
    let mut faults = Vec::new();
    for (table, tests) in
        [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
    {
        let names = manifest.get(table).and_then(|value| value.as_table());
        for name in names.into_iter().flat_map(Table::keys) {
            let own = tests && name == walls.name;
            if !own && !allowed(name, walls, tests) {
                let line = line_of(&file.text, name);
                faults.push(
                    file.fault(line, format!("`{}` must not depend on `{name}`", walls.name)),
                );
            }
        }
    }
    faults
}

/// Tests may use any tool, but no crate of the house that the crate itself may not know.
fn allowed(name: &str, walls: &Walls, tests: bool) -> bool {
    if name == "roundsman" || name.starts_with("roundsman-") {
        return walls.may.contains(&name);
    }
    let listed = walls.only.is_none_or(|only| only.contains(&name));
    tests || (listed && !walls.not.contains(&name.replace('-', "_").as_str()))
}

fn check_source(file: &File, walls: &Walls) -> Vec<Fault> {
    let code = code_only(&file.text);
    let mut faults = Vec::new();
    for (line, path) in used_paths(&code) {
        if let Some(word) = walls.not.iter().find(|word| begins(&path, word)) {
            faults.push(file.fault(line, format!("`{}` must not know `{word}`", walls.name)));
        }
    }
    for (at, line) in code.lines().enumerate() {
        let named = walls.not.iter().find(|w| w.contains("::") && has_word(line, w));
        if let Some(word) = named.filter(|_| !line.trim_start().starts_with("use ")) {
            faults.push(file.fault(at + 1, format!("`{}` must not know `{word}`", walls.name)));
        }
        let store = STORES.iter().find(|store| has_word(line, store));
        if let Some(store) =
            store.filter(|_| walls.name == "roundsman-server" && file.path != OPENS)
        {
            faults.push(file.fault(at + 1, format!("only {OPENS} names `{store}`")));
        }
    }
    faults
}

fn begins(path: &str, word: &str) -> bool {
    path.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn line_of(text: &str, name: &str) -> usize {
    1 + text.lines().position(|line| line.starts_with(name)).unwrap_or(0)
}

/// The one file of the server that knows which stores there are.
const OPENS: &str = "crates/roundsman-server/src/store.rs";
/// The store crates, as source names them.
const STORES: [&str; 3] = ["roundsman_sql", "roundsman_redis", "roundsman_kafka"];

/// Ways out of the process, and what only the server speaks.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "tokio::fs",
    "tokio::net",
    "tokio::process",
    "tokio::signal",
    "axum",
    "clap",
    "hyper",
    "hyper_util",
    "reqwest",
    "rusqlite",
    "serde",
    "serde_json",
    "tokio_tungstenite",
    "toml",
];

/// The table of the house.
pub const WALLS: &[Walls] = &[
    Walls {
        name: "roundsman",
        may: &[],
        only: Some(&[
            "futures-core",
            "futures-util",
            "hashbrown",
            "rustc-hash",
            "thiserror",
            "tokio",
            "tracing",
        ]),
        not: OUTSIDE,
    },
    Walls { name: "roundsman-store", may: &[], only: None, not: OUTSIDE },
    Walls {
        name: "roundsman-sql",
        may: &["roundsman-store"],
        only: None,
        not: &["std::net", "tokio::net", "axum", "clap", "hyper", "hyper_util", "reqwest", "toml"],
    },
    Walls {
        name: "roundsman-redis",
        may: &["roundsman-store"],
        only: None,
        not: &["std::net", "axum", "clap", "hyper", "hyper_util", "reqwest", "rusqlite", "toml"],
    },
    Walls {
        name: "roundsman-kafka",
        may: &["roundsman-store"],
        only: None,
        not: &["std::net", "tokio::net", "axum", "clap", "hyper", "hyper_util", "reqwest", "toml"],
    },
    Walls {
        name: "roundsman-logs",
        may: &[],
        only: None,
        not: &[
            "std::net",
            "tokio::net",
            "axum",
            "clap",
            "hyper",
            "hyper_util",
            "reqwest",
            "rusqlite",
            "serde_json",
            "toml",
        ],
    },
    Walls {
        name: "roundsman-delivery",
        may: &["roundsman", "roundsman-store"],
        only: None,
        not: OUTSIDE,
    },
    Walls {
        name: "roundsman-server",
        may: &[
            "roundsman",
            "roundsman-store",
            "roundsman-sql",
            "roundsman-redis",
            "roundsman-kafka",
            "roundsman-logs",
            "roundsman-delivery",
        ],
        only: None,
        not: &["rdkafka"],
    },
];
