//! The books: every count there is, changed in one place ([`Books::shift`]) and written once a commit.
//!
//! Lanes and accounts are written late, but for what a walk, a join and the clock go by; see
//! [`schema`](super::schema). What must agree: a lane's `ready` and `later`, its key's backlog, the totals, and what is held,
//! which is the sum of `ready` over lanes where nobody is there. An empty lane is neither blocked
//! nor, for long, kept: those that ran empty are queued, and forgotten if they still are so a while
//! later. Most fill again at once, and making one costs more than a message.

use super::accounts::Accounts;
use super::error::Sql;
use super::lanes::Lanes;
use super::road::{Pace, Road};
use super::row::{int, number};
use super::young::Young;
use crate::lane_row::{LaneRow, Shift};
use roundsman_store::{Block, Counts, Key, Lane, LaneId, Timestamp};
use rusqlite::Connection;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How long a lane is kept empty.
const IDLE: Duration = Duration::from_secs(5);
/// How many empty lanes are kept.
const IDLE_LANES: usize = 16 * 1024;
/// How many are forgotten in one transaction.
const FORGET_AT_ONCE: usize = 256;

/// What a lane was when a message in it was shifted.
#[derive(Debug)]
pub(super) struct Shifted {
    pub(super) lane: Arc<Lane>,
    /// The newest message in it before: 0 where there was none, `None` where that is not known.
    pub(super) previous: Option<u64>,
    pub(super) is_blocked: bool,
}

/// From the road to the lanes, from the lanes to the keys. Costs a look at a table that holds only
/// numbers.
const RECOUNT: &str = "
BEGIN IMMEDIATE;
UPDATE lane SET ready = (
    SELECT count(*) FROM road WHERE road.lane = lane.id
) WHERE (SELECT exact FROM state) = 0;
DELETE FROM account WHERE (SELECT exact FROM state) = 0;
INSERT INTO account
    SELECT key, sum(ready + later), sum(iif(wait = 1, ready, 0)) FROM lane
    WHERE (SELECT exact FROM state) = 0
    GROUP BY key HAVING sum(ready + later) > 0;
UPDATE state SET exact = 1 WHERE exact = 0;
COMMIT;
";

pub(super) struct Books {
    pub(super) counts: Counts,
    pub(super) accounts: Accounts,
    lanes: Lanes,
    pub(super) road: Road,
    /// The last sequence, and the last lane number.
    seq: u64,
    numbered: u64,
    idle: VecDeque<(Timestamp, LaneId)>,
    is_dirty: bool,
    /// Rows of lanes and accounts are behind what is counted here.
    is_late: bool,
}

impl Books {
    /// The books as the file has them; counted anew where it says that they are not exact.
    pub(super) fn open(connection: &Connection, young: Arc<Young>) -> Sql<Self> {
        let road = Road::open(connection, young)?;
        connection.execute_batch(RECOUNT)?;
        connection.query_row(
            "SELECT seq, lanes, backlog, scheduled, held, dead, ids FROM state",
            (),
            |row| {
                Ok(Self {
                    seq: number(row, 0)?,
                    numbered: number(row, 1)?,
                    counts: read_counts(row, 2)?,
                    accounts: Accounts::new(),
                    lanes: Lanes::new(),
                    road,
                    idle: VecDeque::new(),
                    is_dirty: false,
                    is_late: false,
                })
            },
        )
    }

    /// The next sequence.
    pub(super) fn next_seq(&mut self) -> u64 {
        self.is_dirty = true;
        self.seq += 1;
        self.seq
    }

    /// What `look` sees in the lane, if there is one of this number.
    pub(super) fn see<T>(
        &mut self,
        connection: &Connection,
        id: LaneId,
        look: impl FnOnce(&LaneRow) -> T,
    ) -> Sql<Option<T>> {
        self.lanes.see(connection, id, |row| look(row))
    }

    /// The lane of this name, made if need be.
    pub(super) fn intern(
        &mut self,
        connection: &Connection,
        key: Key,
        topic: Arc<str>,
    ) -> Sql<LaneId> {
        if let Some(id) = self.lanes.named(connection, &key, &topic)? {
            return Ok(id);
        }
        self.is_dirty = true;
        self.numbered += 1;
        Ok(self.lanes.make(self.numbered, key, topic))
    }

    /// One message came in, is gone, or moved between lane and schedule.
    pub(super) fn shift(
        &mut self,
        connection: &Connection,
        id: LaneId,
        shift: Shift,
        now: Timestamp,
    ) -> Sql<Option<Shifted>> {
        let (ready, later) = shift.counts();
        let shifted = self.lanes.change(connection, id, |row| {
            let previous = row.newest();
            let is_blocked = row.block.is_some();
            let held = if row.block == Some(Block::Absent) { ready } else { 0 };
            let change = row.shift(shift);
            let is_empty = row.ready == 0;
            let became_idle =
                is_empty && row.later == 0 && !std::mem::replace(&mut row.is_idle, true);
            let shifted = Shifted { lane: row.lane.clone(), previous, is_blocked };
            (change, (shifted, held, is_empty && ready < 0, became_idle))
        })?;
        let Some((shifted, held, is_empty, became_idle)) = shifted else { return Ok(None) };
        match shift {
            Shift::In(seq) | Shift::Back(seq) => self.road.enter(id, seq),
            Shift::Out(seq) | Shift::PutOff(seq) => self.road.leave(id, seq),
            Shift::Later | Shift::NoMore => {}
        }
        if is_empty {
            self.road.empty(id, self.seq);
        }
        if became_idle {
            self.idle.push_back((now, id));
        }
        self.count(ready, later, held);
        self.accounts.shift_topic(&shifted.lane.topic, ready);
        self.accounts.shift(connection, &shifted.lane.key, ready + later, held)?;
        Ok(Some(shifted))
    }

