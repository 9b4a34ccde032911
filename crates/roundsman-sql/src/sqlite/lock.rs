//! The lock that keeps a second process away from the file, held on a small file beside it.
//!
//! Beside it, because a lock on the database file itself would mix with those of SQLite, and
//! SQLite's own exclusive mode would keep our readers out as well. The operating system lets go of
//! it when the process ends, however it ends; the empty lock file stays and means nothing.

use super::create::beside;
use roundsman_store::StoreError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;

/// Held as long as the store is open.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, never read")] File);

impl Lock {
    /// Takes the lock of the database at `path`.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let beside = beside(path, ".lock");
        let unavailable = |error: std::io::Error| {
            StoreError::Unavailable(format!("{}: {error}", beside.display()))
        };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&beside)
            .map_err(unavailable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(refusal(path, &beside)),
            Err(TryLockError::Error(error)) => return Err(unavailable(error)),
        }
        // Only for the person who wonders who it is; nothing depends on it.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self(file))
    }
}

fn refusal(path: &Path, beside: &Path) -> StoreError {
    let holder = std::fs::read_to_string(beside).unwrap_or_default();
    let holder = match holder.trim() {
        "" => String::new(),
        process => format!(" (process {process})"),
    };
    StoreError::Locked(format!(
        "{} is open in another process{holder}: one process at a time may use a SQLite store; \
         stop the other one, or give this one a file of its own",
        path.display()
    ))
}
