//! A file opens with one sentence on what it is, and is short enough to be read in one sitting.

use crate::{Fault, File};

/// Faults of first lines and of length. Tests and benchmarks may be longer, not nameless.
#[must_use]
pub fn check(files: &[File]) -> Vec<Fault> {
    files.iter().filter(|file| file.is_rust()).flat_map(check_one).collect()
}

fn check_one(file: &File) -> Vec<Fault> {
    let mut faults = Vec::new();
    let first = file.text.lines().next().unwrap_or_default();
    let sentence = first.strip_prefix("//! ").map_or("", str::trim);
    if sentence.len() < SHORTEST {
        faults.push(file.fault(1, "open the file with `//!` and one sentence on what it is"));
    }
    let lines = file.text.lines().count();
    if lines > LONGEST && !file.is_test() {
        faults.push(
            file.fault(
                LONGEST + 1,
                format!("{lines} lines: split the file; {LONGEST} is the limit"),
            ),
        );
    }
    faults
}

/// Lines of a source file. What is longer has two subjects.
const LONGEST: usize = 400;
/// Bytes of a first sentence. What is shorter only repeats the file's name.
const SHORTEST: usize = 12;
