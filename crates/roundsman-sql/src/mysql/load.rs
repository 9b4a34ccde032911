//! Loading what calls want to know: one statement for each kind, for any number of rows.

use super::connect::Connection;
use super::error::Sql;
use super::row::{
    bytes_or_none, int, int_or_none, kept, key_name, lane, lane_columns, lane_name, moment, number,
    signed, stored_lane, text, text_or_none,
};
use super::rows::{Rows, table};
use super::{handed, outbox};
use crate::fate::Fate;
use crate::letter::Letter;
use crate::served::wants::{DeadAsk, DueAsk, Known, Loaded, Spot, StoredAccount, Waiting, Wants};
use mysql_async::{Row, Value};
use roundsman_store::{DeadReason, Fingerprint, Key, LaneId, Timestamp};
use std::sync::Arc;

macro_rules! lanes {
    ($from:expr, $rest:expr) => {
        concat!(
            "SELECT ",
            lane_columns!(),
            ", a.backlog, a.held FROM ",
            $from,
            " LEFT JOIN roundsman_account a ON a.name = l.account ",
            $rest
        )
    };
}
const NAMES: &str = lanes!(
    concat!(table!("name CHAR(32)"), " STRAIGHT_JOIN roundsman_lane l ON l.name = UNHEX(j.name)"),
    ""
);
const LANES: &str =
    lanes!(concat!(table!("id BIGINT"), " STRAIGHT_JOIN roundsman_lane l ON l.id = j.id"), "");
const ABSENT: &str = lanes!("roundsman_lane l", "WHERE l.wait = 1 AND l.topic = ?");
const PARKED: &str = lanes!("roundsman_lane l", "WHERE l.wait = 3 AND l.until = ?");
const ALL_PARKED: &str = lanes!("roundsman_lane l", "WHERE l.wait = 3");
const TOPICS: &str = concat!(
    "SELECT l.topic, l.id, l.ready FROM ",
    table!("topic LONGTEXT"),
    " STRAIGHT_JOIN roundsman_lane l ON l.topic = UNHEX(j.topic)"
);
const KEYS: &str = concat!(
    "SELECT a.`key`, a.backlog, a.held FROM ",
    table!("name CHAR(32)"),
    " STRAIGHT_JOIN roundsman_account a ON a.name = UNHEX(j.name)"
);
const IDS: &str = concat!(
    "SELECT i.id, i.fingerprint, i.lane, i.seq, i.fate, i.settled FROM ",
    table!("id LONGTEXT"),
    " STRAIGHT_JOIN roundsman_ids i ON i.id = UNHEX(j.id)"
);
const MESSAGES: &str = concat!(
    "SELECT m.lane, m.seq, NULL, m.expires, m.named, m.accepted, m.id, m.history FROM ",
    table!("lane BIGINT", "seq BIGINT" 1),
    " STRAIGHT_JOIN roundsman_message m ON m.lane = j.lane AND m.seq = j.seq"
);
const LATER: &str = concat!(
    "SELECT m.lane, m.seq, m.due, m.expires, m.named, m.accepted, m.id, m.history FROM ",
    table!("lane BIGINT", "seq BIGINT" 1),
    " STRAIGHT_JOIN roundsman_later m ON m.seq = j.seq AND m.lane = j.lane"
);
// Neither MIN nor a bound on the sequence: in a subquery either would read the whole lane.
const HEADS: &str = concat!(
    "SELECT j.lane, (SELECT m.seq FROM roundsman_message m WHERE m.lane = j.lane ORDER BY m.seq LIMIT 1) FROM ",
    table!("lane BIGINT")
);
const WALK: &str = concat!(
    "SELECT ",
    lane_columns!(),
    " FROM roundsman_lane l WHERE l.turn > ? ORDER BY l.turn LIMIT ?"
);
const DUE_LANES: &str = concat!(
    "SELECT ",
    lane_columns!(),
    " FROM roundsman_lane l WHERE l.wait = 2 AND l.until <= ? ORDER BY l.until LIMIT ?"
);
const DUE_LATER: &str = "SELECT lane, seq, due, expires, named, accepted, id, history
     FROM roundsman_later WHERE due <= ? ORDER BY due, seq LIMIT ?";
