//! The workspace keeps its own rules.

use std::path::Path;

#[test]
fn the_workspace_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = roundsman_tidy::read(&root).unwrap();
    assert!(files.iter().filter(|file| file.path.starts_with("crates/")).count() > 20);
    let faults = roundsman_tidy::faults(&files);
    let list: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", list.len(), list.join("\n"));
}
