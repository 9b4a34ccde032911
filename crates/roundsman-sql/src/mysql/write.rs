//! Writing what calls have changed: a statement for each kind of change, for any number of rows.

use super::connect::Connection;
use super::error::Sql;
use super::row::{key_name, lane_name, signed, wait};
use super::rows::{Cells, Rows, table};
use super::{handed, outbox};
use crate::served::changes::{Buried, Changes, Gone, LaneChange, NewId, NewMessage, PutOff, Tried};
use crate::served::wants::Spot;
use mysql_async::Value;
use roundsman_store::Counts;

const COLUMNS: &str = "lane, seq, expires, named, accepted, id, event, bytes, payload";
const GONE: &str = concat!(
    "DELETE m FROM ",
    table!("lane BIGINT", "seq BIGINT" 1),
    " STRAIGHT_JOIN roundsman_message m ON m.lane = j.lane AND m.seq = j.seq"
);
const GONE_LATER: &str = concat!(
    "DELETE m FROM ",
    table!("lane BIGINT", "seq BIGINT" 1),
    " STRAIGHT_JOIN roundsman_later m ON m.seq = j.seq"
);
const EXPIRY: &str = concat!(
    "INSERT INTO roundsman_expiry SELECT j.at, j.lane, j.seq FROM ",
    table!("at BIGINT", "lane BIGINT" 1, "seq BIGINT" 2)
);
const EXPIRY_GONE: &str = concat!(
    "DELETE m FROM ",
    table!("at BIGINT", "lane BIGINT" 1, "seq BIGINT" 2),
    " STRAIGHT_JOIN roundsman_expiry m ON m.at = j.at AND m.lane = j.lane AND m.seq = j.seq"
);
macro_rules! tried {
    ($table:literal, $on:literal, $set:literal) => {
        concat!(
            "UPDATE ",
            table!(
                "lane BIGINT", "seq BIGINT" 1, "due BIGINT" 2, "history LONGTEXT" 3,
                "payload LONGTEXT" 4
            ),
            " STRAIGHT_JOIN ", $table, " m ON ", $on, " SET ", $set, "m.history = UNHEX(j.history),
              m.bytes = COALESCE(LENGTH(j.payload) DIV 2, m.bytes),
              m.payload = COALESCE(UNHEX(j.payload), m.payload)"
        )
    };
}
const TRIED: &str = tried!("roundsman_message", "m.lane = j.lane AND m.seq = j.seq", "");
const TRIED_LATER: &str = tried!("roundsman_later", "m.seq = j.seq", "");
const PUT_OFF_LATER: &str = tried!("roundsman_later", "m.seq = j.seq", "m.due = j.due, ");
const PUT_OFF: &str = concat!(
    "INSERT INTO roundsman_later
         (seq, lane, due, expires, named, accepted, id, event, history, bytes, payload)
     SELECT m.seq, m.lane, j.due, m.expires, m.named, m.accepted, m.id, m.event, UNHEX(j.history),
            COALESCE(LENGTH(j.payload) DIV 2, m.bytes), COALESCE(UNHEX(j.payload), m.payload) FROM ",
    table!(
        "lane BIGINT", "seq BIGINT" 1, "due BIGINT" 2, "history LONGTEXT" 3, "payload LONGTEXT" 4
    ),
    " STRAIGHT_JOIN roundsman_message m ON m.lane = j.lane AND m.seq = j.seq"
);
const BACK: &str = concat!(
    "INSERT INTO roundsman_message
         (lane, seq, expires, named, accepted, id, event, history, bytes, payload)
     SELECT m.lane, j.new, m.expires, m.named, m.accepted, UNHEX(j.id), m.event, m.history, m.bytes,
            m.payload FROM ",
    table!("seq BIGINT", "new BIGINT" 1, "id LONGTEXT" 2),
    " STRAIGHT_JOIN roundsman_later m ON m.seq = j.seq"
);
macro_rules! bury {
    ($table:literal) => {
        concat!(
            "INSERT INTO roundsman_dead
             SELECT m.seq, m.lane, UNHEX(j.k), UNHEX(j.topic), m.accepted, m.expires, m.id, m.event,
                    UNHEX(j.reason), j.died, UNHEX(j.history), m.bytes, m.payload FROM ",
            table!(
                "lane BIGINT", "seq BIGINT" 1, "k LONGTEXT" 2, "topic LONGTEXT" 3,
                "reason LONGTEXT" 4, "died BIGINT" 5, "history LONGTEXT" 6
            ),
            " STRAIGHT_JOIN ", $table, " m ON m.lane = j.lane AND m.seq = j.seq"
        )
    };
}
const BURY: &str = bury!("roundsman_message");
const BURY_LATER: &str = bury!("roundsman_later");
const REPLAY: &str = concat!(
    "INSERT INTO roundsman_message
         (lane, seq, expires, named, accepted, id, event, history, bytes, payload)
     SELECT j.lane, j.seq, NULL, 0, m.accepted, UNHEX(j.id), m.event, NULL, m.bytes, m.payload FROM ",
    table!("dead BIGINT", "lane BIGINT" 1, "seq BIGINT" 2, "id LONGTEXT" 3),
    " STRAIGHT_JOIN roundsman_dead m ON m.seq = j.dead"
);
const DEAD_GONE: &str = concat!(
    "DELETE m FROM ",
    table!("seq BIGINT"),
    " STRAIGHT_JOIN roundsman_dead m ON m.seq = j.seq"
);
const ID_GONE: &str = concat!(
    "DELETE i FROM ",
    table!("id LONGTEXT"),
    " STRAIGHT_JOIN roundsman_ids i ON i.id = UNHEX(j.id)"
);
const ID_NEW: &str = concat!(
    "INSERT INTO roundsman_ids (id, fingerprint, lane, seq, `key`, topic, accepted, expires, fate)
     SELECT UNHEX(j.id), UNHEX(j.print), j.lane, j.seq, UNHEX(j.k), UNHEX(j.topic), j.accepted,
            j.expires, 0 FROM ",
    table!(
        "id LONGTEXT", "print CHAR(32)" 1, "lane BIGINT" 2, "seq BIGINT" 3, "k LONGTEXT" 4,
        "topic LONGTEXT" 5, "accepted BIGINT" 6, "expires BIGINT" 7
    )
);
const ID_MOVED: &str = concat!(
    "INSERT INTO roundsman_ids (id, fingerprint, lane, seq, `key`, topic, accepted, expires, fate)
     SELECT UNHEX(j.id), UNHEX(j.print), j.lane, j.seq, UNHEX(j.k), UNHEX(j.topic), j.accepted,
            j.expires, 0 FROM ",
    table!(
        "id LONGTEXT", "print CHAR(32)" 1, "lane BIGINT" 2, "seq BIGINT" 3, "k LONGTEXT" 4,
        "topic LONGTEXT" 5, "accepted BIGINT" 6, "expires BIGINT" 7
    ),
    " ON DUPLICATE KEY UPDATE lane = VALUES(lane), seq = VALUES(seq), expires = VALUES(expires),
          fate = 0, settled = NULL, history = NULL"
);
const ID_SETTLED: &str = concat!(
    "UPDATE ",
    table!("id LONGTEXT", "fate INT" 1, "at BIGINT" 2, "history LONGTEXT" 3),
    " STRAIGHT_JOIN roundsman_ids i ON i.id = UNHEX(j.id)
      SET i.fate = j.fate, i.settled = j.at, i.history = COALESCE(UNHEX(j.history), i.history)"
);
const LANE_GONE: &str = concat!(
    "DELETE l FROM ",
    table!("id BIGINT"),
    " STRAIGHT_JOIN roundsman_lane l ON l.id = j.id"
);
const LANE_NEW: &str = concat!(
    "INSERT INTO roundsman_lane
         (id, ready, later, wait, until, turn, name, account, `key`, topic)
     SELECT j.id, j.ready, j.later, j.wait, j.until, j.turn, UNHEX(j.name), UNHEX(j.account),
            UNHEX(j.k), UNHEX(j.topic) FROM ",
    table!(
        "id BIGINT", "ready BIGINT" 1, "later BIGINT" 2, "wait INT" 3, "until BIGINT" 4,
        "turn BIGINT" 5, "name CHAR(32)" 6, "account CHAR(32)" 7, "k LONGTEXT" 8, "topic LONGTEXT" 9
    )
);
const LANE: &str = concat!(
    "UPDATE ",
    table!(
        "id BIGINT", "ready BIGINT" 1, "later BIGINT" 2, "wait INT" 3, "until BIGINT" 4,
        "turn BIGINT" 5
    ),
    " STRAIGHT_JOIN roundsman_lane l ON l.id = j.id
      SET l.ready = j.ready, l.later = j.later, l.wait = j.wait, l.until = j.until, l.turn = j.turn"
);
const ACCOUNT: &str = concat!(
    "INSERT INTO roundsman_account SELECT UNHEX(j.name), UNHEX(j.k), j.backlog, j.held FROM ",
    table!("name CHAR(32)", "k LONGTEXT" 1, "backlog BIGINT" 2, "held BIGINT" 3),
    " ON DUPLICATE KEY UPDATE backlog = VALUES(backlog), held = VALUES(held)"
);
const ACCOUNT_GONE: &str = concat!(
    "DELETE a FROM ",
    table!("name CHAR(32)"),
    " STRAIGHT_JOIN roundsman_account a ON a.name = UNHEX(j.name)"
);
const CLAIM: &str = "INSERT INTO roundsman_claim VALUES (?, ?, ?)";
const CLAIM_GONE: &str = concat!(
    "DELETE c FROM ",
    table!("id BIGINT"),
    " STRAIGHT_JOIN roundsman_claim c ON c.id = j.id"
);
const NUMBERS: &str = "UPDATE roundsman_state SET seq = ?, lanes = ?";
const EXACT: &str = "UPDATE roundsman_state
     SET backlog = ?, scheduled = ?, held = ?, dead = ?, ids = ?, exact = 1";

