//! The form of the journal, byte by byte: what a version wrote once, every later one reads.

use crate::entry::{Header, Kind, Open};
use crate::replay::{Replay, checkpoint};
use crate::verb;
use bytes::Bytes;
use roundsman_store::{
    Block, Bounds, Claim, ClaimId, Claimed, Counts, DeadFilter, DeadReason, Draft, Endpoint,
    Failure, Fingerprint, IdSalt, Key, LaneId, MemoryState, Outcome, Pattern, Place, Release,
    Settlement, Sweep, Timestamp, Which,
};
use std::fmt::Write as _;

/// One record a line, in hexadecimal.
const WRITTEN: &str = include_str!("../tests/journal-1.hex");

/// Where topic `t` is, with its shard: the second lane of a journal whose lanes begin at 5.
const LANE: LaneId = LaneId(67_272_519_433_846_790);
/// The lane of the one that has a key and an id of its own.
const OWN_LANE: LaneId = LaneId(54_887_620_458_577_925);
const NOW: Timestamp = Timestamp(1_700_000_000_000_000);
const BOUNDS: Bounds =
    Bounds { backlog: 1, backlog_per_key: 2, held_per_topic: 3, ids: 4, expires_after: None };

/// A journal with each kind of record and of verb.
fn journal() -> Vec<Vec<u8>> {
    let open =
        Open { nonce: 7, salt: IdSalt(9), numbers: (20, 4, ClaimId(6)), cut: true }.put(NOW).0;
    let header = |kind| Header { kind, epoch: 1, now: NOW };
    let mut records = vec![open, taken_in(header(Kind::Verbs)), operated(header(Kind::Verbs))];
    records.push(header(Kind::Alive).put().0);
    let mut carried = header(Kind::Carried).put();
    carried.0.extend(br#"{"n":1}"#);
    records.push(carried.0);
    let first = records.len() as u64;
    records.extend(checkpoint(&state(&records), header(Kind::Part), first, 64));
    records.push(header(Kind::Over).put().0);
    records
}

/// Three are accepted and one batch is refused; one is claimed, and each has an outcome.
fn taken_in(header: Header) -> Vec<u8> {
    let mut out = header.put();
    let full = Draft {
        key: Key::from_parts(["team", "ann"]).expect("a key"),
        event: "order.shipped".into(),
        id: Some(("order-1".into(), Fingerprint([3; 16]))),
        deliver_at: Some(Timestamp(NOW.0 - 1)),
        expires_at: Some(Timestamp(NOW.0 + 60_000_000)),
        ..draft(1)
    };
    verb::put_accept(&mut out, &[full, draft(2), draft(3), draft(4)], 1);
    verb::put_refused(&mut out, &[draft(5)], &BOUNDS);
    let members = [(OWN_LANE, 21), (LANE, 22)];
    let members = members.map(|(lane, seq)| Claimed { lane, seq, attempt: 1 });
    verb::put_claim(&mut out, &Claim { members: members.into(), alone: true });
    let failure = Failure {
        at: NOW,
        what: "no answer in time".into(),
        status: Some(503),
        answer: Some("busy".into()),
    };
    let (at, payload) = (Timestamp(NOW.0 + 5), Some(Bytes::from_static(br#"{"n":2,"x":1}"#)));
    let retry = Outcome::Retry { at, place: Place::Keep, failure: failure.clone(), payload };
    let dead = Outcome::Dead { reason: DeadReason::Refused, failure: Some(failure) };
    let outcomes = [(22, retry), (23, dead), (24, Outcome::Sent), (24, Outcome::Released)];
    for (seq, outcome) in outcomes {
        let which = Which::At { lane: LANE, seq, attempt: 1 };
        let claim = (seq == 22).then_some(ClaimId(7));
        verb::put_settlement(&mut out, &mut Settlement { which, claim, outcome }, 1);
    }
    let which = Which::Id { id: "order-1".into(), topic: "t".into() };
    let mut delivered = Settlement { which, claim: None, outcome: Outcome::Delivered };
    verb::put_settlement(&mut out, &mut delivered, 1);
    out.0
}

/// What holds lanes up and frees them, and what an operator does.
fn operated(header: Header) -> Vec<u8> {
    let mut out = header.put();
    let blocks = [Block::Absent, Block::Until(NOW), Block::Parked(Endpoint(8))];
    verb::put_blocks(&mut out, &blocks.map(|block| (LANE, block)));
    for release in [
        Release::Topic("t".into()),
        Release::Lanes(vec![LANE]),
        Release::Endpoint(Endpoint(8)),
        Release::Endpoints,
    ] {
        verb::put_release(&mut out, &release);
    }
    verb::put_promote(&mut out);
    verb::put_take_back(&mut out, "nobody", Some((LANE, 99)));
    let filter = DeadFilter {
        ids: Some(vec!["other".into()]),
        key: Some(Key::from_parts(["team"]).expect("a key")),
        topic: Some(Pattern::new("t")),
        reason: Some(DeadReason::Attempts),
        since: Some(NOW),
        until: Some(NOW),
    };
    let sweep = Sweep { filter, after: 0, limit: 10 };
    verb::put_replay(&mut out, &sweep);
    verb::put_drop_dead(&mut out, &sweep);
    out.0
}

fn draft(n: u32) -> Draft {
    Draft::new("t", format!(r#"{{"n":{n}}}"#)).expect("a draft")
}

fn state(records: &[Vec<u8>]) -> MemoryState {
    let mut replay = Replay::default();
    for (record, offset) in records.iter().zip(0..) {
        replay.feed(offset, record.clone().into()).expect("it makes sense");
    }
    replay.state.expect("it begins with an open")
}

#[test]
fn what_is_written_is_what_was_written() {
    let mut text = String::new();
    for record in journal() {
        record.iter().for_each(|byte| write!(text, "{byte:02x}").expect("a string"));
        text.push('\n');
    }
    // Where the form is meant to change, VERSION is, and this journal stays for the test below.
    assert_eq!(text, WRITTEN);
}

#[test]
fn what_was_written_is_read() {
    let byte = |line: &str, at| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal");
    let record = |line: &str| (0..line.len()).step_by(2).map(|at| byte(line, at)).collect();
    let records: Vec<Vec<u8>> = WRITTEN.lines().map(record).collect();
    let counts = Counts { backlog: 2, scheduled: 0, held: 0, dead: 1, ids: 1 };
    assert_eq!(state(&records).counts(), counts);
    // From the checkpoint on there is no more to it than that.
    let mut whole = Replay::default();
    for (record, offset) in records.into_iter().zip(0..).skip(5) {
        whole.feed(offset, record.into()).expect("it makes sense");
    }
    assert_eq!(whole.state.expect("a checkpoint").counts(), counts);
}
