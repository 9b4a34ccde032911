//! Links from one document to a file of the workspace lead somewhere.

use crate::{Fault, File};

/// Links that lead nowhere.
#[must_use]
pub fn check(files: &[File]) -> Vec<Fault> {
    let documents = files.iter().filter(|file| file.path.ends_with(".md"));
    documents.flat_map(|document| check_one(document, files)).collect()
}

fn check_one(document: &File, files: &[File]) -> Vec<Fault> {
    let mut fenced = false;
    let mut faults = Vec::new();
    for (at, line) in document.text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        for target in targets(line) {
            let path = resolve(&document.path, target);
            let folder = format!("{}/", path.trim_end_matches('/'));
            let found = |file: &File| file.path == path || file.path.starts_with(&folder);
            if !path.is_empty() && !files.iter().any(found) {
                faults.push(document.fault(at + 1, format!("`{target}` leads nowhere")));
            }
        }
    }
    faults
}

/// Where the links of a line point, as far as that is inside the workspace.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let outside = |target: &str| target.contains("://") || target.starts_with("mailto:");
    let links = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    links.map(|target| target.split('#').next().unwrap_or_default()).filter(move |t| !outside(t))
}

/// A target as a path from the root; empty for a link inside the same document.
fn resolve(document: &str, target: &str) -> String {
    if target.is_empty() {
        return String::new();
    }
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
