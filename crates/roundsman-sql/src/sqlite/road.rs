//! The road, as its writer sees it: which messages are in which lane, in a table that is written late.
//!
//! ```text
//!  accepted ─► young ────┐
//!                        ├─► pavement, in the order of the table ─► road (lane, seq)
//!  settled ──► departed ─┘   some steps with each commit
//! ```
//!
//! A message that comes and goes changes this table in two places, and where there are many lanes
//! each is a page of its own that goes into the WAL with that commit. So what came and what went
//! is gathered, and written by lane once there is enough of it; what went before it was written
//! never is. Readers look at what is [`Young`] too, and at nothing whose message is gone.
//!
//! **After a crash** the road is made true before anything is read: a message that it may lack has a sequence
//! above `paved`, and what it has in excess is in `departed`, a row for each commit in which any of it
//! left. Both are as short as a pavement.

use super::error::Sql;
use super::row::{by_rows, int, number};
use super::young::{Step, Young};
use roundsman_store::LaneId;
use rusqlite::Connection;
use std::sync::Arc;

/// How late the road is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Late {
    /// So many young ones are worth a pavement.
    pub(super) young: usize,
    /// And so many that departed: fewer, since a read of their lane passes over each of them.
    pub(super) departed: usize,
    /// It begins after so many sequences at the latest: an opening looks at them one by one.
    pub(super) sequences: u64,
    /// Steps with a commit, or two for each message that came or went in it, so that a pavement is
    /// done long before the next one is due.
    pub(super) steps: usize,
}

impl Default for Late {
    fn default() -> Self {
        Self { young: 8192, departed: 4096, sequences: 64 * 1024, steps: 64 }
    }
}

/// What the writer knows of the road.
pub(super) struct Road {
    pub(super) late: Late,
    young: Arc<Young>,
    /// All up to here is in the table that was not settled at the time.
    paved: u64,
    /// They may be in the table, and are gone; written down, and not in the pavement.
    departed: Vec<Step>,
    /// The same, of this transaction: not written down yet.
    departing: Vec<Step>,
    /// The number of the last row of them.
    rows: u64,
    /// Lanes that ran empty in this transaction, with the last sequence there was.
    emptied: Vec<Step>,
    /// Messages that came and went in this transaction.
    changes: usize,
    pavement: Option<Pavement>,
}

/// How much of the road is written with a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Steady,
    /// All that there is.
    Whole,
}

impl Road {
    /// Makes the table true, after which nothing is young.
    pub(super) fn open(connection: &Connection, young: Arc<Young>) -> Sql<Self> {
        let transaction = connection.unchecked_transaction()?;
        recover(&transaction)?;
        let paved = "UPDATE state SET paved = seq RETURNING paved";
        let paved = transaction.query_row(paved, (), |row| number(row, 0))?;
        transaction.commit()?;
        young.clear();
        Ok(Self {
            late: Late::default(),
            young,
            paved,
            departed: Vec::new(),
            departing: Vec::new(),
            rows: 0,
            emptied: Vec::new(),
            changes: 0,
            pavement: None,
        })
    }

    /// A message is the newest of its lane.
    pub(super) fn enter(&mut self, lane: LaneId, seq: u64) {
        self.changes += 1;
        self.young.enter((lane, seq));
    }

    /// A message is no longer in its lane.
    pub(super) fn leave(&mut self, lane: LaneId, seq: u64) {
        self.changes += 1;
        let was_young = self.young.leave((lane, seq));
        let is_being_paved = self.pavement.as_ref().is_some_and(|pavement| seq <= pavement.upto);
        if !was_young || is_being_paved {
            self.departing.push((lane, seq));
        }
    }

    /// A lane is empty; `last` is the last sequence that anything had.
    pub(super) fn empty(&mut self, lane: LaneId, last: u64) {
        self.emptied.push((lane, last));
    }

    /// The oldest message of a lane.
    pub(super) fn head(&self, connection: &Connection, lane: LaneId) -> Sql<Option<u64>> {
        const HEAD: &str = "SELECT message.seq FROM road
             CROSS JOIN message ON message.seq = road.seq AND message.due IS NULL
             WHERE road.lane = ?1 ORDER BY road.seq LIMIT 1";
        let mut look = connection.prepare_cached(HEAD)?;
        let mut rows = look.query([int(lane.0)])?;
        let paved = rows.next()?.map(|row| number(row, 0)).transpose()?;
        Ok(paved.into_iter().chain(self.young.first(lane)).min())
    }

    /// Writes what this commit has to have of it; `last` is the last sequence that anything has.
    pub(super) fn pave(&mut self, connection: &Connection, last: u64, pace: Pace) -> Sql<()> {
        self.write_down(connection)?;
        let changes = std::mem::take(&mut self.changes);
        if self.pavement.is_none() && (pace == Pace::Whole || self.is_due(last)) {
            self.begin(last);
        }
        let Some(pavement) = &mut self.pavement else { return Ok(()) };
        let steps = if pace == Pace::Whole { usize::MAX } else { self.late.steps.max(2 * changes) };
        pavement.go(connection, &self.young, steps)?;
        if pavement.is_done() {
            connection
                .prepare_cached("UPDATE state SET paved = ?1")?
                .execute([int(pavement.upto)])?;
            connection
                .prepare_cached("DELETE FROM departed WHERE id <= ?1")?
                .execute([int(pavement.rows)])?;
        }
        Ok(())
    }

