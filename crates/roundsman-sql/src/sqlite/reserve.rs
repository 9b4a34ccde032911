//! Room that is kept for a full disk, so that what is kept can still be delivered on it.
//!
//! Delivering writes: a claim before, an outcome behind. On a disk that takes nothing more a store
//! would be stuck with what it has, and nothing would ever make room. So some room is set aside, in
//! a file beside the database; it is given up when a commit finds the disk full, and from then on
//! everything goes on but accepting, which alone needs more and more. When there is room again it
//! is set aside first, and then messages are taken.

use super::create::{beside, remove};
use super::error::Sql;
use parking_lot::Mutex;
use roundsman_store::StoreError;
use rusqlite::Connection;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The room set aside for one store.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is there.
    Kept,
    /// The disk was found full; when it was last tried to set it aside again.
    Given(Instant),
    /// This system or this disk cannot set room aside, or had none to begin with.
    Without,
}

/// What moving the whole log of writes into the file takes at most (see [`mover`](super::mover)), and
/// as much again for the next.
const BYTES: u64 = 32 << 20;

/// How often is tried whether there is room again.
const PAUSE: Duration = Duration::from_secs(1);

impl Reserve {
    /// Sets room aside for the database at `path`, where that can be done.
    pub(super) fn beside(path: &Path) -> Self {
        let path = beside(path, "-reserve");
        let state = match set_aside(&path, BYTES) {
            Ok(()) => State::Kept,
            Err(error) => {
                tracing::debug!(%error, "no room is set aside for a full disk");
                State::Without
            }
        };
        Self { path, state: Mutex::new(state) }
    }

    /// The disk takes no more: gives the room up.
    pub(super) fn give(&self) {
        let mut state = self.state.lock();
        if *state == State::Kept {
            tracing::error!(
                "the disk is full: nothing more is accepted until there is room; what is kept is \
                 delivered"
            );
            *state = State::Given(Instant::now());
        }
        if let Err(error) = remove(&self.path) {
            tracing::error!(%error, path = %self.path.display(), "it cannot be removed");
        }
    }

    /// Whether messages may be taken: `Err` once the room was given up, unless there is room on the
    /// disk again, or in the file, which does not shrink when messages leave it.
    pub(super) fn check(&self, connection: &Connection) -> Sql<Result<(), StoreError>> {
        let mut state = self.state.lock();
        let State::Given(tried) = *state else { return Ok(Ok(())) };
        if tried.elapsed() >= PAUSE {
            // As much again for what is accepted: else it would be given up at once.
            let twice = set_aside(&self.path, 2 * BYTES);
            if twice.and_then(|()| set_aside(&self.path, BYTES)).is_ok() {
                tracing::info!("there is room on the disk again");
                *state = State::Kept;
                return Ok(Ok(()));
            }
            let _ = remove(&self.path);
            *state = State::Given(Instant::now());
        }
        let number = |what| connection.pragma_query_value(None, what, |row| row.get::<_, i64>(0));
        let free = number("freelist_count")?.saturating_mul(number("page_size")?);
        if free.unsigned_abs() >= BYTES {
            return Ok(Ok(()));
        }
        let folder = self.path.parent().unwrap_or(&self.path).display();
        Ok(Err(StoreError::Full(format!("{folder}: the disk is full; make room on it"))))
    }

    /// The store is closed: nothing is left beside it.
    pub(super) fn end(&self) {
        // Only room is lost where it stays.
        let _ = remove(&self.path);
    }
}

/// A file of so many bytes, which are on the disk.
#[cfg(target_os = "linux")]
fn set_aside(path: &Path, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    file.set_len(file.metadata()?.len().min(bytes))?;
    Ok(fallocate(&file, FallocateFlags::empty(), 0, bytes)?)
}

/// Elsewhere a file of a length takes no room until it is written to.
#[cfg(not(target_os = "linux"))]
fn set_aside(_: &Path, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
