//! Each step of `grow/` runs, and is within five changed lines of the one before.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

#[test]
fn each_step_delivers_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let expected = "user:42: {\"n\":1}\nuser:42: {\"n\":2}\nuser:42: {\"n\":3}\n";
    assert_eq!(run(env!("CARGO_BIN_EXE_grow-1-memory"), folder.path()), expected);
    for _ in 0..2 {
        assert_eq!(run(env!("CARGO_BIN_EXE_grow-2-durable"), folder.path()), expected);
    }
    assert!(folder.path().join("grow.db").exists());
    let named = "user:42: {\"n\":1,\"name\":\"No. 1\"}\nuser:42: {\"n\":2,\"name\":\"No. 2\"}\n\
                 user:42: {\"n\":3,\"name\":\"No. 3\"}\n";
    assert_eq!(run(env!("CARGO_BIN_EXE_grow-3-augmented"), folder.path()), named);
    assert_eq!(run(env!("CARGO_BIN_EXE_grow-4-fair"), folder.path()), named);
}

#[test]
fn each_step_changes_five_lines_at_most() {
    let memory = include_str!("../grow/memory.rs");
    let durable = include_str!("../grow/durable.rs");
    let augmented = include_str!("../grow/augmented.rs");
    let fair = include_str!("../grow/fair.rs");
    for (before, after) in [(memory, durable), (durable, augmented), (augmented, fair)] {
        let changed = changed_lines(before, after);
        assert!((1..=5).contains(&changed), "{changed} lines changed");
    }
    assert_eq!(changed_lines(memory, memory), 0);
    assert_eq!(changed_lines("a\nb\nc", "a\nx\ny\nc"), 2);
}

fn run(program: &str, folder: &Path) -> String {
    let output = Command::new(program).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Lines that are not in the longest common subsequence of both texts, in the text that has more.
fn changed_lines(before: &str, after: &str) -> usize {
    let (before, after): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let mut common = vec![0; after.len() + 1];
    for old in &before {
        let mut diagonal = 0;
        for (i, new) in after.iter().enumerate() {
            let above = common[i + 1];
            common[i + 1] = if old == new { diagonal + 1 } else { above.max(common[i]) };
            diagonal = above;
        }
    }
    before.len().max(after.len()) - common[after.len()]
}
