//! Reads the text files of a folder tree: Rust, manifests, documents and scripts.

use crate::File;
use std::path::Path;
use std::{fs, io};

/// Reads every text file below `root`, in order of path, without what is built or installed.
/// Other files are listed with no text, so that links to them can be followed.
///
/// # Errors
/// A folder or a file cannot be read.
pub fn read(root: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else {
                let relative = path.strip_prefix(root).unwrap_or(&path);
                let text = if is_text(&name) { fs::read_to_string(&path)? } else { String::new() };
                files.push(File::new(&relative.to_string_lossy().replace('\\', "/"), &text));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn is_text(name: &str) -> bool {
    [".rs", ".toml", ".md"].iter().any(|end| name.ends_with(end))
}

/// Folders that are not ours to judge.
const SKIPPED: [&str; 3] = [".git", "target", "node_modules"];
