//! The table of the suite names every case: one that is not in it would never run.

use std::fs;
use std::path::Path;

#[test]
fn every_case_is_in_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance");
    let table = fs::read_to_string(folder.join("table.rs")).expect("the table");
    let mut cases = 0;
    for entry in fs::read_dir(&folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a file");
        let verb = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let inner =
            table.split_once(&format!(" {verb} {{")).and_then(|(_, rest)| rest.split_once('}'));
        let inner: Vec<&str> =
            inner.map(|(inner, _)| inner.split_whitespace().collect()).unwrap_or_default();
        for line in text.lines().filter_map(|line| line.strip_prefix("pub async fn ")) {
            let case = line.split('(').next().expect("a name");
            assert!(inner.contains(&case), "{verb}::{case} is missing from the table");
            cases += 1;
        }
    }
    assert!(cases > 100, "found {cases}");
}