    /// The transaction is committed: readers may know what it did.
    pub(super) fn turn(&mut self) {
        self.young.empty(self.emptied.drain(..));
        if let Some(pavement) = self.pavement.take_if(|pavement| pavement.is_done()) {
            self.paved = pavement.upto;
            self.young.paved(pavement.upto);
        }
    }

    fn write_down(&mut self, connection: &Connection) -> Sql<()> {
        if self.departing.is_empty() {
            return Ok(());
        }
        self.rows += 1;
        connection
            .prepare_cached("INSERT INTO departed VALUES (?1, ?2)")?
            .execute((int(self.rows), encode(&self.departing)))?;
        self.departed.append(&mut self.departing);
        Ok(())
    }

    fn is_due(&self, last: u64) -> bool {
        self.departed.len() >= self.late.departed
            || last - self.paved >= self.late.sequences
            || self.young.len() >= self.late.young
    }

    fn begin(&mut self, upto: u64) {
        let arrivals = self.young.all().into_iter().map(|step| (step, true));
        let departed = self.departed.drain(..).map(|step| (step, false));
        let mut steps: Vec<_> = arrivals.chain(departed).collect();
        steps.sort_unstable();
        self.pavement = Some(Pavement { steps, at: 0, upto, rows: self.rows });
    }
}

/// What came and what went, on its way into the table.
struct Pavement {
    /// In the order of the table; whether it came.
    steps: Vec<(Step, bool)>,
    at: usize,
    /// The last sequence there was when it began, and the last row of those that had departed.
    upto: u64,
    rows: u64,
}

impl Pavement {
    fn is_done(&self) -> bool {
        self.at == self.steps.len()
    }

    /// So many steps more.
    fn go(&mut self, connection: &Connection, young: &Young, steps: usize) -> Sql<()> {
        let until = self.at.saturating_add(steps).min(self.steps.len());
        let steps = &self.steps[self.at..until];
        self.at = until;
        let mut arrivals: Vec<_> =
            steps.iter().filter(|(_, came)| *came).map(|(step, _)| *step).collect();
        // Some have gone since.
        young.retain(&mut arrivals);
        let mut rest = &arrivals[..];
        for (rows, insert) in INSERTS {
            let mut insert = connection.prepare_cached(insert)?;
            while let Some((some, behind)) = rest.split_at_checked(rows) {
                let numbers = some.iter().flat_map(|(lane, seq)| [int(lane.0), int(*seq)]);
                insert.execute(rusqlite::params_from_iter(numbers))?;
                rest = behind;
            }
        }
        let mut delete = connection.prepare_cached(DELETE)?;
        for ((lane, seq), _) in steps.iter().filter(|(_, came)| !came) {
            delete.execute((int(lane.0), int(*seq)))?;
        }
        Ok(())
    }
}

const INSERTS: [(usize, &str); 3] = by_rows!("INSERT OR IGNORE INTO road VALUES ", "(?,?)");
const DELETE: &str = "DELETE FROM road WHERE lane = ?1 AND seq = ?2";

/// Takes out what had departed, and puts in what was young.
fn recover(connection: &Connection) -> Sql<()> {
    let departed = connection
        .prepare("SELECT members FROM departed")?
        .query_map((), |row| row.get::<_, Vec<u8>>(0))?
        .collect::<Sql<Vec<_>>>()?;
    let mut delete = connection.prepare(DELETE)?;
    for (lane, seq) in departed.iter().flat_map(|members| decode(members)) {
        delete.execute((int(lane.0), int(seq)))?;
    }
    connection.execute("DELETE FROM departed", ())?;
    connection.execute(
        "INSERT OR IGNORE INTO road SELECT lane, seq FROM message
         WHERE seq > (SELECT paved FROM state) AND due IS NULL ORDER BY lane, seq",
        (),
    )?;
    Ok(())
}

/// Lane and sequence of each, little-endian.
fn encode(steps: &[Step]) -> Vec<u8> {
    let mut out = Vec::with_capacity(steps.len() * 16);
    for (lane, seq) in steps {
        out.extend(lane.0.to_le_bytes());
        out.extend(seq.to_le_bytes());
    }
    out
}

fn decode(bytes: &[u8]) -> impl Iterator<Item = Step> {
    let (members, _) = bytes.as_chunks::<16>();
    members.iter().map(|member| {
        let [lane, seq] = [&member[..8], &member[8..]]
            .map(|half| half.try_into().map(u64::from_le_bytes).unwrap_or_default());
        (LaneId(lane), seq)
    })
}