const EXPIRED: &str = "SELECT m.lane, m.seq, NULL, m.expires, m.named, m.accepted, m.id, m.history
     FROM (SELECT * FROM roundsman_expiry WHERE at <= ? ORDER BY at LIMIT ?) e
     STRAIGHT_JOIN roundsman_message m ON m.lane = e.lane AND m.seq = e.seq ORDER BY e.at";
const SWEEP_IDS: &str = "SELECT id, fingerprint, lane, seq, fate, settled
     FROM roundsman_ids WHERE id > ? ORDER BY id LIMIT ?";
const SWEEP_LANES: &str = concat!(
    "SELECT ",
    lane_columns!(),
    " FROM roundsman_lane l WHERE l.id > ? ORDER BY l.id LIMIT ?"
);
const NEXT_LANE: &str = "SELECT MIN(until) FROM roundsman_lane WHERE wait = 2";
const NEXT_LATER: &str = "SELECT MIN(due) FROM roundsman_later";
const NEXT_EXPIRED: &str = "SELECT at, seq FROM roundsman_expiry ORDER BY at LIMIT 64";
macro_rules! letters {
    ($from:expr) => {
        concat!(
            "SELECT d.seq, d.lane, d.`key`, d.topic, d.accepted, d.id, d.reason, d.died, d.bytes
             FROM ",
            $from,
            " WHERE d.seq > ? ORDER BY d.seq LIMIT ?"
        )
    };
}
const LETTERS: &str = letters!("roundsman_dead d");
const LETTERS_OF: &str =
    letters!(concat!(table!("seq BIGINT"), " STRAIGHT_JOIN roundsman_dead d ON d.seq = j.seq"));
/// A made id leads to a letter only where it died at the place that the id says.
const MADE: &str = concat!(
    "SELECT d.seq FROM ",
    table!("lane BIGINT", "seq BIGINT" 1),
    " STRAIGHT_JOIN roundsman_dead d ON d.seq = j.seq AND d.lane = j.lane AND d.id IS NULL"
);

/// Loads what is wanted.
pub(super) async fn load(
    connection: &mut Connection,
    wants: &Wants,
    made: impl Fn(&str) -> Option<Spot>,
) -> Sql<Loaded> {
    let mut loaded = Loaded::default();
    load_lanes(connection, wants, &mut loaded).await?;
    load_waiting(connection, wants, &mut loaded).await?;
    load_keys(connection, wants, &mut loaded).await?;
    load_messages(connection, wants, &mut loaded).await?;
    if let Some(ask) = &wants.walk {
        let after = ask.after.map_or(-1, |id| signed(id.0));
        let rows = connection.query(WALK, vec![after.into(), count(ask.limit)]).await?;
        loaded.walk = rows.iter().filter_map(stored_lane).collect();
    }
    if let Some(ask) = &wants.due {
        load_due(connection, ask, &mut loaded).await?;
    }
    if wants.next {
        let rows = connection.query(NEXT_LANE, Vec::new()).await?;
        loaded.until = rows.first().and_then(|row| moment(row, 0));
        let rows = connection.query(NEXT_LATER, Vec::new()).await?;
        loaded.later = rows.first().and_then(|row| moment(row, 0));
        let rows = connection.query(NEXT_EXPIRED, Vec::new()).await?;
        loaded.expiries = rows.iter().map(|row| (Timestamp(int(row, 0)), number(row, 1))).collect();
    }
    if let Some(most) = wants.handed {
        loaded.handed = handed::rows(connection, most).await?;
    }
    if !wants.outbox.is_empty() {
        loaded.outbox = outbox::there(connection, &wants.outbox).await?;
    }
    if let Some(ask) = &wants.dead {
        loaded.letters = letters(connection, ask, made).await?;
    }
    Ok(loaded)
}

