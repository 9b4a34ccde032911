//! A thread that reads: one call after the other, each in a transaction of its own.

use super::call::Command;
use super::error::{Sql, store_error};
use super::ledger::Place;
use super::open;
use super::row::{int, lane};
use crate::cache::Cache;
use roundsman_store::{Lane, LaneId, StoreError};
use rusqlite::{Connection, OptionalExtension};
use rustc_hash::FxBuildHasher;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// A call on its way to a reader.
pub(super) type Read = Box<dyn Command<Reader>>;

/// What calls that read are performed on.
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) place: Place,
    /// The names of lanes, which never change: numbers are never used again.
    lanes: Cache<LaneId, Arc<Lane>, FxBuildHasher>,
}

impl Reader {
    const CACHED: usize = 16 * 1024;

    pub(super) fn open(place: &Place) -> Result<Self, StoreError> {
        let connection = open::reading(&place.path)?;
        Ok(Self { connection, place: place.clone(), lanes: Cache::new(Self::CACHED) })
    }

    /// The lane of this number, if it is known.
    pub(super) fn lane(&mut self, id: LaneId) -> Sql<Option<Arc<Lane>>> {
        if let Some(lane) = self.lanes.find(&id) {
            return Ok(Some(lane.clone()));
        }
        let found = self
            .connection
            .prepare_cached("SELECT id, key, topic FROM lane WHERE id = ?1")?
            .query_row([int(id.0)], |row| lane(row, 0))
            .optional()?;
        if let Some(lane) = &found {
            self.lanes.insert(id, lane.clone());
            self.lanes.turn();
        }
        Ok(found)
    }

    fn perform(&mut self, call: &mut dyn Command<Self>) -> Sql<()> {
        // One snapshot for the whole call, and one look at the WAL instead of one a statement.
        self.connection.prepare_cached("BEGIN")?.execute(())?;
        call.perform(self)?;
        self.connection.prepare_cached("COMMIT")?.execute(()).map(drop)
    }
}

/// Runs until there is nobody left who could call.
pub(super) fn run(place: &Place, first: Reader, inbox: &Receiver<Read>) {
    let mut reader = Some(first);
    while let Ok(mut call) = inbox.recv() {
        let fate = match &mut reader {
            Some(reader) => perform(reader, &mut *call),
            none => Reader::open(place).and_then(|opened| perform(none.insert(opened), &mut *call)),
        };
        if fate.is_err() {
            reader = None;
        }
        call.answer(fate);
    }
}

fn perform(reader: &mut Reader, call: &mut dyn Command<Reader>) -> Result<(), StoreError> {
    let fate = reader.perform(call);
    fate.map_err(|error| store_error(&reader.place.path, &error))
}
