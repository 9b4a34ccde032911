//! The suite that every store runs, on SQLite files. A crash is a copy of the files as they lie
//! there while the store is open, opened in its place.

#![allow(clippy::unwrap_used)] // In tests, also outside of `#[test]` functions.

use roundsman_sql::SqliteStore;
use roundsman_store::{Answer, Clock, Store, StoreError, conformance::Harness};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

struct Sqlite {
    folder: tempfile::TempDir,
    count: AtomicUsize,
    /// The file of each store, by its address.
    files: Mutex<Vec<(usize, PathBuf)>>,
}

impl Sqlite {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, count: AtomicUsize::new(0), files: Mutex::default() }
    }

    fn next_file(&self) -> PathBuf {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        self.folder.path().join(format!("{number}.db"))
    }

    fn open_file(
        &self,
        file: PathBuf,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<dyn Store>, StoreError> {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&file, clock)?);
        self.files.lock().unwrap().push((Arc::as_ptr(&store).addr(), file));
        Ok(store)
    }

    fn file_of(&self, store: &Arc<dyn Store>) -> PathBuf {
        let address = Arc::as_ptr(store).addr();
        let files = self.files.lock().unwrap();
        files.iter().rev().find(|(of, _)| *of == address).unwrap().1.clone()
    }
}

impl Harness for Sqlite {
    fn open(&self, clock: Arc<dyn Clock>) -> Answer<'_, Arc<dyn Store>> {
        Box::pin(async move { self.open_file(self.next_file(), clock) })
    }

    fn crash_and_reopen(
        &self,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Answer<'_, Option<Arc<dyn Store>>> {
        Box::pin(async move {
            let (file, copy) = (self.file_of(&store), self.next_file());
            std::fs::copy(&file, &copy).unwrap();
            let wal = |file: &PathBuf| file.with_extension("db-wal");
            std::fs::copy(wal(&file), wal(&copy)).unwrap();
            drop(store);
            self.open_file(copy, clock).map(Some)
        })
    }
}

roundsman_store::conformance!(Sqlite::new());
