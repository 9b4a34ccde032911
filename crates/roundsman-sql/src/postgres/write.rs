//! Writing what calls have changed: a statement for each kind of change, with arrays for values,
//! and all of them between BEGIN and COMMIT in one round trip.

use super::connect::{Connection, Job, Value};
use super::error::Sql;
use super::load::values;
use super::row::{int, plain, wait};
use super::{handed, outbox};
use crate::served::changes::{Changes, Gone, LaneChange, NewId, NewMessage, PutOff};
use roundsman_store::Counts;

const NEW: &str = "INSERT INTO message (lane, seq, expires, named, accepted, id, event, payload)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::bigint[],
                          $6::text[], $7::text[], $8::bytea[])";
const NEW_LATER: &str =
    "INSERT INTO later (lane, seq, due, expires, named, accepted, id, event, payload)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[],
                          $6::bigint[], $7::text[], $8::text[], $9::bytea[])";
const GONE: &str =
    "DELETE FROM message m USING unnest($1::bigint[], $2::bigint[]) AS gone(lane, seq)
     WHERE m.lane = gone.lane AND m.seq = gone.seq";
const GONE_LATER: &str = "DELETE FROM later m USING unnest($1::bigint[]) AS gone(seq)
     WHERE m.seq = gone.seq";
const TRIED: &str = "UPDATE message m SET history = tried.history, payload = coalesce(tried.payload, m.payload)
     FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[]) AS tried(lane, seq, history, payload)
     WHERE m.lane = tried.lane AND m.seq = tried.seq";
const TRIED_LATER: &str =
    "UPDATE later m SET history = tried.history, payload = coalesce(tried.payload, m.payload)
     FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS tried(seq, history, payload)
     WHERE m.seq = tried.seq";
const PUT_OFF: &str = "WITH moved AS (
         DELETE FROM message m
         USING unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[])
             AS off(lane, seq, due, history, payload)
         WHERE m.lane = off.lane AND m.seq = off.seq
         RETURNING m.seq, m.lane, off.due, m.expires, m.named, m.accepted, m.id, m.event,
                   off.history, coalesce(off.payload, m.payload)
     ) INSERT INTO later SELECT * FROM moved";
const PUT_OFF_LATER: &str = "UPDATE later m SET due = off.due, history = off.history,
                        payload = coalesce(off.payload, m.payload)
     FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[]) AS off(seq, due, history, payload)
     WHERE m.seq = off.seq";
const BACK: &str = "WITH moved AS (
         DELETE FROM later m
         USING unnest($1::bigint[], $2::bigint[], $3::text[]) AS back(seq, new, id)
         WHERE m.seq = back.seq
         RETURNING m.lane, back.new, m.expires, m.named, m.accepted, back.id, m.event, m.history,
                   m.payload
     ) INSERT INTO message SELECT * FROM moved";
macro_rules! bury {
    ($table:literal) => {
        concat!(
            "INSERT INTO dead
             SELECT m.seq, m.lane, b.key, b.topic, m.accepted, m.expires, m.id, m.event, b.reason,
                    b.died, b.history, m.payload
             FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[],
                         $6::bigint[], $7::bytea[])
                 AS b(lane, seq, key, topic, reason, died, history)
             JOIN ", $table, " m ON m.lane = b.lane AND m.seq = b.seq"
        )
    };
}
const BURY: &str = bury!("message");
const BURY_LATER: &str = bury!("later");
const REPLAY: &str = "WITH moved AS (
         DELETE FROM dead m
         USING unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) AS r(dead, lane, seq, id)
         WHERE m.seq = r.dead
         RETURNING r.lane, r.seq, NULL::bigint, false, m.accepted, r.id, m.event, NULL::bytea, m.payload
     ) INSERT INTO message SELECT * FROM moved";
const DEAD_GONE: &str =
    "DELETE FROM dead m USING unnest($1::bigint[]) AS gone(seq) WHERE m.seq = gone.seq";

