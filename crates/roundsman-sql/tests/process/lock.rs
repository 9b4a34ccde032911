//! One process at a time, until the one that has it ends, however it ends.

use super::child;
use roundsman_sql::SqliteStore;
use roundsman_store::{StoreError, SystemClock};
use std::sync::Arc;

pub(crate) fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roundsman.db");
    assert_eq!(SqliteStore::inspect_file(&file).unwrap().1, None);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a look creates nothing");

    let mut holder = child::command("hold", &file).spawn().unwrap();
    assert_eq!(child::lines(&mut holder).next().as_deref(), Some("open"));
    // By another name too: the lock is the file's, not the path's.
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let refused = SqliteStore::open(path, Arc::new(SystemClock)).unwrap_err();
        let StoreError::Locked(words) = refused else { panic!("{refused:?}") };
        let names = file.canonicalize().unwrap().display().to_string();
        assert!(words.contains(&names), "{words}");
        assert!(words.contains(&format!("process {}", holder.id())), "{words}");
        assert!(words.contains("stop the other one"), "{words}");
    }
    let (guarantee, version) = SqliteStore::inspect_file(&file).unwrap();
    assert!(guarantee.survives_process && version.is_some(), "a look needs no lock");

    holder.kill().unwrap();
    holder.wait().unwrap();
    drop(child::open(&file));
    drop(child::open(&file));
}
