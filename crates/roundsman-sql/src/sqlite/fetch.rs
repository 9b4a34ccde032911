//! Reading by lane: which lanes have something to do, and the next messages of each.

use super::error::Sql;
use super::reader::Reader;
use super::row::{int, lane, moment, number, text};
use super::young::Glance;
use crate::history::Past;
use bytes::Bytes;
use roundsman_store::{
    Ask, Fetched, IdSalt, Lane, LaneId, MessageId, Record, StoreError, Timestamp,
};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Row};
use std::sync::Arc;

/// What a walk visits, and whether the road has a message of it: looked for from its end, since what
/// is gone mostly lies at its beginning.
pub(super) const WALK: &str = "SELECT id, key, topic FROM lane INDEXED BY lane_turn
     WHERE turn = 1 AND id > ?1 ORDER BY id";
pub(super) const LIVE: &str = "SELECT 1
     FROM road CROSS JOIN message ON message.seq = road.seq AND message.due IS NULL
     WHERE road.lane = ?1 AND road.seq > ?2 ORDER BY road.seq DESC LIMIT 1";

/// The next lanes behind one.
pub(super) fn walk(
    reader: &mut Reader,
    (after, limit): (Option<LaneId>, usize),
) -> Sql<Result<Vec<Arc<Lane>>, StoreError>> {
    let sight = reader.place.young.sight();
    let after = after.map_or(-1, |id| int(id.0));
    let mut walk = reader.connection.prepare_cached(WALK)?;
    let mut live = reader.connection.prepare_cached(LIVE)?;
    let mut rows = walk.query([after])?;
    let mut lanes = Vec::new();
    while lanes.len() < limit
        && let Some(row) = rows.next()?
    {
        let id = LaneId(number(row, 0)?);
        let floor = (int(id.0), int(sight.floor(id)));
        if sight.has(id) || live.exists(floor)? {
            lanes.push(lane(row, 0)?);
        }
    }
    Ok(Ok(lanes))
}

/// Messages of a lane on the road, and one that is not there yet. The road may lead to some that are gone.
pub(super) const FETCH: &str = "SELECT message.seq, accepted, expires, id, event, history, payload
     FROM road CROSS JOIN message ON message.seq = road.seq AND message.due IS NULL
     WHERE road.lane = ?1 AND road.seq > ?2 ORDER BY road.seq LIMIT ?3";
pub(super) const YOUNG: &str = "SELECT seq, accepted, expires, id, event, history, payload
     FROM message WHERE seq = ?1 AND due IS NULL";

/// The oldest messages of each of several lanes.
pub(super) fn fetch(reader: &mut Reader, asks: Vec<Ask>) -> Sql<Result<Vec<Fetched>, StoreError>> {
    let glances = reader.place.young.glance(&asks);
    let mut lanes = Vec::with_capacity(asks.len());
    for ask in &asks {
        lanes.push(reader.lane(ask.lane)?);
    }
    let mut road = reader.connection.prepare_cached(FETCH)?;
    let mut young = reader.connection.prepare_cached(YOUNG)?;
    let mut fetched = Vec::with_capacity(asks.len());
    let mut event = Arc::from("");
    for ((ask, lane), glance) in asks.into_iter().zip(lanes).zip(glances) {
        let none = Fetched { lane: ask.lane, records: Vec::new(), more: false };
        let Some(lane) = lane else {
            fetched.push(none);
            continue;
        };
        let salt = reader.place.salt;
        let mut load = Load { ask: &ask, lane, salt, event: &mut event, bytes: 0, fetched: none };
        load.along_road(&mut road, &glance)?;
        load.among_young(&mut young, &glance)?;
        fetched.push(load.fetched);
    }
    Ok(Ok(fetched))
}

/// What one lane is asked for, while it is gathered.
struct Load<'a> {
    ask: &'a Ask,
    lane: Arc<Lane>,
    salt: IdSalt,
    event: &'a mut Arc<str>,
    bytes: usize,
    fetched: Fetched,
}

impl Load<'_> {
    fn along_road(&mut self, road: &mut CachedStatement<'_>, glance: &Glance) -> Sql<()> {
        // One more than asked for: whether it is there is `more`.
        let rows = i64::try_from(self.ask.limit.max(1)).unwrap_or(i64::MAX).saturating_add(1);
        let mut rows = road.query((int(self.lane.id.0), int(glance.floor), rows))?;
        while !self.fetched.more
            && let Some(row) = rows.next()?
        {
            self.take(row)?;
        }
        Ok(())
    }

    /// Behind all of the road: what is young and there too has been taken.
    fn among_young(&mut self, young: &mut CachedStatement<'_>, glance: &Glance) -> Sql<()> {
        let last = self.fetched.records.last().map_or(0, |record| record.seq);
        for seq in glance.seqs.iter().filter(|seq| **seq > last) {
            if self.fetched.more {
                break;
            }
            if let Some(row) = young.query([int(*seq)])?.next()? {
                self.take(row)?;
            }
        }
        Ok(())
    }

    /// Takes one if there is room for it.
    fn take(&mut self, row: &Row<'_>) -> Sql<()> {
        let Fetched { records, more, .. } = &mut self.fetched;
        let is_enough = records.len() >= self.ask.limit.max(1) || self.bytes >= self.ask.max_bytes;
        if is_enough && !records.is_empty() {
            *more = true;
            return Ok(());
        }
        let record = record(row, &self.lane, self.salt, self.event)?;
        self.bytes += record.payload.len();
        records.push(record);
        Ok(())
    }
}

fn record(row: &Row<'_>, lane: &Arc<Lane>, salt: IdSalt, event: &mut Arc<str>) -> Sql<Record> {
    let seq = number(row, 0)?;
    let id = match row.get_ref(3)? {
        ValueRef::Null => MessageId::Made { salt, lane: lane.id, seq },
        id => MessageId::parse(id.as_str()?, salt),
    };
    // Most messages of a read share their event.
    if row.get_ref(4)?.as_str()? != &**event {
        *event = text(row, 4)?;
    }
    let history = row.get_ref(5)?.as_blob_or_null()?.and_then(Past::decode_history);
    Ok(Record {
        lane: lane.clone(),
        seq,
        id,
        event: event.clone(),
        payload: Bytes::copy_from_slice(row.get_ref(6)?.as_blob()?),
        accepted_at: Timestamp(row.get(1)?),
        expires_at: moment(row, 2)?,
        history: history.map(Box::new),
    })
}
