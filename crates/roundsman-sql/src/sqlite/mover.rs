//! The thread that moves what was committed from the WAL into the database, while the writer goes on.
//!
//! Moving some thousand pages takes tens of milliseconds, and a writer that does it itself keeps
//! every call waiting meanwhile. Yet somebody has to be quick at the end: the WAL begins anew only
//! if all of it has been moved, which is never so while the writer adds to it. So this thread moves
//! the bulk, and the writer, between two commits, the little that has come since.

use super::error::{Sql, store_error};
use super::open;
use roundsman_store::StoreError;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

/// Pages in the WAL that are worth a move. Many, because it costs two syncs, and a
/// page that changed a hundred times is moved once.
const MANY_PAGES: i64 = 1500;

/// The writer looks at the WAL after so many commits.
const COMMITS: u32 = 16;

/// How often the writer tries to move the rest: a reader may be looking at what was before.
const TRIES: u32 = 8;

/// The writer's side of it. Without it the thread ends.
#[derive(Debug)]
pub(super) struct Mover {
    desk: SyncSender<()>,
    moved: Receiver<()>,
    /// Commits since the writer last looked.
    commits: u32,
    work: Work,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    None,
    /// The thread has it.
    Bulk,
    /// It is the writer's, with so many tries left.
    Rest(u32),
}

impl Mover {
    /// The writer's side, and what the thread does.
    pub(super) fn new(path: &Path) -> (Self, impl FnOnce() + Send + use<>) {
        let (desk, asked) = sync_channel(1);
        let (tell, moved) = sync_channel(1);
        let path = path.to_owned();
        let new = Self { desk, moved, commits: 0, work: Work::None };
        (new, move || run(&path, &asked, &tell))
    }

    /// The writer has committed, and nothing of its is under way.
    ///
    /// # Errors
    /// The WAL could not be looked at or moved; the commit stands all the same.
    pub(super) fn committed(&mut self, connection: &Connection) -> Sql<()> {
        self.commits += 1;
        match self.work {
            Work::None if self.commits >= COMMITS => {
                self.commits = 0;
                let wal = open::checkpoint(connection, "NOOP")?;
                if wal.written - wal.moved >= MANY_PAGES && self.desk.try_send(()).is_ok() {
                    self.work = Work::Bulk;
                }
            }
            Work::None => {}
            Work::Bulk => match self.moved.try_recv() {
                Ok(()) => self.rest(connection, TRIES)?,
                Err(TryRecvError::Empty) => {}
                // A thread that panicked: SQLite's own limit on the WAL still holds.
                Err(TryRecvError::Disconnected) => self.work = Work::None,
            },
            Work::Rest(tries) => self.rest(connection, tries)?,
        }
        Ok(())
    }

    fn rest(&mut self, connection: &Connection, tries: u32) -> Sql<()> {
        self.work = Work::None;
        let wal = open::checkpoint(connection, "PASSIVE")?;
        if wal.moved < wal.written && tries > 1 {
            self.work = Work::Rest(tries - 1);
        }
        Ok(())
    }
}

fn run(path: &Path, asked: &Receiver<()>, tell: &SyncSender<()>) {
    let mut connection = None;
    while asked.recv().is_ok() {
        if let Err(error) = bulk(path, &mut connection) {
            // The writer tries the same behind it, and commits say what is wrong with the disk.
            tracing::debug!(%error, "the WAL could not be moved");
            connection = None;
        }
        let _ = tell.try_send(());
    }
}

fn bulk(path: &Path, connection: &mut Option<Connection>) -> Result<(), StoreError> {
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(open::writing(path, OpenFlags::empty())?),
    };
    open::checkpoint(connection, "PASSIVE").map(drop).map_err(|error| store_error(path, &error))
}

#[cfg(test)]
mod tests {
    use super::super::create;
    use super::*;
    use std::time::Duration;

    fn commit(connection: &Connection) {
        let sql = "CREATE TABLE IF NOT EXISTS filler (it BLOB); INSERT INTO filler VALUES (zeroblob(200000))";
        connection.execute_batch(sql).unwrap();
    }

    /// The WAL begins anew again and again, although it is written to all the time and is read.
    #[test]
    fn the_wal_stays_small_while_it_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it.db");
        create::create(&path).unwrap();
        let writer = open::writing(&path, OpenFlags::empty()).unwrap();
        let reader = open::reading(&path).unwrap();
        let (mut mover, work) = Mover::new(&path);
        let thread = std::thread::spawn(work);
        let (mut bulks, mut most) = (0, 0);
        for number in 0..400 {
            commit(&writer);
            let before = mover.work;
            mover.committed(&writer).unwrap();
            bulks += u32::from(before == Work::None && mover.work == Work::Bulk);
            let wait = if mover.work == Work::Bulk { 5 } else { 0 };
            std::thread::sleep(Duration::from_millis(wait));
            let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            assert_eq!(
                reader.query_row("SELECT count(*) FROM filler", (), count).unwrap(),
                number + 1
            );
            if mover.work == Work::None {
                most = most.max(open::checkpoint(&writer, "NOOP").unwrap().written);
            }
        }
        drop(mover);
        thread.join().unwrap();
        assert!(bulks >= 2, "{bulks} moves of 10,000 pages");
        assert!(most < 4 * MANY_PAGES, "{most} pages");
        let checked: String =
            reader.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
        assert_eq!(checked, "ok");
    }
}
