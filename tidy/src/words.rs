//! Words that have no place in the code: unfinished work, tests that never run, names that say
//! nothing, state that outlives its owner.

use crate::code::{code_only, has_word};
use crate::{Fault, File};

/// Faults of wording.
#[must_use]
pub fn check(files: &[File]) -> Vec<Fault> {
    files.iter().filter(|file| file.is_rust()).flat_map(check_one).collect()
}

fn check_one(file: &File) -> Vec<Fault> {
    let code = code_only(&file.text);
    let lines = code.lines().enumerate();
    let faults = lines.flat_map(|(at, line)| {
        let says = [unfinished(line), empty_name(line), lasting_state(line, file)];
        says.into_iter().flatten().map(move |what| file.fault(at + 1, what))
    });
    faults.collect()
}

fn unfinished(line: &str) -> Option<String> {
    let macros = ["todo", "unimplemented"].iter().find(|name| has_word(line, &format!("{name}!")));
    if let Some(name) = macros {
        return Some(format!("`{name}!` is unfinished work: finish it or leave it out"));
    }
    line.contains("#[ignore").then(|| "a test that is skipped tests nothing".into())
}

fn empty_name(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let name = words.windows(2).find_map(|pair| {
        let declares = ["struct", "enum", "trait", "type", "mod", "union"].contains(&pair[0]);
        let lower = pair[1].to_lowercase();
        (declares && EMPTY.iter().any(|word| lower.ends_with(word))).then_some(pair[1])
    })?;
    Some(format!("`{name}` could be the name of anything: say what it is"))
}

/// Two nodes must fit in one test, so nothing in a library may be shared by the whole process.
fn lasting_state(line: &str, file: &File) -> Option<String> {
    let item = line.trim_start();
    let item = item.strip_prefix("pub(crate) ").or(item.strip_prefix("pub ")).unwrap_or(item);
    let is_static = item.starts_with("static ") || line.contains("thread_local!");
    let holds = is_static && STATEFUL.iter().any(|word| line.contains(word));
    (holds && !file.is_test() && file.path.starts_with("crates/"))
        .then(|| "a `static` that holds state is shared by every node: pass it in".into())
}

const EMPTY: [&str; 6] = ["manager", "helper", "helpers", "util", "utils", "common"];
const STATEFUL: [&str; 7] =
    ["static mut", "Mutex", "RwLock", "Atomic", "OnceLock", "LazyLock", "thread_local!"];
