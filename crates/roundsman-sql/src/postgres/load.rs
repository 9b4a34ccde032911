//! Loading what calls want to know: all of it in one round trip.

use super::connect::{Connection, Job};
use super::error::Sql;
use super::row::{int, kept, lane_columns, moment, number, plain, stored_lane, text, text_or_none};
use super::{handed, outbox};
use crate::fate::Fate;
use crate::letter::Letter;
use crate::served::wants::{DeadAsk, DueAsk, Known, Loaded, Spot, StoredAccount, Waiting, Wants};
use roundsman_store::{DeadReason, Fingerprint, Key, LaneId, Timestamp};
use std::sync::Arc;
use tokio_postgres::Row;

const NAMES: &str = concat!(
    "SELECT ",
    lane_columns!(),
    ", account.backlog, account.held
     FROM unnest($1::text[], $2::text[]) AS wanted(key, topic)
     JOIN lane ON lane.topic = wanted.topic AND lane.key = wanted.key
     LEFT JOIN account ON account.key = lane.key"
);
const LANES: &str = concat!(
    "SELECT ",
    lane_columns!(),
    ", account.backlog, account.held
     FROM unnest($1::bigint[]) AS wanted(id)
     JOIN lane ON lane.id = wanted.id
     LEFT JOIN account ON account.key = lane.key"
);
macro_rules! waiting {
    ($which:expr) => {
        concat!(
            "SELECT ",
            lane_columns!(),
            ", account.backlog, account.held
             FROM lane LEFT JOIN account ON account.key = lane.key WHERE ",
            $which
        )
    };
}
const ABSENT: &str = waiting!("lane.wait = 1 AND lane.topic = $1");
const PARKED: &str = waiting!("lane.wait = 3 AND lane.until = $1");
const ALL_PARKED: &str = waiting!("lane.wait = 3");
const TOPICS: &str = "SELECT lane.topic, lane.id, lane.ready
     FROM unnest($1::text[]) AS wanted(topic) JOIN lane ON lane.topic = wanted.topic";
const KEYS: &str = "SELECT account.key, account.backlog, account.held
     FROM unnest($1::text[]) AS wanted(key) JOIN account ON account.key = wanted.key";
const IDS: &str = "SELECT ids.id, ids.fingerprint, ids.lane, ids.seq, ids.fate, ids.settled
     FROM unnest($1::text[]) AS wanted(id) JOIN ids ON ids.id = wanted.id";
const MESSAGES: &str =
    "SELECT m.lane, m.seq, NULL::bigint, m.expires, m.named, m.accepted, m.id, m.history
     FROM unnest($1::bigint[], $2::bigint[]) AS wanted(lane, seq)
     JOIN message m ON m.lane = wanted.lane AND m.seq = wanted.seq";
const LATER: &str = "SELECT m.lane, m.seq, m.due, m.expires, m.named, m.accepted, m.id, m.history
     FROM unnest($1::bigint[], $2::bigint[]) AS wanted(lane, seq)
     JOIN later m ON m.seq = wanted.seq AND m.lane = wanted.lane";
const HEADS: &str = "SELECT wanted.lane, head.seq FROM unnest($1::bigint[]) AS wanted(lane)
     CROSS JOIN LATERAL (
         SELECT seq FROM message WHERE message.lane = wanted.lane ORDER BY seq LIMIT 1
     ) head";
const WALK: &str =
    concat!("SELECT ", lane_columns!(), " FROM lane WHERE turn AND id > $1 ORDER BY id LIMIT $2");

const DUE_LANES: &str = concat!(
    "SELECT ",
    lane_columns!(),
    " FROM lane WHERE wait = 2 AND until <= $1 ORDER BY until LIMIT $2"
);
const DUE_LATER: &str = "SELECT lane, seq, due, expires, named, accepted, id, history
     FROM later WHERE due <= $1 ORDER BY due, seq LIMIT $2";
const EXPIRED: &str = "SELECT lane, seq, NULL::bigint, expires, named, accepted, id, history
     FROM message WHERE named AND expires <= $1 ORDER BY expires LIMIT $2";