const ID_GONE: &str = "DELETE FROM ids USING unnest($1::text[]) AS gone(id) WHERE ids.id = gone.id";
macro_rules! new_ids {
    ($conflict:literal) => {
        concat!(
            "INSERT INTO ids (id, fingerprint, lane, seq, key, topic, accepted, expires, fate)
             SELECT *, 0 FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[],
                                     $5::text[], $6::text[], $7::bigint[], $8::bigint[])",
            $conflict
        )
    };
}
const ID_NEW: &str = new_ids!("");
const ID_MOVED: &str = new_ids!(
    " ON CONFLICT (id) DO UPDATE SET lane = excluded.lane, seq = excluded.seq,
          expires = excluded.expires, fate = 0, settled = NULL, history = NULL"
);
const ID_SETTLED: &str =
    "UPDATE ids SET fate = s.fate, settled = s.at, history = coalesce(s.history, ids.history)
     FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::bytea[]) AS s(id, fate, at, history)
     WHERE ids.id = s.id";

const LANE_GONE: &str =
    "DELETE FROM lane USING unnest($1::bigint[]) AS gone(id) WHERE lane.id = gone.id";
const LANE_NEW: &str = "INSERT INTO lane (id, ready, later, wait, until, turn, key, topic)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::bigint[],
                          $6::boolean[], $7::text[], $8::text[])";
const LANE: &str = "UPDATE lane SET ready = c.ready, later = c.later, wait = c.wait, until = c.until, turn = c.turn
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::bigint[],
                 $6::boolean[]) AS c(id, ready, later, wait, until, turn)
     WHERE lane.id = c.id";
const ACCOUNT: &str = "INSERT INTO account
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])
     ON CONFLICT (key) DO UPDATE SET backlog = excluded.backlog, held = excluded.held";
const ACCOUNT_GONE: &str =
    "DELETE FROM account USING unnest($1::text[]) AS gone(key) WHERE account.key = gone.key";
const CLAIM: &str =
    "INSERT INTO claim SELECT * FROM unnest($1::bigint[], $2::boolean[], $3::bytea[])";
const CLAIM_GONE: &str =
    "DELETE FROM claim USING unnest($1::bigint[]) AS gone(id) WHERE claim.id = gone.id";
const NUMBERS: &str = "UPDATE state SET seq = $1, lanes = $2";
const EXACT: &str =
    "UPDATE state SET backlog = $1, scheduled = $2, held = $3, dead = $4, ids = $5, exact = true";

/// Writes all of it, in the transaction that is open or in a new one.
pub(super) async fn write(
    connection: &mut Connection,
    changes: &Changes,
    begin: bool,
    commit: bool,
) -> Sql<()> {
    let mut jobs = Jobs(Vec::new());
    jobs.add_lanes(changes);
    jobs.add_moves(changes);
    jobs.add_messages(changes);
    jobs.add_ids(changes);
    jobs.add_claims(changes);
    // One statement is a transaction of its own.
    let is_alone = begin && commit && jobs.0.len() == 1;
    if begin && !is_alone {
        jobs.0.insert(0, Job { statement: "BEGIN", values: values![] });
    }
    if commit && !is_alone {
        jobs.add("COMMIT", values![]);
    }
    connection.query_all(&jobs.0).await.map(drop)
}

pub(super) struct Jobs<'a>(Vec<Job<'a>>);

/// A column of values, one for each of some changes.
macro_rules! column {
    ($changes:expr, $value:expr) => {
        $changes.iter().map($value).collect::<Vec<_>>()
    };
}

impl<'a> Jobs<'a> {
    pub(super) fn add(&mut self, statement: &'static str, values: Vec<Value<'a>>) {
        self.0.push(Job { statement, values });
    }

