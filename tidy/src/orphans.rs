//! Every Rust file is part of a crate: some `mod` line, or cargo itself, names it.

use crate::code::code_only;
use crate::{Fault, File};
use std::collections::BTreeSet;

/// Files that nothing compiles.
#[must_use]
pub fn check(files: &[File]) -> Vec<Fault> {
    let rust = || files.iter().filter(|file| file.is_rust());
    let declared: BTreeSet<String> = rust().flat_map(declared_by).collect();
    let orphan = |file: &&File| !is_root(file, files) && !declared.contains(&file.path);
    rust().filter(orphan).map(|file| file.fault(1, "no `mod` line names this file")).collect()
}

/// Whether cargo finds the file by itself or its manifest names it.
fn is_root(file: &File, files: &[File]) -> bool {
    let parts: Vec<&str> = file.path.split('/').collect();
    let by_place = match parts.as_slice() {
        [.., "src", "lib.rs" | "main.rs"] | [.., "build.rs"] | [.., "src", "bin", _] => true,
        [.., "src", "bin", _, "main.rs"] => true,
        [.., "tests" | "benches" | "examples", _] => !parts.contains(&"src"),
        [.., "tests" | "benches" | "examples", _, "main.rs"] => !parts.contains(&"src"),
        _ => false,
    };
    by_place || files.iter().any(|manifest| named_in(manifest, &file.path))
}

/// Whether `manifest` has a target with this path.
fn named_in(manifest: &File, path: &str) -> bool {
    let folder = manifest.path.strip_suffix("Cargo.toml");
    let relative = folder.and_then(|folder| path.strip_prefix(folder));
    relative.is_some_and(|relative| manifest.text.contains(&format!("path = \"{relative}\"")))
}

/// The paths that the `mod` lines of a file may mean.
fn declared_by(file: &File) -> Vec<String> {
    let code = code_only(&file.text);
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let stem = name.trim_end_matches(".rs");
    // Roots and `mod.rs` have their modules beside them, other files in a folder of their name.
    // A root can have any name, so both are looked at; cargo refuses a file that is missing.
    let names: Vec<&str> = code.lines().filter_map(module_name).collect();
    let places = [folder.to_string(), format!("{folder}/{stem}")];
    let both = places.iter().flat_map(|place| {
        names
            .iter()
            .flat_map(move |name| [format!("{place}/{name}.rs"), format!("{place}/{name}/mod.rs")])
    });
    both.collect()
}

fn module_name(line: &str) -> Option<&str> {
    let (before, name) = line.trim().strip_suffix(';')?.rsplit_once("mod ")?;
    (before.is_empty() || before.ends_with(' ')).then(|| name.trim())
}