async fn load_lanes(connection: &mut Connection, wants: &Wants, loaded: &mut Loaded) -> Sql<()> {
    if !wants.names.is_empty() {
        let names =
            Rows::of(&wants.names, |cells, (key, topic)| cells.bytes(&lane_name(key, topic)));
        put_lanes(loaded, &connection.query(NAMES, vec![names]).await?);
    }
    if !wants.lanes.is_empty() {
        put_lanes(loaded, &connection.query(LANES, vec![lane_ids(&wants.lanes)]).await?);
    }
    if !wants.topics.is_empty() {
        let topics = Rows::of(&wants.topics, |cells, topic| cells.bytes(topic.as_bytes()));
        let rows = connection.query(TOPICS, vec![topics]).await?;
        let rows = rows.iter();
        loaded.topics =
            rows.map(|row| (text(row, 0), LaneId(number(row, 1)), number(row, 2))).collect();
    }
    if !wants.heads.is_empty() {
        loaded.heads = heads(connection, &wants.heads).await?;
    }
    Ok(())
}

/// The oldest message of each of these lanes that has one.
async fn heads(connection: &mut Connection, lanes: &[LaneId]) -> Sql<Vec<(LaneId, u64)>> {
    let rows = connection.query(HEADS, vec![lane_ids(lanes)]).await?;
    let found = rows.iter().filter(|row| int_or_none(row, 1).is_some());
    Ok(found.map(|row| (LaneId(number(row, 0)), number(row, 1))).collect())
}

/// Places, as rows.
fn spots<T>(items: &[T], place: impl Fn(&T) -> (u64, u64)) -> Value {
    Rows::of(items, |cells, item| {
        let (lane, seq) = place(item);
        cells.int(signed(lane)).int(signed(seq))
    })
}

async fn load_waiting(connection: &mut Connection, wants: &Wants, loaded: &mut Loaded) -> Sql<()> {
    for waiting in &wants.waiting {
        let (statement, values) = match waiting {
            Waiting::Topic(topic) => (ABSENT, vec![topic.as_bytes().into()]),
            Waiting::Endpoint(endpoint) => (PARKED, vec![signed(endpoint.0).into()]),
            Waiting::Endpoints => (ALL_PARKED, Vec::new()),
        };
        let rows = connection.query(statement, values).await?;
        put_lanes(loaded, &rows);
        loaded.waiting.extend(rows.iter().map(|row| LaneId(number(row, 0))));
    }
    Ok(())
}

fn put_lanes(loaded: &mut Loaded, rows: &[Row]) {
    for row in rows {
        let Some(stored) = stored_lane(row) else { continue };
        loaded.accounts.push(account(row, stored.lane.key.clone(), 8));
        loaded.lanes.push(stored);
    }
}

/// An account that may be missing, from two columns that begin at `first`.
fn account(row: &Row, key: Key, first: usize) -> StoredAccount {
    let is_stored = int_or_none(row, first).is_some();
    StoredAccount { key, backlog: number(row, first), held: number(row, first + 1), is_stored }
}

async fn load_keys(connection: &mut Connection, wants: &Wants, loaded: &mut Loaded) -> Sql<()> {
    if !wants.keys.is_empty() {
        let keys = Rows::of(&wants.keys, |cells, key| cells.bytes(&key_name(key)));
        let rows = connection.query(KEYS, vec![keys]).await?;
        let accounts =
            rows.iter().filter_map(|row| Some(account(row, super::row::key(row, 0)?, 1)));
        loaded.accounts.extend(accounts);
    }
    if !wants.ids.is_empty() {
        loaded.ids = known(connection, &wants.ids).await?;
    }
    Ok(())
}

/// What is known of ids.
pub(super) async fn known(
    connection: &mut Connection,
    ids: &[Arc<str>],
) -> Sql<Vec<(Arc<str>, Known)>> {
    let ids = Rows::of(ids, |cells, id| cells.bytes(id.as_bytes()));
    let rows = connection.query(IDS, vec![ids]).await?;
    Ok(rows.iter().map(read_known).collect())
}

fn read_known(row: &Row) -> (Arc<str>, Known) {
    let fingerprint = bytes_or_none(row, 1);
    let known = Known {
        fingerprint: fingerprint.and_then(|bytes| bytes.try_into().ok()).map(Fingerprint),
        spot: Spot { lane: LaneId(number(row, 2)), seq: number(row, 3) },
        fate: Fate::of(int(row, 4)),
        settled: moment(row, 5),
    };
    (text(row, 0), known)
}

