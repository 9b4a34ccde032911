//! Settling: each outcome does to its message what it says, once, and each is answered.

use super::trial::{Trial, at, done, draft, drafts, failure, labels, named, retry};
use crate::{Draft, Failure, LaneId, Outcome, Place, Record, Settled, Settlement, State, Which};
use std::sync::Arc;

async fn records(trial: &Trial, count: u64) -> Vec<Record> {
    trial.accept(drafts("k", "t", 0..count)).await;
    let lane = trial.lane("k", "t").await;
    trial.read(&lane).await
}

async fn reread(trial: &Trial, record: &Record) -> Record {
    let mut records = trial.read(&record.lane).await;
    records.retain(|other| other.seq == record.seq);
    records.remove(0)
}

/// A delivered message is gone, whether it was the head of its lane or not.
pub async fn delivered_is_gone(trial: Trial) {
    let records = records(&trial, 5).await;
    for (taken, left) in [(2, vec![0, 1, 3, 4]), (0, vec![1, 3, 4]), (4, vec![1, 3]), (1, vec![3])]
    {
        done(trial.attempt(&records[taken], Outcome::Delivered).await);
        assert_eq!(trial.labels(&records[0].lane).await, left);
    }
    assert_eq!(trial.counts().await.backlog, 1);
}

/// The answer says where the message was, and since when.
pub async fn the_answer_says_where(trial: Trial) {
    let record = records(&trial, 1).await.remove(0);
    let accepted_at = trial.now();
    trial.pass(5);
    let settled = trial.attempt(&record, Outcome::Delivered).await;
    assert_eq!(settled, Settled::Done { lane: record.lane.id, seq: record.seq, accepted_at });
}

/// What became of a message is told as long as its sender's id is remembered.
pub async fn delivered_is_remembered_by_given_id(trial: Trial) {
    let receipts = trial.accept(vec![named("a", "k", "t", 0), draft("k", "t", 1)]).await;
    let lane = trial.lane("k", "t").await;
    for record in trial.read(&lane).await {
        done(trial.attempt(&record, Outcome::Delivered).await);
    }
    let found = trial.find("a").await.expect("remembered");
    assert_eq!((found.state, found.settled_at), (State::Delivered, Some(trial.now())));
    assert_eq!((&*found.topic, found.key.as_str(), &*found.event), ("t", "k", ""));
    assert_eq!((found.history.attempts, found.place), (1, None));
    assert_eq!(trial.find(&receipts[1].id.to_string()).await, None);
}

/// A sent message is kept at its place, with its attempt, and can be delivered under that attempt.
pub async fn sent_is_kept(trial: Trial) {
    let record = records(&trial, 2).await.remove(0);
    done(trial.attempt(&record, Outcome::Sent).await);
    assert_eq!(trial.labels(&record.lane).await, [0, 1]);
    let history = reread(&trial, &record).await.history.expect("it was tried");
    assert_eq!((history.attempts, history.failures), (1, 0));
    assert_eq!(history.first_attempt_at, Some(trial.now()));
    done(trial.settle(&record, None, Outcome::Delivered).await);
    assert_eq!(trial.labels(&record.lane).await, [1]);
}

/// A released message is kept at its place, its attempt used up, no failure counted.
pub async fn released_counts_no_failure(trial: Trial) {
    let record = records(&trial, 2).await.remove(0);
    done(trial.attempt(&record, Outcome::Released).await);
    assert_eq!(trial.labels(&record.lane).await, [0, 1]);
    let again = reread(&trial, &record).await;
    assert_eq!(again.next_attempt(), 2);
    assert_eq!(again.history.expect("it was tried").failures, 0);
    assert_eq!(trial.walk().await.len(), 1);
}

