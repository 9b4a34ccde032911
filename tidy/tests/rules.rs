//! Each rule, broken once: what it finds, and what it lets pass.

use roundsman_tidy::code::{code_only, used_paths};
use roundsman_tidy::{Fault, File, arrows, headers, links, orphans, words};

/// The faults that `rule` finds in these files, as `path:line`.
fn found(rule: fn(&[File]) -> Vec<Fault>, files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<File> = files.iter().map(|(path, text)| File::new(path, text)).collect();
    rule(&files).iter().map(|fault| format!("{}:{}", fault.path, fault.line)).collect()
}

#[test]
fn arrows_of_manifests() {
    let turned = "[dependencies]\ntokio.workspace = true\nroundsman-store.workspace = true\n";
    assert_eq!(
        found(arrows::check, &[("crates/roundsman/Cargo.toml", turned)]),
        ["crates/roundsman/Cargo.toml:3"]
    );
    assert!(found(arrows::check, &[("crates/roundsman-sql/Cargo.toml", turned)]).is_empty());
    let weight = "[dependencies]\nserde_json.workspace = true\n";
    assert_eq!(found(arrows::check, &[("crates/roundsman/Cargo.toml", weight)]).len(), 1);
    assert_eq!(found(arrows::check, &[("crates/roundsman-delivery/Cargo.toml", weight)]).len(), 1);
    assert!(found(arrows::check, &[("crates/roundsman-server/Cargo.toml", weight)]).is_empty());
    assert_eq!(found(arrows::check, &[("crates/new/src/lib.rs", "")]).len(), 1);
}

#[test]
fn arrows_of_use_lines() {
    let path = "crates/roundsman/src/lib.rs";
    let reads = "use std::{\n    sync::Arc,\n    fs::{self, File},\n};\n";
    assert_eq!(found(arrows::check, &[(path, reads)]), [format!("{path}:1"), format!("{path}:1")]);
    let names = "fn f() {\n    std::net::lookup();\n}\n";
    assert_eq!(found(arrows::check, &[(path, names)]), [format!("{path}:2")]);
    assert!(found(arrows::check, &[(path, "// use std::fs;\nuse std::sync::Arc;")]).is_empty());
}

#[test]
fn only_one_file_names_the_stores() {
    let text = "use roundsman_sql::Sqlite;";
    let server = |file| format!("crates/roundsman-server/src/{file}.rs");
    assert!(found(arrows::check, &[(&server("store"), text)]).is_empty());
    assert_eq!(found(arrows::check, &[(&server("serve"), text)]), [server("serve") + ":1"]);
}

#[test]
fn first_lines_and_lengths() {
    assert_eq!(found(headers::check, &[("a.rs", "use std::fmt;\n")]), ["a.rs:1"]);
    assert_eq!(found(headers::check, &[("a.rs", "//! a\n")]), ["a.rs:1"]);
    let long = format!("//! What this file is about.\n{}", "\n".repeat(400));
    assert_eq!(found(headers::check, &[("src/a.rs", &long)]), ["src/a.rs:401"]);
    assert!(found(headers::check, &[("tests/a.rs", &long)]).is_empty());
}

#[test]
fn forbidden_words() {
    for bad in [
        "fn f() { todo!() }",
        "fn f() { unimplemented!() }",
        "#[ignore]",
        "struct TopicManager;",
        "pub mod utils;",
        "static SEEN: AtomicU64 = AtomicU64::new(0);",
    ] {
        assert_eq!(found(words::check, &[("crates/x/src/a.rs", bad)]), ["crates/x/src/a.rs:1"]);
    }
    for good in ["// todo!()", "let s = \"unimplemented!\";", "static NAMES: [&str; 1] = [\"a\"];"]
    {
        assert!(found(words::check, &[("crates/x/src/a.rs", good)]).is_empty(), "{good}");
    }
}

#[test]
fn files_that_nothing_compiles() {
    let root = ("x/src/lib.rs", "mod a;\npub(crate) mod b;\n#[cfg(test)]\nmod tests;");
    let rest = ["x/src/a.rs", "x/src/b/mod.rs", "x/src/tests.rs", "x/src/a/c.rs", "x/src/d.rs"];
    let mut files = vec![root];
    files.extend(rest.map(|path| (path, "")));
    assert_eq!(found(orphans::check, &files), ["x/src/a/c.rs:1", "x/src/d.rs:1"]);
    let tests = [("x/tests/one.rs", "mod support;"), ("x/tests/support/mod.rs", "")];
    assert!(found(orphans::check, &tests).is_empty());
    assert_eq!(found(orphans::check, &tests[1..]).len(), 1);
}

#[test]
fn links_that_lead_nowhere() {
    let text = "[a](docs/a.md) [b](docs/b.md#x) [c](https://c.example/) [d](#d) [e](docs)\n";
    let files = [("README.md", text), ("docs/a.md", "[up](../README.md)\n```\n[f](g.md)\n```\n")];
    assert_eq!(found(links::check, &files), ["README.md:1"]);
}

#[test]
fn source_without_comments_and_literals() {
    let source =
        "f('\"', '\\'', \"a\\\"b\", r#\"c\"d\"#, r#type, 'é'); /* g /* h */ i */ fn j<'k>() {}";
    let code = code_only(source);
    let words: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(words, ["f(", ",", ",", ",", ",", "r#type,", ");", "fn", "j<'k>()", "{}"]);
}

#[test]
fn used_paths_are_expanded() {
    let code = "use a::{b, c::{d, e}};\nfn f() {\n    use g::h;\n}\npub use i::j as k;\n";
    let paths: Vec<(usize, String)> = used_paths(code);
    let paths: Vec<(usize, &str)> =
        paths.iter().map(|(line, path)| (*line, path.as_str())).collect();
    assert_eq!(paths, [(1, "a::b"), (1, "a::c::d"), (1, "a::c::e"), (3, "g::h"), (5, "i::jask")]);
}