async fn load_messages(connection: &mut Connection, wants: &Wants, loaded: &mut Loaded) -> Sql<()> {
    if wants.messages.is_empty() {
        return Ok(());
    }
    let spots = spots(&wants.messages, |spot| (spot.lane.0, spot.seq));
    for statement in [MESSAGES, LATER] {
        let rows = connection.query(statement, vec![spots.clone()]).await?;
        loaded.messages.extend(rows.iter().map(kept));
    }
    Ok(())
}

async fn load_due(connection: &mut Connection, ask: &DueAsk, loaded: &mut Loaded) -> Sql<()> {
    let (now, limit) = (Value::from(ask.now.0), count(ask.limit));
    let due = &mut loaded.due;
    let rows = connection.query(DUE_LANES, vec![now.clone(), limit.clone()]).await?;
    due.lanes = rows.iter().filter_map(stored_lane).collect();
    let rows = connection.query(DUE_LATER, vec![now.clone(), limit.clone()]).await?;
    due.later = rows.iter().map(kept).collect();
    let rows = connection.query(EXPIRED, vec![now.clone(), count(ask.expired)]).await?;
    due.expired = rows.iter().map(kept).collect();
    let after = Value::from(ask.ids_after.as_bytes());
    let rows = connection.query(SWEEP_IDS, vec![after, limit.clone()]).await?;
    due.ids = rows.iter().map(read_known).collect();
    let Some(after) = ask.lanes_after else { return Ok(()) };
    // No lane has the number 0.
    let after = Value::from(signed(after.0));
    let rows = connection.query(SWEEP_LANES, vec![after, limit]).await?;
    due.swept = rows.iter().filter_map(stored_lane).collect();
    // Default expiries ascend with the sequence in each lane, so that the oldest tells.
    let lanes: Vec<_> = due.swept.iter().map(|stored| stored.lane.id).collect();
    let mut heads = heads(connection, &lanes).await?;
    heads.retain(|(_, seq)| *seq <= ask.stale_upto);
    let oldest = spots(&heads, |(lane, seq)| (lane.0, *seq));
    let rows = connection.query(MESSAGES, vec![oldest]).await?;
    due.stale = rows.iter().map(kept).collect();
    due.stale.retain(|kept| !kept.is_named && kept.is_expired(ask.now));
    Ok(())
}

/// Dead letters without what may be long.
pub(super) async fn letters(
    connection: &mut Connection,
    ask: &DeadAsk,
    made: impl Fn(&str) -> Option<Spot>,
) -> Sql<Vec<Letter>> {
    let (after, limit) = (Value::from(signed(ask.after)), count(ask.limit));
    let Some(ids) = &ask.ids else {
        let rows = connection.query(LETTERS, vec![after, limit]).await?;
        return Ok(rows.iter().filter_map(letter).collect());
    };
    let known = known(connection, ids).await?;
    let dead = known.iter().filter(|(_, known)| known.fate == Fate::Dead);
    let mut seqs: Vec<u64> = dead.map(|(_, known)| known.spot.seq).collect();
    let unknown = ids.iter().filter(|id| known.iter().all(|(other, _)| other != *id));
    let made: Vec<Spot> = unknown.filter_map(|id| made(id)).collect();
    let made = spots(&made, |spot| (spot.lane.0, spot.seq));
    let rows = connection.query(MADE, vec![made]).await?;
    seqs.extend(rows.iter().map(|row| number(row, 0)));
    seqs.sort_unstable();
    seqs.dedup();
    let seqs = Rows::of(&seqs, |cells, seq| cells.int(signed(*seq)));
    let rows = connection.query(LETTERS_OF, vec![seqs, after, limit]).await?;
    Ok(rows.iter().filter_map(letter).collect())
}

fn letter(row: &Row) -> Option<Letter> {
    let reason = text(row, 6);
    Some(Letter {
        seq: number(row, 0),
        lane: lane(row, 1)?,
        accepted: Timestamp(int(row, 4)),
        id: text_or_none(row, 5),
        reason: DeadReason::parse(&reason),
        died: Timestamp(int(row, 7)),
        bytes: usize::try_from(int(row, 8)).unwrap_or(0),
    })
}

fn lane_ids(lanes: &[LaneId]) -> Value {
    Rows::of(lanes, |cells, id| cells.int(signed(id.0)))
}

pub(super) fn count(limit: usize) -> Value {
    Value::from(i64::try_from(limit).unwrap_or(i64::MAX))
}
