//! Keeps the table of GenStage's behaviour and the tests that claim its rows the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const TABLE: &str = include_str!("../../../docs/genstage.md");

type Claims = BTreeMap<String, BTreeSet<String>>;

/// The rows of the table: number to the tests it names, none where a reason stands instead.
fn table() -> Claims {
    let rows = TABLE.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let row = cells.next()?.trim();
        let is_row = row.trim_start_matches('D').parse::<u32>().is_ok();
        let tests = cells.nth(1)?.trim_end_matches('|').split("; ").next()?.trim();
        let named = tests.split(", ").map(|name| name.trim_matches('`').to_owned());
        let named = if tests.starts_with("– ") { BTreeSet::new() } else { named.collect() };
        is_row.then(|| (row.to_owned(), named))
    });
    rows.collect()
}

/// What the comments above the tests claim: row number to tests.
fn claims() -> Claims {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut claims = Claims::new();
    for file in sources(&here.join("tests")).into_iter().chain([here.join("src/buffer.rs")]) {
        let text = fs::read_to_string(&file).expect("a source file can be read");
        let (mut comment, mut is_test) = (String::new(), false);
        for line in text.lines().map(str::trim) {
            if let Some(more) = line.strip_prefix("/// ") {
                comment.push_str(more);
                comment.push(' ');
            } else if line.starts_with("#[") {
                is_test |= line.contains("test]") || line.contains("test(");
            } else {
                let name = line.trim_start_matches("async ").strip_prefix("fn ");
                if let Some((name, _)) = name.and_then(|name| name.split_once('('))
                    && is_test
                {
                    for row in rows_in(&comment) {
                        claims.entry(row).or_default().insert(name.to_owned());
                    }
                }
                (comment, is_test) = (String::new(), false);
            }
        }
    }
    claims
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let mut files = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files
}

/// The numbers after "Row" or "Rows", "3 to 5" meaning three of them, and every "D7".
fn rows_in(comment: &str) -> Vec<String> {
    let words: Vec<&str> = comment.split_whitespace().collect();
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let mut rows: Vec<String> = Vec::new();
    let (mut counting, mut until) = (false, false);
    for word in words {
        let word = bare(word);
        if word.strip_prefix('D').is_some_and(|n| n.parse::<u32>().is_ok()) {
            rows.push(word);
        } else if let Ok(n) = word.parse::<u32>()
            && counting
        {
            let from = rows.last().and_then(|last| last.parse().ok()).filter(|_| until);
            rows.extend((from.map_or(n, |from: u32| from + 1)..=n).map(|n| n.to_string()));
            until = false;
        } else {
            until = word == "to";
            counting = word == "Row" || word == "Rows" || counting && (until || word == "and");
        }
    }
    rows
}

#[test]
fn every_row_has_its_test() {
    let (table, claims) = (table(), claims());
    let rows = (1..=157).map(|n| n.to_string()).chain((1..=14).map(|n| format!("D{n}")));
    let due: BTreeSet<String> = rows.collect();
    assert_eq!(table.keys().cloned().collect::<BTreeSet<_>>(), due, "rows are missing or extra");
    for (row, tests) in &table {
        let claimed = claims.get(row).cloned().unwrap_or_default();
        assert_eq!(*tests, claimed, "row {row}: the table, and the comments above the tests");
    }
    let unknown: Vec<_> = claims.keys().filter(|row| !due.contains(*row)).collect();
    assert!(unknown.is_empty(), "rows that are not in the table: {unknown:?}");
}

#[test]
fn comments_are_read_as_they_are_meant() {
    let rows = |text: &str| rows_in(text).join(" ");
    assert_eq!(rows("Rows 1, 2 and 5: this is not 7."), "1 2 5");
    assert_eq!(rows("Rows 143 to 146, 152 and D4; Row 3."), "143 144 145 146 152 D4 3");
    assert_eq!(rows("Ten of 30."), "");
}