const SWEEP_IDS: &str = "SELECT id, fingerprint, lane, seq, fate, settled
     FROM ids WHERE id > $1 ORDER BY id LIMIT $2";
const SWEEP_LANES: &str =
    concat!("SELECT ", lane_columns!(), " FROM lane WHERE id > $1 ORDER BY id LIMIT $2");
/// Default expiries ascend with the sequence in each lane, so that the oldest tell.
const STALE: &str =
    "SELECT m.lane, m.seq, NULL::bigint, m.expires, m.named, m.accepted, m.id, m.history
     FROM (SELECT id FROM lane WHERE id > $1 ORDER BY id LIMIT $2) swept
     CROSS JOIN LATERAL (
         SELECT * FROM message WHERE message.lane = swept.id AND message.seq <= $4
         ORDER BY seq LIMIT 8
     ) m
     WHERE NOT m.named AND m.expires <= $3";

const NEXT_LANE: &str = "SELECT min(until) FROM lane WHERE wait = 2";
const NEXT_LATER: &str = "SELECT min(due) FROM later";
const NEXT_EXPIRED: &str = "SELECT expires, seq FROM message WHERE named ORDER BY expires LIMIT 64";

pub(super) const LETTERS: &str =
    "SELECT seq, lane, key, topic, accepted, id, reason, died, octet_length(payload)
     FROM dead WHERE seq > $1 ORDER BY seq LIMIT $2";
/// By senders' ids and those of messages that were moved, and by the places that made ids tell.
pub(super) const LETTERS_OF: &str = "SELECT dead.seq, dead.lane, dead.key, dead.topic, dead.accepted, dead.id, dead.reason,
            dead.died, octet_length(dead.payload)
     FROM dead WHERE dead.seq > $1 AND dead.seq IN (
         SELECT ids.seq FROM unnest($3::text[]) AS wanted(id) JOIN ids ON ids.id = wanted.id
         WHERE ids.fate = 3
         UNION ALL
         SELECT made.seq FROM unnest($4::text[], $5::bigint[], $6::bigint[]) AS wanted(id, lane, seq)
         JOIN dead made ON made.seq = wanted.seq AND made.lane = wanted.lane AND made.id IS NULL
         WHERE NOT EXISTS (SELECT FROM ids WHERE ids.id = wanted.id)
     ) ORDER BY dead.seq LIMIT $2";

/// What is done with the rows of a statement.
type Put = fn(&mut Loaded, &[Row]);

struct Jobs<'a> {
    jobs: Vec<Job<'a>>,
    puts: Vec<Put>,
}

macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$(Box::new($value) as super::connect::Value<'_>),*] };
}
pub(super) use values;

impl<'a> Jobs<'a> {
    fn add(&mut self, statement: &'static str, values: Vec<super::connect::Value<'a>>, put: Put) {
        self.jobs.push(Job { statement, values });
        self.puts.push(put);
    }
}

/// Loads what is wanted.
pub(super) async fn load(
    connection: &mut Connection,
    wants: &Wants,
    made: impl Fn(&str) -> Option<Spot>,
) -> Sql<Loaded> {
    let mut jobs = Jobs { jobs: Vec::new(), puts: Vec::new() };
    add_lanes(&mut jobs, wants);
    add_keys(&mut jobs, wants);
    add_messages(&mut jobs, wants);
    if let Some(ask) = &wants.walk {
        let after = ask.after.map_or(-1, |id| int(id.0));
        jobs.add(WALK, values![after, count(ask.limit)], |loaded, rows| {
            loaded.walk = rows.iter().filter_map(stored_lane).collect();
        });
    }
    if let Some(ask) = &wants.due {
        add_due(&mut jobs, ask);
    }
    if wants.next {
        add_next(&mut jobs);
    }
    if let Some(most) = wants.handed {
        jobs.add(handed::ROWS, values![count(most)], |loaded, rows| {
            loaded.handed = rows.iter().map(handed::row).collect();
        });
    }
    if !wants.outbox.is_empty() {
        let numbers: Vec<_> = wants.outbox.iter().map(|number| int(*number)).collect();
        jobs.add(outbox::THERE, values![numbers], |loaded, rows| {
            loaded.outbox = rows.first().map_or(0, |row| number(row, 0) as usize);
        });
    }
    if let Some(ask) = &wants.dead {
        let (statement, values) = letters(ask, made);
        jobs.add(statement, values, |loaded, rows| {
            loaded.letters = rows.iter().filter_map(letter).collect();
        });
    }
    let mut loaded = Loaded::default();
    let answers = connection.query_all(&jobs.jobs).await?;
    for (put, rows) in jobs.puts.iter().zip(answers) {
        put(&mut loaded, &rows);
    }
    Ok(loaded)
}

