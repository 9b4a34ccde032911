//! The thread that moves what was committed from the WAL into the database, while the writer goes on.
//!
//! Moving some thousand pages takes tens of milliseconds, and a writer that does it itself keeps
//! every call waiting meanwhile. Yet somebody has to be quick at the end: the WAL begins anew only
//! if all of it has been moved, which is never so while the writer adds to it. So this thread moves
//! the bulk, and the writer, between two commits, the little that has come since.

use super::error::Sql;
use super::open;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

/// Pages in the WAL (4 KiB each) that are worth a move. Many, because it costs two syncs, and a
/// page that changed a hundred times is moved once.
const MANY_PAGES: i64 = 3000;

/// The writer looks at the WAL after so many commits.
const COMMITS: u32 = 16;

/// How often the writer tries to move the rest: a reader may be looking at what was before.
const TRIES: u32 = 8;

/// The writer's side of it.
#[derive(Debug)]
pub(super) struct Mover {
    desk: Option<SyncSender<()>>,
    moved: Receiver<()>,
    thread: Option<JoinHandle<()>>,
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

/// What is in the WAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pages {
    /// All of them since it began.
    written: i64,
    moved: i64,
}

impl Mover {
    /// Begins with `spawn`, which is given the work of the thread.
    pub(super) fn begin<E>(
        path: &Path,
        spawn: impl FnOnce(Box<dyn FnOnce() + Send>) -> Result<JoinHandle<()>, E>,
    ) -> Result<Self, E> {
        let (desk, asked) = sync_channel(1);
        let (tell, moved) = sync_channel(1);
        let path = path.to_owned();
        let thread = spawn(Box::new(move || run(&path, &asked, &tell)))?;
        Ok(Self { desk: Some(desk), moved, thread: Some(thread), commits: 0, work: Work::None })
    }

    /// The writer has committed, and nothing of its is under way.
    ///
    /// # Errors
    /// As [`Connection::query_row`]; the commit stands all the same.
    pub(super) fn committed(&mut self, connection: &Connection) -> Sql<()> {
        self.commits += 1;
        match self.work {
            Work::None if self.commits >= COMMITS => {
                self.commits = 0;
                let pages = pages(connection, "NOOP")?;
                if pages.written - pages.moved >= MANY_PAGES && self.ask() {
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

    fn ask(&self) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.try_send(()).is_ok())
    }

    fn rest(&mut self, connection: &Connection, tries: u32) -> Sql<()> {
        self.work = Work::None;
        let pages = pages(connection, "PASSIVE")?;
        if pages.moved < pages.written && tries > 1 {
            self.work = Work::Rest(tries - 1);
        }
        Ok(())
    }

    /// Waits for the end of what is being moved.
    pub(super) fn end(&mut self) {
        self.desk = None;
        // One that panicked has nothing left to end.
        let _ = self.thread.take().map(JoinHandle::join);
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

fn bulk(
    path: &Path,
    connection: &mut Option<Connection>,
) -> Result<(), Box<dyn std::error::Error>> {
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(open::writing(path, OpenFlags::empty())?),
    };
    pages(connection, "PASSIVE")?;
    Ok(())
}

/// Moves in this mode, or only looks; what there is then.
fn pages(connection: &Connection, mode: &str) -> Sql<Pages> {
    connection
        .prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?
        .query_row((), |row| Ok(Pages { written: row.get(1)?, moved: row.get(2)? }))
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
        let spawn = |work: Box<dyn FnOnce() + Send>| std::thread::Builder::new().spawn(work);
        let mut mover = Mover::begin(&path, spawn).unwrap();
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
                most = most.max(pages(&writer, "NOOP").unwrap().written);
            }
        }
        mover.end();
        assert!(bulks >= 2, "{bulks} moves of 20,000 pages");
        assert!(most < 4 * MANY_PAGES, "{most} pages");
        let checked: String =
            reader.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
        assert_eq!(checked, "ok");
    }
}