    fn add_lanes(&mut self, changes: &'a Changes) {
        let Changes { lanes_gone, lanes_new, lanes, accounts, accounts_gone, .. } = changes;
        if !lanes_gone.is_empty() {
            self.add(LANE_GONE, values![column!(lanes_gone, |id| int(id.0))]);
        }
        if !accounts_gone.is_empty() {
            self.add(ACCOUNT_GONE, values![column!(accounts_gone, |key| plain(key.as_str()))]);
        }
        if !lanes_new.is_empty() {
            let mut values = lane_values(lanes_new);
            values.extend::<Vec<Value<'_>>>(values![
                column!(lanes_new, |new| plain(new.lane.key.as_str())),
                column!(lanes_new, |new| plain(&new.lane.topic)),
            ]);
            self.add(LANE_NEW, values);
        }
        if !lanes.is_empty() {
            self.add(LANE, lane_values(lanes));
        }
        if !accounts.is_empty() {
            let values = values![
                column!(accounts, |(key, _, _)| plain(key.as_str())),
                column!(accounts, |(_, backlog, _)| int(*backlog)),
                column!(accounts, |(_, _, held)| int(*held)),
            ];
            self.add(ACCOUNT, values);
        }
    }

    /// Out of one table and into another; before what is gone is deleted.
    fn add_moves(&mut self, changes: &'a Changes) {
        let Changes { put_off, back, buried, replayed, .. } = changes;
        let (outside, inside): (Vec<_>, Vec<_>) = put_off.iter().partition(|off| off.is_later);
        if !inside.is_empty() {
            let mut values = values![column!(inside, |off| int(off.spot.lane.0))];
            values.extend(put_off_values(&inside));
            self.add(PUT_OFF, values);
        }
        if !outside.is_empty() {
            self.add(PUT_OFF_LATER, put_off_values(&outside));
        }
        if !back.is_empty() {
            let values = values![
                column!(back, |back| int(back.spot.seq)),
                column!(back, |back| int(back.seq)),
                column!(back, |back| plain(&back.id)),
            ];
            self.add(BACK, values);
        }
        let (outside, inside): (Vec<_>, Vec<_>) = buried.iter().partition(|one| one.is_later);
        for (statement, buried) in [(BURY, inside), (BURY_LATER, outside)] {
            if !buried.is_empty() {
                let values = values![
                    column!(buried, |one| int(one.spot.lane.0)),
                    column!(buried, |one| int(one.spot.seq)),
                    column!(buried, |one| plain(one.lane.key.as_str())),
                    column!(buried, |one| plain(&one.lane.topic)),
                    column!(buried, |one| one.reason.as_str()),
                    column!(buried, |one| one.at.0),
                    column!(buried, |one| &*one.past),
                ];
                self.add(statement, values);
            }
        }
        if !replayed.is_empty() {
            let values = values![
                column!(replayed, |one| int(one.dead)),
                column!(replayed, |one| int(one.spot.lane.0)),
                column!(replayed, |one| int(one.spot.seq)),
                column!(replayed, |one| plain(&one.id)),
            ];
            self.add(REPLAY, values);
        }
    }

    fn add_messages(&mut self, changes: &'a Changes) {
        let Changes { new, gone, tried, dead_gone, .. } = changes;
        let (outside, inside): (Vec<&Gone>, Vec<_>) = gone.iter().partition(|gone| gone.is_later);
        if !inside.is_empty() {
            let lanes = column!(inside, |gone| int(gone.spot.lane.0));
            self.add(GONE, values![lanes, column!(inside, |gone| int(gone.spot.seq))]);
        }
        if !outside.is_empty() {
            self.add(GONE_LATER, values![column!(outside, |gone| int(gone.spot.seq))]);
        }
        if !dead_gone.is_empty() {
            self.add(DEAD_GONE, values![column!(dead_gone, |seq| int(*seq))]);
        }
        let (later, ready): (Vec<_>, Vec<_>) = new.iter().partition(|new| new.kept.due.is_some());
        if !ready.is_empty() {
            self.add(NEW, new_values(&ready, false));
        }
        if !later.is_empty() {
            self.add(NEW_LATER, new_values(&later, true));
        }
        let (outside, inside): (Vec<_>, Vec<_>) = tried.iter().partition(|tried| tried.is_later);
        for (statement, tried) in [(TRIED, inside), (TRIED_LATER, outside)] {
            if tried.is_empty() {
                continue;
            }
            let mut values = values![
                column!(tried, |tried| int(tried.spot.seq)),
                column!(tried, |tried| &*tried.past),
                column!(tried, |tried| tried.payload.as_deref()),
            ];
            if statement == TRIED {
                values.insert(0, Box::new(column!(tried, |tried| int(tried.spot.lane.0))));
            }
            self.add(statement, values);
        }
    }

    fn add_ids(&mut self, changes: &'a Changes) {
        let Changes { ids_forgotten, ids_new, ids_moved, ids_settled, .. } = changes;
        if !ids_forgotten.is_empty() {
            self.add(ID_GONE, values![column!(ids_forgotten, |id| plain(id))]);
        }
        for (statement, ids) in [(ID_NEW, ids_new), (ID_MOVED, ids_moved)] {
            if !ids.is_empty() {
                self.add(statement, id_values(ids));
            }
        }
        if !ids_settled.is_empty() {
            let values = values![
                column!(ids_settled, |one| plain(&one.id)),
                column!(ids_settled, |one| one.fate as i16),
                column!(ids_settled, |one| one.at.0),
                column!(ids_settled, |one| one.past.as_deref()),
            ];
            self.add(ID_SETTLED, values);
        }
    }

    fn add_outbox(&mut self, Changes { outbox_taken, outbox_marked, .. }: &'a Changes) {
        if !outbox_taken.is_empty() {
            self.add(outbox::TAKEN, values![column!(outbox_taken, |number| int(*number))]);
        }
        if !outbox_marked.is_empty() {
            let values = values![
                column!(outbox_marked, |(number, _)| int(*number)),
                column!(outbox_marked, |(_, why)| plain(why)),
            ];
            self.add(outbox::MARKED, values);
        }
    }

    fn add_claims(&mut self, changes: &'a Changes) {
        let Changes { claims, claims_gone, numbers, exact, .. } = changes;
        if !claims.is_empty() {
            let values = values![
                column!(claims, |(id, _, _)| int(*id)),
                column!(claims, |(_, alone, _)| *alone),
                column!(claims, |(_, _, members)| &**members),
            ];
            self.add(CLAIM, values);
        }
        if !claims_gone.is_empty() {
            self.add(CLAIM_GONE, values![column!(claims_gone, |id| int(*id))]);
        }
        self.add_outbox(changes);
        handed::add(self, changes);
        if let Some((seq, lanes)) = numbers {
            self.add(NUMBERS, values![int(*seq), int(*lanes)]);
        }
        if let Some(Counts { backlog, scheduled, held, dead, ids }) = exact {
            let totals = [backlog, scheduled, held, dead, ids];
            self.add(EXACT, totals.map(|count| Box::new(int(*count)) as Value<'_>).into());
        }
    }
}

fn lane_values(lanes: &[LaneChange]) -> Vec<Value<'_>> {
    values![
        column!(lanes, |change| int(change.lane.id.0)),
        column!(lanes, |change| int(change.ready)),
        column!(lanes, |change| int(change.later)),
        column!(lanes, |change| wait(change.block).0),
        column!(lanes, |change| wait(change.block).1),
        column!(lanes, |change| change.turn),
    ]
}