fn add_lanes<'a>(jobs: &mut Jobs<'a>, wants: &'a Wants) {
    if !wants.names.is_empty() {
        let keys: Vec<_> = wants.names.iter().map(|(key, _)| plain(key.as_str())).collect();
        let topics: Vec<_> = wants.names.iter().map(|(_, topic)| plain(topic)).collect();
        jobs.add(NAMES, values![keys, topics], put_lanes);
    }
    if !wants.lanes.is_empty() {
        jobs.add(LANES, values![lane_ids(&wants.lanes)], put_lanes);
    }
    for waiting in &wants.waiting {
        let (statement, values) = match waiting {
            Waiting::Topic(topic) => (ABSENT, values![plain(topic)]),
            Waiting::Endpoint(endpoint) => (PARKED, values![int(endpoint.0)]),
            Waiting::Endpoints => (ALL_PARKED, values![]),
        };
        jobs.add(statement, values, |loaded, rows| {
            put_lanes(loaded, rows);
            loaded.waiting.extend(rows.iter().map(|row| LaneId(number(row, 0))));
        });
    }
    if !wants.topics.is_empty() {
        let topics: Vec<_> = wants.topics.iter().map(|topic| plain(topic)).collect();
        jobs.add(TOPICS, values![topics], |loaded, rows| {
            let rows = rows.iter();
            loaded.topics =
                rows.map(|row| (text(row, 0), LaneId(number(row, 1)), number(row, 2))).collect();
        });
    }
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
    let count = |column| row.get::<_, Option<i64>>(column);
    let is_stored = count(first).is_some();
    let count = |column| count(column).unwrap_or(0).cast_unsigned();
    StoredAccount { key, backlog: count(first), held: count(first + 1), is_stored }
}

fn add_keys<'a>(jobs: &mut Jobs<'a>, wants: &'a Wants) {
    if !wants.keys.is_empty() {
        let keys: Vec<_> = wants.keys.iter().map(|key| plain(key.as_str())).collect();
        jobs.add(KEYS, values![keys], |loaded, rows| {
            let rows = rows.iter();
            loaded
                .accounts
                .extend(rows.filter_map(|row| Some(account(row, super::row::key(row, 0)?, 1))));
        });
    }
    if !wants.ids.is_empty() {
        let ids: Vec<_> = wants.ids.iter().map(|id| plain(id)).collect();
        jobs.add(IDS, values![ids], |loaded, rows| {
            loaded.ids = rows.iter().map(known).collect();
        });
    }
}

/// What is known of an id, from the columns of [`IDS`].
pub(super) fn known(row: &Row) -> (Arc<str>, Known) {
    let fingerprint: Option<&[u8]> = row.get(1);
    let known = Known {
        fingerprint: fingerprint.and_then(|bytes| bytes.try_into().ok()).map(Fingerprint),
        spot: Spot { lane: LaneId(number(row, 2)), seq: number(row, 3) },
        fate: Fate::of(row.get::<_, i16>(4).into()),
        settled: moment(row, 5),
    };
    (text(row, 0), known)
}

