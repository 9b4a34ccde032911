//! The lanes as the owner knows them: cached, changed in memory, written once a commit.

use super::changes::{Changes, LaneChange};
use super::wants::{StoredLane, Waiting, Wants};
use crate::cache::{Cache, Seeded};
use crate::lane_row::{Change, LaneRow};
use roundsman_store::{Key, Lane, LaneId, shard_of};
use rustc_hash::{FxBuildHasher, FxHashSet};
use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::Arc;

pub(crate) struct Lanes {
    rows: Cache<LaneId, LaneRow, FxBuildHasher>,
    /// By the hash of key and topic. Two names may share a hash: the row tells.
    names: Cache<u64, LaneId, FxBuildHasher>,
    hasher: Seeded,
    /// Looked for by this group, and not there.
    no_rows: FxHashSet<LaneId>,
    no_names: HashSet<(Key, Arc<str>), Seeded>,
    /// Rows to be written with the next commit.
    changed: Vec<LaneId>,
    /// Rows of which only the counts have changed.
    recounted: Vec<LaneId>,
}

impl Lanes {
    /// About 250 bytes each.
    const CACHED: usize = 64 * 1024;

    pub(crate) fn new() -> Self {
        Self {
            rows: Cache::new(Self::CACHED),
            names: Cache::new(Self::CACHED),
            hasher: Seeded::default(),
            no_rows: FxHashSet::default(),
            no_names: HashSet::default(),
            changed: Vec::new(),
            recounted: Vec::new(),
        }
    }

    /// The lane, if it is there and in memory.
    pub(crate) fn row(&mut self, id: LaneId) -> Option<&mut LaneRow> {
        self.rows.find(&id)
    }

    /// Whether it is known of this lane what there is to know; else it is wanted.
    pub(crate) fn is_at_hand(&mut self, id: LaneId, wants: &mut Wants) -> bool {
        let known = self.no_rows.contains(&id) || self.rows.find(&id).is_some();
        if !known {
            wants.lanes.push(id);
        }
        known
    }

    /// Whether it is known which lane has this name, if one does; else it is wanted.
    pub(crate) fn is_name_at_hand(
        &mut self,
        key: &Key,
        topic: &Arc<str>,
        wants: &mut Wants,
    ) -> bool {
        let known = self.named(key, topic).is_some()
            || (!self.no_names.is_empty() && self.no_names.contains(&(key.clone(), topic.clone())));
        if !known {
            wants.names.push((key.clone(), topic.clone()));
        }
        known
    }

    /// The number of the lane of this name, if that is in memory.
    pub(crate) fn named(&mut self, key: &Key, topic: &str) -> Option<LaneId> {
        let hash = self.hasher.hash_one((key, topic));
        let id = *self.names.find(&hash)?;
        let lane = &self.rows.find(&id)?.lane;
        (lane.key == *key && *lane.topic == *topic).then_some(id)
    }

    /// Takes in what was wanted, and notes what is not there.
    pub(crate) fn absorb(&mut self, wants: &Wants, lanes: Vec<StoredLane>) {
        for stored in lanes {
            let id = stored.lane.id;
            let hash = self.hasher.hash_one((&stored.lane.key, &*stored.lane.topic));
            self.names.insert(hash, id);
            // What is in memory already knows more than the row does.
            if self.rows.find(&id).is_none() {
                self.rows.insert(id, row(stored));
            }
        }
        for id in &wants.lanes {
            if self.rows.find(id).is_none() {
                self.no_rows.insert(*id);
            }
        }
        for (key, topic) in &wants.names {
            if self.named(key, topic).is_none() {
                self.no_names.insert((key.clone(), topic.clone()));
            }
        }
    }

    /// Changes the lane, if there is one of this number; `work` says what has to be written.
    pub(crate) fn change<T>(
        &mut self,
        id: LaneId,
        work: impl FnOnce(&mut LaneRow) -> (Change, T),
    ) -> Option<T> {
        let row = self.rows.find(&id)?;
        let (change, seen) = work(row);
        if change > row.change && row.change <= Change::Counts {
            let list =
                if change == Change::Counts { &mut self.recounted } else { &mut self.changed };
            list.push(id);
        }
        row.change = row.change.max(change);
        Some(seen)
    }

    /// A new lane of this name.
    pub(crate) fn make(&mut self, number: u64, key: Key, topic: Arc<str>) -> LaneId {
        let id = LaneId::new(shard_of(&key), number);
        self.names.insert(self.hasher.hash_one((&key, &*topic)), id);
        let lane = Arc::new(Lane { id, key, topic });
        let stored = StoredLane { lane, ready: 0, later: 0, block: None, turn: false };
        self.rows.insert(id, LaneRow { change: Change::New, ..row(stored) });
        self.changed.push(id);
        id
    }

    /// The lanes that this group has blocked for this.
    pub(crate) fn blocked_now(&mut self, waiting: &Waiting) -> Vec<LaneId> {
        let rows = &mut self.rows;
        let mut blocked = self.changed.clone();
        blocked
            .retain(|id| rows.find(id).is_some_and(|row| waiting.is(&row.lane.topic, row.block)));
        blocked
    }

    /// Whether there is anything to write with the next commit.
    pub(crate) fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Hands over what has to be in the database with the next commit; with `late`, counts too.
    pub(crate) fn write(&mut self, changes: &mut Changes, late: bool) {
        for id in self.changed.drain(..) {
            let Some(row) = self.rows.find(&id) else { continue };
            match std::mem::replace(&mut row.change, Change::Nothing) {
                Change::Nothing => {}
                Change::Counts | Change::Turn => changes.lanes.push(snapshot(row)),
                Change::New => changes.lanes_new.push(snapshot(row)),
            }
        }
        if late {
            for id in self.recounted.drain(..) {
                let Some(row) = self.rows.find(&id) else { continue };
                if std::mem::replace(&mut row.change, Change::Nothing) != Change::Nothing {
                    changes.lanes.push(snapshot(row));
                }
            }
        }
    }

    /// Removes a lane that has nothing in it. Answers its key, if it could be.
    pub(crate) fn forget(&mut self, id: LaneId) -> Option<Key> {
        let row = self.rows.find(&id)?;
        if row.ready > 0 || row.later > 0 || row.change == Change::New {
            return None;
        }
        let lane = self.rows.remove(&id)?.lane;
        let hash = self.hasher.hash_one((&lane.key, &*lane.topic));
        if self.names.find(&hash) == Some(&mut { id }) {
            self.names.remove(&hash);
        }
        Some(lane.key.clone())
    }

    /// Whether the next [`turn`](Self::turn) lets go of something.
    pub(crate) fn is_full(&self) -> bool {
        self.rows.is_full()
    }

    /// Between two transactions: lets go of what was not used lately.
    pub(crate) fn turn(&mut self) {
        self.rows.turn();
        self.names.turn();
        self.no_rows.clear();
        self.no_names.clear();
        if self.recounted.len() > 4 * Self::CACHED {
            let rows = &mut self.rows;
            self.recounted
                .retain(|id| rows.find(id).is_some_and(|row| row.change != Change::Nothing));
        }
    }
}

fn row(stored: StoredLane) -> LaneRow {
    let StoredLane { lane, ready, later, block, turn } = stored;
    let change = Change::Nothing;
    LaneRow { lane, ready, later, block, turn, tail: None, is_idle: false, change }
}

fn snapshot(row: &LaneRow) -> LaneChange {
    LaneChange {
        lane: row.lane.clone(),
        ready: row.ready,
        later: row.later,
        block: row.block,
        turn: row.turn,
    }
}