/// A statement with its values.
struct Job {
    statement: String,
    values: Vec<Value>,
}

/// Writes all of it into the transaction that is open.
pub(super) async fn write(connection: &mut Connection, changes: &Changes) -> Sql<()> {
    let mut jobs = Jobs(Vec::new());
    jobs.add_lanes(changes);
    jobs.add_moves(changes);
    jobs.add_messages(changes, connection.packet);
    jobs.add_ids(changes);
    jobs.add_claims(changes);
    for job in jobs.0 {
        connection.execute(&job.statement, job.values).await?;
    }
    Ok(())
}

struct Jobs(Vec<Job>);

impl Jobs {
    fn add(&mut self, statement: &str, values: Vec<Value>) {
        self.0.push(Job { statement: statement.to_owned(), values });
    }

    /// A statement for all of these rows, if there are any.
    fn each<T>(
        &mut self,
        statement: &str,
        items: &[T],
        write: impl for<'a> Fn(Cells<'a>, &T) -> Cells<'a>,
    ) {
        if !items.is_empty() {
            self.add(statement, vec![Rows::of(items, write)]);
        }
    }

    fn add_lanes(&mut self, changes: &Changes) {
        let Changes { lanes_gone, lanes_new, lanes, accounts, accounts_gone, .. } = changes;
        self.each(LANE_GONE, lanes_gone, |cells, id| cells.int(signed(id.0)));
        self.each(ACCOUNT_GONE, accounts_gone, |cells, key| cells.bytes(&key_name(key)));
        self.each(LANE_NEW, lanes_new, |cells, change| {
            let (key, topic) = (&change.lane.key, &change.lane.topic);
            lane_cells(cells, change)
                .bytes(&lane_name(key, topic))
                .bytes(&key_name(key))
                .bytes(key.as_str().as_bytes())
                .bytes(topic.as_bytes())
        });
        self.each(LANE, lanes, lane_cells);
        self.each(ACCOUNT, accounts, |cells, (key, backlog, held)| {
            let cells = cells.bytes(&key_name(key)).bytes(key.as_str().as_bytes());
            cells.int(signed(*backlog)).int(signed(*held))
        });
    }

    /// Out of one table and into another, then what is left behind.
    fn add_moves(&mut self, changes: &Changes) {
        let Changes { put_off, back, buried, replayed, .. } = changes;
        let (outside, inside): (Vec<&PutOff>, Vec<&PutOff>) =
            put_off.iter().partition(|off| off.is_later);
        self.each(PUT_OFF, &inside, |cells, off| put_off_cells(cells, off));
        self.each(GONE, &inside, |cells, off| spot_cells(cells, off.spot));
        self.each(PUT_OFF_LATER, &outside, |cells, off| put_off_cells(cells, off));
        self.each(BACK, back, |cells, back| {
            let cells = cells.int(signed(back.spot.seq)).int(signed(back.seq));
            cells.bytes(back.id.as_bytes())
        });
        self.each(GONE_LATER, back, |cells, back| spot_cells(cells, back.spot));
        let (outside, inside): (Vec<&Buried>, Vec<&Buried>) =
            buried.iter().partition(|one| one.is_later);
        self.each(BURY, &inside, |cells, one| buried_cells(cells, one));
        self.each(BURY_LATER, &outside, |cells, one| buried_cells(cells, one));
        self.each(REPLAY, replayed, |cells, one| {
            let cells = spot_cells(cells.int(signed(one.dead)), one.spot);
            cells.bytes(one.id.as_bytes())
        });
        self.each(DEAD_GONE, replayed, |cells, one| cells.int(signed(one.dead)));
        let named = put_off.iter().filter(|off| !off.is_later);
        let over: Vec<_> = named.filter_map(|off| Some((off.named?, off.spot))).collect();
        self.each(EXPIRY_GONE, &over, |cells, (at, spot)| spot_cells(cells.int(at.0), *spot));
        let begun = back
            .iter()
            .filter_map(|back| Some((back.named?, Spot { lane: back.spot.lane, seq: back.seq })));
        let begun: Vec<_> = begun.collect();
        self.each(EXPIRY, &begun, |cells, (at, spot)| spot_cells(cells.int(at.0), *spot));
    }

    fn add_messages(&mut self, changes: &Changes, packet: usize) {
        let Changes { new, gone, tried, dead_gone, .. } = changes;
        let (outside, inside): (Vec<&Gone>, Vec<&Gone>) =
            gone.iter().partition(|gone| gone.is_later);
        self.each(GONE, &inside, |cells, gone| spot_cells(cells, gone.spot));
        self.each(GONE_LATER, &outside, |cells, gone| spot_cells(cells, gone.spot));
        let over: Vec<_> =
            inside.iter().filter_map(|gone| Some((gone.named?, gone.spot))).collect();
        self.each(EXPIRY_GONE, &over, |cells, (at, spot)| spot_cells(cells.int(at.0), *spot));
        self.each(DEAD_GONE, dead_gone, |cells, seq| cells.int(signed(*seq)));
        self.add_new(new, packet);
        let (outside, inside): (Vec<&Tried>, Vec<&Tried>) =
            tried.iter().partition(|tried| tried.is_later);
        self.each(TRIED, &inside, |cells, tried| tried_cells(cells, tried));
        self.each(TRIED_LATER, &outside, |cells, tried| tried_cells(cells, tried));
    }

    /// What was accepted: payloads as they are, so many rows a statement as there are, in a few sizes.
    fn add_new(&mut self, new: &[NewMessage], packet: usize) {
        let (later, ready): (Vec<&NewMessage>, Vec<&NewMessage>) =
            new.iter().partition(|new| new.kept.due.is_some());
        for (table, due, new) in
            [("roundsman_message", "", ready), ("roundsman_later", ", due", later)]
        {
            let mut rest = &new[..];
            while !rest.is_empty() {
                let count = fitting(rest, packet);
                let (now, behind) = rest.split_at(count);
                let row =
                    if due.is_empty() { "(?,?,?,?,?,?,?,?,?)" } else { "(?,?,?,?,?,?,?,?,?,?)" };
                let rows = vec![row; count].join(",");
                let statement = format!("INSERT INTO {table} ({COLUMNS}{due}) VALUES {rows}");
                let values = now.iter().flat_map(|new| new_values(new, !due.is_empty()));
                self.0.push(Job { statement, values: values.collect() });
                rest = behind;
            }
        }
        let named = new.iter().filter(|new| new.kept.due.is_none());
        let named: Vec<_> =
            named.filter_map(|new| Some((new.kept.named()?, new.kept.spot()))).collect();
        self.each(EXPIRY, &named, |cells, (at, spot)| spot_cells(cells.int(at.0), *spot));
    }

    fn add_ids(&mut self, changes: &Changes) {
        let Changes { ids_forgotten, ids_new, ids_moved, ids_settled, .. } = changes;
        self.each(ID_GONE, ids_forgotten, |cells, id| cells.bytes(id.as_bytes()));
        self.each(ID_NEW, ids_new, id_cells);
        self.each(ID_MOVED, ids_moved, id_cells);
        self.each(ID_SETTLED, ids_settled, |cells, one| {
            let cells = cells.bytes(one.id.as_bytes()).int(one.fate as i64).int(one.at.0);
            cells.bytes_or_null(one.past.as_deref())
        });
    }

    fn add_claims(&mut self, changes: &Changes) {
        let Changes { claims, claims_gone, numbers, exact, .. } = changes;
        for (id, alone, members) in claims {
            self.add(CLAIM, vec![signed(*id).into(), (*alone).into(), members.as_slice().into()]);
        }
        self.each(CLAIM_GONE, claims_gone, |cells, id| cells.int(signed(*id)));
        outbox::each(changes, |statement, values| self.add(statement, vec![values]));
        handed::each(changes, |statement, values| self.add(statement, values));
        if let Some((seq, lanes)) = numbers {
            self.add(NUMBERS, vec![signed(*seq).into(), signed(*lanes).into()]);
        }
        if let Some(Counts { backlog, scheduled, held, dead, ids }) = exact {
            let totals = [backlog, scheduled, held, dead, ids];
            self.add(EXACT, totals.map(|count| Value::from(signed(*count))).into());
        }
    }
}

