//! Making a new file: beside its place, and moved there when it is whole.
//!
//! Whoever is killed in the middle leaves a file that is no store yet; under its final name the
//! next opening could not tell it from somebody else's database, and would refuse it.

use super::error::store_error;
use super::open;
use super::schema;
use roundsman_store::StoreError;
use rusqlite::OpenFlags;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Makes an empty store at `path`, where nothing is or an empty file. The lock is held.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let unavailable = |error: io::Error| {
        StoreError::Unavailable(format!("{} cannot be made: {error}", path.display()))
    };
    let draft = beside(path, "-new");
    // What a kill left of the last try; and a log without its database, which SQLite would apply
    // to the new one.
    for name in [&draft, &beside(&draft, "-wal"), &beside(&draft, "-shm"), &beside(path, "-wal")] {
        remove(name).map_err(unavailable)?;
    }
    let mut connection = open::writing(&draft, OpenFlags::SQLITE_OPEN_CREATE)?;
    schema::migrate(&mut connection).map_err(|error| store_error(path, &error))?;
    // The last connection moves everything into the file when it is closed.
    connection.close().map_err(|(_, error)| store_error(path, &error))?;
    File::open(&draft).and_then(|file| file.sync_all()).map_err(unavailable)?;
    std::fs::rename(&draft, path).map_err(unavailable)?;
    sync_folder(path).map_err(unavailable)
}

/// The rename itself has to reach the disk, where folders can be synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The file beside `path` whose name ends in this, too.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