/// A retry that keeps its place holds back its lane until its moment.
pub async fn retry_in_place_holds_the_lane(trial: Trial) {
    let record = records(&trial, 2).await.remove(0);
    done(trial.attempt(&record, retry(trial.later(30), Place::Keep)).await);
    assert!(trial.walk().await.is_empty());
    trial.pass(29);
    trial.promote().await;
    assert!(trial.walk().await.is_empty());
    trial.pass(1);
    let promoted = trial.promote().await;
    assert_eq!(promoted.lanes, vec![record.lane.clone()]);
    assert_eq!(trial.labels(&record.lane).await, [0, 1]);
    let history = reread(&trial, &record).await.history.expect("it was tried");
    assert_eq!((history.attempts, history.failures), (1, 1));
}

/// A retry whose moment has come holds nothing back.
pub async fn retry_at_once(trial: Trial) {
    let record = records(&trial, 1).await.remove(0);
    done(trial.attempt(&record, retry(trial.now(), Place::Keep)).await);
    assert_eq!(trial.walk().await.len(), 1);
}

/// Where several of a lane are retried, it waits for all of them.
pub async fn retries_wait_for_the_latest(trial: Trial) {
    let records = records(&trial, 3).await;
    for (record, seconds) in records.iter().zip([10, 30, 20]) {
        done(trial.attempt(record, retry(trial.later(seconds), Place::Keep)).await);
    }
    trial.pass(29);
    trial.promote().await;
    assert!(trial.walk().await.is_empty());
    trial.pass(1);
    trial.promote().await;
    assert_eq!(trial.labels(&*trial.lane("k", "t").await).await, [0, 1, 2]);
}

/// A retry that leaves its place lets the lane go on, and comes back behind what came since.
pub async fn retry_elsewhere_lets_the_lane_go_on(trial: Trial) {
    let record = records(&trial, 2).await.remove(0);
    let id = record.id.to_string();
    done(trial.attempt(&record, retry(trial.later(30), Place::Leave)).await);
    assert_eq!(trial.labels(&record.lane).await, [1]);
    assert_eq!(trial.counts().await.scheduled, 1);
    let found = trial.find(&id).await.expect("kept");
    assert_eq!((found.state, found.due_at), (State::Retrying, Some(trial.later(30))));
    trial.accept(drafts("k", "t", 2..3)).await;
    trial.pass(30);
    assert_eq!(trial.promote().await.lanes, vec![record.lane.clone()]);
    let records = trial.read(&record.lane).await;
    assert_eq!(labels(&records), [1, 2, 0]);
    let again = records.last().expect("it came back");
    assert_eq!((again.id.to_string(), again.next_attempt()), (id.clone(), 2));
    assert!(again.seq > records[1].seq);
    assert_eq!(trial.find(&id).await.expect("kept").place, Some((again.lane.id, again.seq)));
}

/// Dropped and expired messages are gone, and not dead.
pub async fn dropped_and_expired_are_gone(trial: Trial) {
    let records = records(&trial, 2).await;
    done(trial.settle(&records[0], None, Outcome::Dropped).await);
    done(trial.settle(&records[1], None, Outcome::Expired).await);
    let counts = trial.counts().await;
    assert_eq!((counts.backlog, counts.dead), (0, 0));
    assert!(trial.walk().await.is_empty());
}

/// An attempt older than what is concluded is stale, and changes nothing.
pub async fn an_older_attempt_is_stale(trial: Trial) {
    let record = records(&trial, 1).await.remove(0);
    for _ in 0..2 {
        done(trial.attempt(&reread(&trial, &record).await, Outcome::Sent).await);
    }
    let late = Settlement { which: at(&record, 1), claim: None, outcome: Outcome::Delivered };
    assert_eq!(trial.settle_one(late).await, Settled::Stale);
    assert_eq!(trial.labels(&record.lane).await, [0]);
    let current = Settlement { which: at(&record, 2), claim: None, outcome: Outcome::Delivered };
    done(trial.settle_one(current).await);
}