    fn count(&mut self, ready: i64, later: i64, held: i64) {
        self.is_dirty = true;
        self.is_late = true;
        let counts = &mut self.counts;
        counts.backlog = counts.backlog.saturating_add_signed(ready + later);
        counts.scheduled = counts.scheduled.saturating_add_signed(later);
        counts.held = counts.held.saturating_add_signed(held);
    }

    /// One dead letter more, or one sender's id more or less.
    pub(super) fn shift_kept(&mut self, dead: i64, ids: i64) {
        self.is_dirty = true;
        self.counts.dead = self.counts.dead.saturating_add_signed(dead);
        self.counts.ids = self.counts.ids.saturating_add_signed(ids);
    }

    /// Blocks a lane that has messages, or releases it.
    pub(super) fn set_block(
        &mut self,
        connection: &Connection,
        id: LaneId,
        block: Option<Block>,
    ) -> Sql<()> {
        let changed = self.lanes.change(connection, id, |row| row.set_block(block))?;
        let Some((key, held)) = changed.flatten() else { return Ok(()) };
        if held != 0 {
            self.count(0, 0, held);
        }
        self.accounts.shift(connection, &key, 0, held)
    }

    /// Messages in the lanes of `topic`.
    pub(super) fn in_topic(&mut self, connection: &Connection, topic: &Arc<str>) -> Sql<u64> {
        let lanes = &mut self.lanes;
        self.accounts.topic(topic, || {
            lanes.flush(connection)?;
            connection
                .prepare_cached("SELECT coalesce(sum(ready), 0) FROM lane WHERE topic = ?1")?
                .query_row([&**topic], |row| number(row, 0))
        })
    }

    /// Writes what has changed, so that statements see it too.
    pub(super) fn flush(&mut self, connection: &Connection) -> Sql<()> {
        self.lanes.flush(connection)?;
        self.accounts.flush(connection)?;
        self.is_dirty |= self.is_late;
        self.is_late = false;
        self.flush_totals(connection)
    }

    /// Writes what has to be in the file when this transaction is committed. What may come late is
    /// only written where it could be lost from memory otherwise.
    pub(super) fn flush_turns(&mut self, connection: &Connection) -> Sql<()> {
        if self.lanes.is_full() || self.accounts.is_full() {
            return self.flush(connection);
        }
        self.lanes.flush_turns(connection)?;
        self.flush_totals(connection)
    }

    fn flush_totals(&mut self, connection: &Connection) -> Sql<()> {
        if std::mem::take(&mut self.is_dirty) {
            let Counts { backlog, scheduled, held, dead, ids } = self.counts;
            let exact = u64::from(!self.is_late);
            let totals = [self.seq, self.numbered, backlog, scheduled, held, dead, ids, exact];
            connection
                .prepare_cached(
                    "UPDATE state SET seq = ?1, lanes = ?2, backlog = ?3, scheduled = ?4,
                     held = ?5, dead = ?6, ids = ?7, exact = ?8",
                )?
                .execute(totals.map(int))?;
        }
        Ok(())
    }

    /// Forgets lanes that have been empty for a while. Everything is written already.
    pub(super) fn forget_idle(&mut self, connection: &Connection, now: Timestamp) -> Sql<()> {
        for _ in 0..FORGET_AT_ONCE {
            let Some((since, id)) = self.idle.front().copied() else { break };
            if now.since(since) < IDLE && self.idle.len() <= IDLE_LANES {
                break;
            }
            self.idle.pop_front();
            self.forget(connection, id)?;
        }
        Ok(())
    }

    /// Forgets a lane, and its key's account, if nothing is in it.
    pub(super) fn forget(&mut self, connection: &Connection, id: LaneId) -> Sql<()> {
        let key = self.lanes.see(connection, id, |row| {
            row.is_idle = false;
            (row.ready == 0 && row.later == 0).then(|| row.lane.key.clone())
        })?;
        let Some(key) = key.flatten() else { return Ok(()) };
        self.lanes.forget(connection, id)?;
        self.accounts.forget(connection, &key)
    }

    /// The oldest message of a lane.
    pub(super) fn head(&self, connection: &Connection, lane: LaneId) -> Sql<Option<u64>> {
        self.road.head(connection, lane)
    }

    /// Writes what the file has to have of the road with this commit.
    pub(super) fn pave(&mut self, connection: &Connection, pace: Pace) -> Sql<()> {
        self.road.pave(connection, self.seq, pace)
    }

    /// Between two transactions: lets go of what was not used lately, and tells readers of the last.
    pub(super) fn turn(&mut self) {
        self.road.turn();
        self.lanes.turn();
        self.accounts.turn();
    }
}

/// The totals, from five columns of `state` that begin at `first`.
pub(super) fn read_counts(row: &rusqlite::Row<'_>, first: usize) -> Sql<Counts> {
    Ok(Counts {
        backlog: number(row, first)?,
        scheduled: number(row, first + 1)?,
        held: number(row, first + 2)?,
        dead: number(row, first + 3)?,
        ids: number(row, first + 4)?,
    })
}