fn add_messages<'a>(jobs: &mut Jobs<'a>, wants: &'a Wants) {
    if !wants.messages.is_empty() {
        let lanes: Vec<_> = wants.messages.iter().map(|spot| int(spot.lane.0)).collect();
        let seqs: Vec<_> = wants.messages.iter().map(|spot| int(spot.seq)).collect();
        for statement in [MESSAGES, LATER] {
            jobs.add(statement, values![lanes.clone(), seqs.clone()], |loaded, rows| {
                loaded.messages.extend(rows.iter().map(kept));
            });
        }
    }
    if !wants.heads.is_empty() {
        jobs.add(HEADS, values![lane_ids(&wants.heads)], |loaded, rows| {
            let heads = rows.iter().map(|row| (LaneId(number(row, 0)), number(row, 1)));
            loaded.heads = heads.collect();
        });
    }
}

fn add_due<'a>(jobs: &mut Jobs<'a>, ask: &'a DueAsk) {
    let (now, limit) = (ask.now.0, count(ask.limit));
    jobs.add(DUE_LANES, values![now, limit], |loaded, rows| {
        loaded.due.lanes = rows.iter().filter_map(stored_lane).collect();
    });
    jobs.add(DUE_LATER, values![now, limit], |loaded, rows| {
        loaded.due.later = rows.iter().map(kept).collect();
    });
    jobs.add(EXPIRED, values![now, count(ask.expired)], |loaded, rows| {
        loaded.due.expired = rows.iter().map(kept).collect();
    });
    jobs.add(SWEEP_IDS, values![plain(&ask.ids_after), limit], |loaded, rows| {
        loaded.due.ids = rows.iter().map(known).collect();
    });
    let Some(after) = ask.lanes_after else { return };
    // No lane has the number 0.
    jobs.add(SWEEP_LANES, values![int(after.0), limit], |loaded, rows| {
        loaded.due.swept = rows.iter().filter_map(stored_lane).collect();
    });
    jobs.add(STALE, values![int(after.0), limit, now, int(ask.stale_upto)], |loaded, rows| {
        loaded.due.stale = rows.iter().map(kept).collect();
    });
}

fn add_next(jobs: &mut Jobs<'_>) {
    jobs.add(NEXT_LANE, values![], |loaded, rows| {
        loaded.until = rows.first().and_then(|row| moment(row, 0));
    });
    jobs.add(NEXT_LATER, values![], |loaded, rows| {
        loaded.later = rows.first().and_then(|row| moment(row, 0));
    });
    jobs.add(NEXT_EXPIRED, values![], |loaded, rows| {
        let rows = rows.iter();
        loaded.expiries = rows.map(|row| (Timestamp(row.get(0)), number(row, 1))).collect();
    });
}

/// The statement that looks for dead letters, with its values.
pub(super) fn letters<'a>(
    ask: &'a DeadAsk,
    made: impl Fn(&str) -> Option<Spot>,
) -> (&'static str, Vec<super::connect::Value<'a>>) {
    let (after, limit) = (int(ask.after), count(ask.limit));
    let Some(ids) = &ask.ids else { return (LETTERS, values![after, limit]) };
    let made = ids.iter().filter_map(|id| Some((plain(id), made(id)?)));
    let (made, spots): (Vec<_>, Vec<_>) = made.unzip();
    let lanes: Vec<_> = spots.iter().map(|spot| int(spot.lane.0)).collect();
    let seqs: Vec<_> = spots.iter().map(|spot| int(spot.seq)).collect();
    let ids: Vec<_> = ids.iter().map(|id| plain(id)).collect();
    (LETTERS_OF, values![after, limit, ids, made, lanes, seqs])
}

/// A dead letter without what may be long.
pub(super) fn letter(row: &Row) -> Option<Letter> {
    Some(Letter {
        seq: number(row, 0),
        lane: super::row::lane(row, 1)?,
        accepted: Timestamp(row.get(4)),
        id: text_or_none(row, 5),
        reason: DeadReason::parse(row.get(6)),
        died: Timestamp(row.get(7)),
        bytes: usize::try_from(row.get::<_, i32>(8)).unwrap_or(0),
    })
}

fn lane_ids(lanes: &[LaneId]) -> Vec<i64> {
    lanes.iter().map(|id| int(id.0)).collect()
}

pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