/// What is not there is unknown: a lane, a sequence, a message that is gone, an id.
pub async fn strangers_are_unknown(trial: Trial) {
    let record = records(&trial, 1).await.remove(0);
    let settle =
        |which| trial.settle_one(Settlement { which, claim: None, outcome: Outcome::Sent });
    let lane = record.lane.id;
    let elsewhere =
        Which::At { lane: LaneId::new(lane.shard(), 9999), seq: record.seq, attempt: 1 };
    assert_eq!(settle(elsewhere).await, Settled::Unknown);
    let other = Which::At { lane, seq: record.seq + 1, attempt: 1 };
    assert_eq!(settle(other).await, Settled::Unknown);
    assert_eq!(trial.settle_by_id("nobody", "t", Outcome::Delivered).await, Settled::Unknown);
    done(trial.attempt(&record, Outcome::Delivered).await);
    assert_eq!(settle(at(&record, 1)).await, Settled::Unknown);
}

/// Each settlement of a batch is answered for itself, in order; the second of two finds nothing.
pub async fn a_mixed_batch(trial: Trial) {
    let records = records(&trial, 2).await;
    let delivered = |which| Settlement { which, claim: None, outcome: Outcome::Delivered };
    let batch = vec![
        delivered(at(&records[1], 1)),
        delivered(Which::Id { id: "nobody".into(), topic: "t".into() }),
        delivered(at(&records[1], 1)),
        delivered(at(&records[0], 1)),
    ];
    let settled = trial.store.settle(batch).await.expect("settled");
    let done: Vec<bool> =
        settled.iter().map(|settled| matches!(settled, Settled::Done { .. })).collect();
    assert_eq!(done, [true, false, false, true]);
    assert_eq!(trial.counts().await.backlog, 0);
}

/// A client settles by id, its sender's or a made one, whatever the attempt.
pub async fn by_id(trial: Trial) {
    let receipts = trial.accept(vec![named("a", "k", "t", 0), draft("k", "t", 1)]).await;
    let lane = trial.lane("k", "t").await;
    for (receipt, record) in receipts.iter().zip(trial.read(&lane).await) {
        done(trial.attempt(&record, Outcome::Sent).await);
        let id = receipt.id.to_string();
        let settled = trial.settle_by_id(&id, "t", Outcome::Delivered).await;
        let accepted_at = trial.now();
        assert_eq!(settled, Settled::Done { lane: lane.id, seq: record.seq, accepted_at });
        assert_eq!(trial.settle_by_id(&id, "t", Outcome::Delivered).await, Settled::Unknown);
    }
    assert!(trial.walk().await.is_empty());
}

/// But only on the topic that the message is on.
pub async fn by_id_on_its_topic_only(trial: Trial) {
    let receipts = trial.accept(vec![named("a", "k", "t", 0), draft("k", "t", 1)]).await;
    for record in trial.read(&*trial.lane("k", "t").await).await {
        done(trial.attempt(&record, Outcome::Sent).await);
    }
    for receipt in receipts {
        let id = receipt.id.to_string();
        assert_eq!(trial.settle_by_id(&id, "s", Outcome::Delivered).await, Settled::Unknown);
    }
    assert_eq!(trial.counts().await.backlog, 2);
}

/// And only once it has been out: ids can be guessed, and nobody acknowledges what he was not sent.
pub async fn by_id_once_it_was_out(trial: Trial) {
    let scheduled = Draft { deliver_at: Some(trial.later(10)), ..named("b", "k", "t", 1) };
    trial.accept(vec![named("a", "k", "t", 0), scheduled]).await;
    for id in ["a", "b"] {
        assert_eq!(trial.settle_by_id(id, "t", Outcome::Delivered).await, Settled::Unknown);
    }
    let counts = trial.counts().await;
    assert_eq!((counts.backlog, counts.scheduled), (2, 1));
    let record = trial.read(&*trial.lane("k", "t").await).await.remove(0);
    trial.claim(std::slice::from_ref(&record)).await;
    done(trial.settle_by_id("a", "t", Outcome::Delivered).await);
}