/// How many of these go into one statement: in a few sizes, so that few have to be prepared, and
/// no more than one packet takes.
fn fitting(new: &[&NewMessage], packet: usize) -> usize {
    let weigh = |new: &&NewMessage| new.payload.len() + new.event.len() + 256;
    for size in [1024, 256, 64, 16, 4] {
        if new.len() >= size && new[..size].iter().map(weigh).sum::<usize>() <= packet {
            return size;
        }
    }
    1
}

fn new_values(new: &NewMessage, later: bool) -> Vec<Value> {
    let kept = &new.kept;
    let mut values = vec![
        signed(kept.lane.0).into(),
        signed(kept.seq).into(),
        kept.expires.map(|at| at.0).into(),
        kept.is_named.into(),
        kept.accepted.0.into(),
        kept.id.as_deref().map(str::as_bytes).into(),
        new.event.as_bytes().into(),
        i64::try_from(new.payload.len()).unwrap_or(i64::MAX).into(),
        Value::Bytes(new.payload.to_vec()),
    ];
    if later {
        values.push(kept.due.map(|at| at.0).into());
    }
    values
}

fn spot_cells(cells: Cells<'_>, spot: Spot) -> Cells<'_> {
    cells.int(signed(spot.lane.0)).int(signed(spot.seq))
}

fn lane_cells<'a>(cells: Cells<'a>, change: &LaneChange) -> Cells<'a> {
    let id = signed(change.lane.id.0);
    let (kind, until) = wait(change.block);
    let cells = cells.int(id).int(signed(change.ready)).int(signed(change.later)).int(kind);
    cells.int_or_null(until).int_or_null(change.turn.then_some(id))
}

