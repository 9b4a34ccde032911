//! The rows of lanes as the writer sees them: cached, changed in memory, written once a commit.

use super::error::Sql;
use super::row::{block, int, lane, number, wait};
use crate::cache::{Cache, Seeded};
use crate::lane_row::{Change, LaneRow};
use roundsman_store::{Key, Lane, LaneId, shard_of};
use rusqlite::{Connection, OptionalExtension, Row};
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;
use std::sync::Arc;

pub(super) struct Lanes {
    rows: Cache<LaneId, LaneRow, FxBuildHasher>,
    /// By the hash of key and topic. Two names may share a hash: the row tells.
    names: Cache<u64, LaneId, FxBuildHasher>,
    hasher: Seeded,
    /// Rows to be written with the next commit.
    changed: Vec<LaneId>,
    /// Rows of which only the counts have changed.
    recounted: Vec<LaneId>,
}

const COLUMNS: &str = "SELECT id, key, topic, ready, later, wait, until, turn FROM lane";

impl Lanes {
    /// About 250 bytes each.
    const CACHED: usize = 16 * 1024;

    pub(super) fn new() -> Self {
        Self {
            rows: Cache::new(Self::CACHED),
            names: Cache::new(Self::CACHED),
            hasher: Seeded::default(),
            changed: Vec::new(),
            recounted: Vec::new(),
        }
    }

    /// What `look` sees in the lane, if there is one of this number.
    pub(super) fn see<T>(
        &mut self,
        connection: &Connection,
        id: LaneId,
        look: impl FnOnce(&mut LaneRow) -> T,
    ) -> Sql<Option<T>> {
        self.change(connection, id, |row| (Change::Nothing, look(row)))
    }

    /// Changes the lane, if there is one of this number; `work` says what has to be written.
    pub(super) fn change<T>(
        &mut self,
        connection: &Connection,
        id: LaneId,
        work: impl FnOnce(&mut LaneRow) -> (Change, T),
    ) -> Sql<Option<T>> {
        if let Some(row) = self.rows.find(&id) {
            return Ok(Some(note(row, (&mut self.changed, &mut self.recounted), work)));
        }
        let row = connection
            .prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?
            .query_row([int(id.0)], read)
            .optional()?;
        let Some(mut row) = row else { return Ok(None) };
        let seen = note(&mut row, (&mut self.changed, &mut self.recounted), work);
        self.rows.insert(id, row);
        Ok(Some(seen))
    }

    /// The lane's number, if there is one of this name.
    pub(super) fn named(
        &mut self,
        connection: &Connection,
        key: &Key,
        topic: &str,
    ) -> Sql<Option<LaneId>> {
        let hash = self.hasher.hash_one((key, topic));
        if let Some(id) = self.names.find(&hash).copied()
            && let Some(row) = self.rows.find(&id)
            && row.lane.key == *key
            && *row.lane.topic == *topic
        {
            return Ok(Some(id));
        }
        let row = connection
            .prepare_cached(&format!("{COLUMNS} WHERE topic = ?1 AND key = ?2"))?
            .query_row((topic, key.as_str()), read)
            .optional()?;
        let Some(row) = row else { return Ok(None) };
        let id = row.lane.id;
        // What is cached already knows more than the file does.
        if self.rows.find(&id).is_none() {
            self.rows.insert(id, row);
        }
        self.names.insert(hash, id);
        Ok(Some(id))
    }

    /// A new lane of this name.
    pub(super) fn make(&mut self, number: u64, key: Key, topic: Arc<str>) -> LaneId {
        let id = LaneId::new(shard_of(&key), number);
        self.names.insert(self.hasher.hash_one((&key, &*topic)), id);
        let row = LaneRow {
            lane: Arc::new(Lane { id, key, topic }),
            ready: 0,
            later: 0,
            block: None,
            turn: false,
            tail: None,
            is_idle: false,
            change: Change::New,
        };
        self.rows.insert(id, row);
        self.changed.push(id);
        id
    }

    /// Writes what has changed, counts too.
    pub(super) fn flush(&mut self, connection: &Connection) -> Sql<()> {
        self.flush_turns(connection)?;
        if self.recounted.is_empty() {
            return Ok(());
        }
        let mut counts = connection.prepare_cached("UPDATE lane SET ready = ?2 WHERE id = ?1")?;
        for id in self.recounted.drain(..) {
            let Some(row) = self.rows.find(&id) else { continue };
            if std::mem::replace(&mut row.change, Change::Nothing) != Change::Nothing {
                counts.execute((int(id.0), int(row.ready)))?;
            }
        }
        Ok(())
    }

    /// Writes what has changed but for counts alone.
    pub(super) fn flush_turns(&mut self, connection: &Connection) -> Sql<()> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let mut turn = connection.prepare_cached(
            "UPDATE lane SET ready = ?2, later = ?3, wait = ?4, until = ?5, turn = ?6 WHERE id = ?1",
        )?;
        let mut new = connection.prepare_cached(
            "INSERT INTO lane (id, ready, later, wait, until, turn, key, topic)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        for id in self.changed.drain(..) {
            let Some(row) = self.rows.find(&id) else { continue };
            let (id, ready, later) = (int(id.0), int(row.ready), int(row.later));
            let (kind, until) = wait(row.block);
            match std::mem::replace(&mut row.change, Change::Nothing) {
                Change::Nothing => 0,
                Change::Counts | Change::Turn => {
                    turn.execute((id, ready, later, kind, until, row.turn))?
                }
                Change::New => {
                    let (key, topic) = (row.lane.key.as_str(), &*row.lane.topic);
                    new.execute((id, ready, later, kind, until, row.turn, key, topic))?
                }
            };
        }
        Ok(())
    }

    /// Removes a lane that has nothing in it and nothing left to write.
    pub(super) fn forget(&mut self, connection: &Connection, id: LaneId) -> Sql<()> {
        connection.prepare_cached("DELETE FROM lane WHERE id = ?1")?.execute([int(id.0)])?;
        if let Some(row) = self.rows.find(&id) {
            let hash = self.hasher.hash_one((&row.lane.key, &*row.lane.topic));
            self.names.remove(&hash);
        }
        self.rows.remove(&id);
        Ok(())
    }

    /// Whether the next [`turn`](Self::turn) lets go of something.
    pub(super) fn is_full(&self) -> bool {
        self.rows.is_full()
    }

    /// Between two transactions: lets go of what was not used lately.
    pub(super) fn turn(&mut self) {
        self.rows.turn();
        self.names.turn();
    }
}

fn note<T>(
    row: &mut LaneRow,
    (changed, recounted): (&mut Vec<LaneId>, &mut Vec<LaneId>),
    work: impl FnOnce(&mut LaneRow) -> (Change, T),
) -> T {
    let (change, seen) = work(row);
    if change > row.change && row.change <= Change::Counts {
        let list = if change == Change::Counts { recounted } else { changed };
        list.push(row.lane.id);
    }
    row.change = row.change.max(change);
    seen
}

fn read(row: &Row<'_>) -> Sql<LaneRow> {
    Ok(LaneRow {
        lane: lane(row, 0)?,
        ready: number(row, 3)?,
        later: number(row, 4)?,
        block: block(row, 5)?,
        turn: row.get(7)?,
        tail: None,
        is_idle: false,
        change: Change::Nothing,
    })
}