/// An id finds its message also after that was moved.
pub async fn by_id_after_a_move(trial: Trial) {
    let receipts = trial.accept(vec![named("a", "k", "t", 0), draft("k", "t", 1)]).await;
    let lane = trial.lane("k", "t").await;
    for record in trial.read(&lane).await {
        done(trial.attempt(&record, retry(trial.later(1), Place::Leave)).await);
    }
    trial.pass(1);
    trial.promote().await;
    let moved = trial.read(&lane).await;
    for (receipt, record) in receipts.iter().zip(&moved) {
        assert_eq!(receipt.id, record.id);
        done(trial.settle_by_id(&receipt.id.to_string(), "t", Outcome::Delivered).await);
    }
    assert_eq!(trial.counts().await.backlog, 0);
}

/// Failures are told in words, oldest first, with the numbers of their attempts.
pub async fn failures_are_told(trial: Trial) {
    let record = records(&trial, 1).await.remove(0);
    let began = trial.now();
    for what in ["first", "second"] {
        let what: Arc<str> = what.into();
        let failure = Failure { what, ..failure(trial.now()) };
        let outcome =
            Outcome::Retry { at: trial.now(), place: Place::Keep, failure, payload: None };
        trial.pass(1);
        done(trial.attempt(&reread(&trial, &record).await, outcome).await);
    }
    let found = trial.find(&record.id.to_string()).await.expect("kept");
    assert_eq!(found.history.first_attempt_at, Some(began));
    let told: Vec<(u32, &str)> =
        found.attempts.iter().map(|attempt| (attempt.number, &*attempt.what)).collect();
    assert_eq!(told, [(1, "first"), (2, "second")]);
    assert_eq!(found.history.failures, 2);
}

/// Status and answer of a target are told with its failure; of a long answer the beginning.
pub async fn answers_are_told(trial: Trial) {
    let record = records(&trial, 1).await.remove(0);
    let long = vec![b'x'; 2 * Failure::ANSWER];
    let answers: [(u16, &[u8]); 3] = [(500, b"out of order"), (404, b""), (503, &long)];
    for (status, body) in answers {
        let failure = failure(trial.now()).answered(status, body);
        let (at, place) = (trial.now(), Place::Keep);
        let outcome = Outcome::Retry { at, place, failure, payload: None };
        done(trial.attempt(&reread(&trial, &record).await, outcome).await);
    }
    let found = trial.find(&record.id.to_string()).await.expect("kept");
    let told: Vec<(Option<u16>, usize)> = found
        .attempts
        .iter()
        .map(|attempt| (attempt.status, attempt.answer.as_ref().map_or(0, |answer| answer.len())))
        .collect();
    assert_eq!(told, [(Some(500), 12), (Some(404), 0), (Some(503), Failure::ANSWER)]);
    assert_eq!(found.attempts[0].answer.as_deref(), Some("out of order"));
    assert_eq!(found.attempts[1].answer, None);
}

/// What lookups made of a payload is kept with a retry, wherever it waits, and marked as such.
pub async fn an_augmented_payload_is_kept(trial: Trial) {
    for (record, place) in records(&trial, 2).await.into_iter().zip([Place::Leave, Place::Keep]) {
        let (at, payload) = (trial.now(), Some("{\"n\":7}".into()));
        let outcome = Outcome::Retry { at, place, failure: failure(at), payload };
        done(trial.attempt(&record, outcome).await);
    }
    trial.promote().await;
    let again = trial.read(&*trial.lane("k", "t").await).await;
    assert_eq!(labels(&again), [7, 7]);
    for record in &again {
        assert!(record.history.as_ref().is_some_and(|history| history.augmented));
        done(trial.attempt(record, retry(trial.now(), Place::Keep)).await);
    }
    let again = trial.read(&*trial.lane("k", "t").await).await;
    assert_eq!(labels(&again), [7, 7]);
    assert!(again[0].history.as_ref().is_some_and(|history| history.augmented));
}