fn put_off_cells<'a>(cells: Cells<'a>, off: &PutOff) -> Cells<'a> {
    let cells = spot_cells(cells, off.spot).int(off.due.0).bytes(&off.past);
    cells.bytes_or_null(off.payload.as_deref())
}

fn tried_cells<'a>(cells: Cells<'a>, tried: &Tried) -> Cells<'a> {
    let cells = spot_cells(cells, tried.spot).int_or_null(None).bytes(&tried.past);
    cells.bytes_or_null(tried.payload.as_deref())
}

fn buried_cells<'a>(cells: Cells<'a>, one: &Buried) -> Cells<'a> {
    let cells = spot_cells(cells, one.spot).bytes(one.lane.key.as_str().as_bytes());
    let cells = cells.bytes(one.lane.topic.as_bytes()).bytes(one.reason.as_str().as_bytes());
    cells.int(one.at.0).bytes(&one.past)
}

fn id_cells<'a>(cells: Cells<'a>, new: &NewId) -> Cells<'a> {
    let print = new.fingerprint.as_ref().map(|print| &print.0[..]);
    let cells = spot_cells(cells.bytes(new.id.as_bytes()).bytes_or_null(print), new.spot);
    let cells = cells.bytes(new.key.as_str().as_bytes()).bytes(new.topic.as_bytes());
    cells.int(new.accepted.0).int_or_null(new.expires.map(|at| at.0))
}