fn put_off_values<'a>(put_off: &[&'a PutOff]) -> Vec<Value<'a>> {
    values![
        column!(put_off, |off| int(off.spot.seq)),
        column!(put_off, |off| off.due.0),
        column!(put_off, |off| &*off.past),
        column!(put_off, |off| off.payload.as_deref()),
    ]
}

fn new_values<'a>(new: &[&'a NewMessage], later: bool) -> Vec<Value<'a>> {
    let mut values = values![
        column!(new, |new| int(new.kept.lane.0)),
        column!(new, |new| int(new.kept.seq)),
        column!(new, |new| new.kept.expires.map(|at| at.0)),
        column!(new, |new| new.kept.is_named),
        column!(new, |new| new.kept.accepted.0),
        column!(new, |new| new.kept.id.as_deref().map(plain)),
        column!(new, |new| plain(&new.event)),
        column!(new, |new| &*new.payload),
    ];
    if later {
        values.insert(2, Box::new(column!(new, |new| new.kept.due.map(|at| at.0))));
    }
    values
}

fn id_values(ids: &[NewId]) -> Vec<Value<'_>> {
    values![
        column!(ids, |new| plain(&new.id)),
        column!(ids, |new| new.fingerprint.as_ref().map(|print| &print.0[..])),
        column!(ids, |new| int(new.spot.lane.0)),
        column!(ids, |new| int(new.spot.seq)),
        column!(ids, |new| plain(new.key.as_str())),
        column!(ids, |new| plain(&new.topic)),
        column!(ids, |new| new.accepted.0),
        column!(ids, |new| new.expires.map(|at| at.0)),
    ]
}
