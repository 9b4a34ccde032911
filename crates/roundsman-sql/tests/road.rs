//! The road of messages through one file: accepted, hinted, read, claimed, settled, found again.

#![allow(clippy::unwrap_used)] // In tests, also outside of `#[test]` functions.

use roundsman_sql::SqliteStore;
use roundsman_store::{
    Ask, Block, Bounds, Claim, Claimed, Draft, HeldClock, Hint, Inspect, Outcome, Release, Settled,
    Settlement, State, Store, Timestamp, Which,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn open(path: &Path, clock: &HeldClock) -> SqliteStore {
    SqliteStore::open(path, Arc::new(clock.clone())).unwrap()
}

fn draft(topic: &str, number: u32) -> Draft {
    Draft::new(topic, format!("{{\"n\":{number}}}")).unwrap()
}

fn delivered(which: Which) -> Vec<Settlement> {
    vec![Settlement { which, claim: None, outcome: Outcome::Delivered }]
}

#[tokio::test]
async fn from_accept_to_settle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roundsman.db");
    let clock = HeldClock::at(Timestamp(1_000_000));
    let store = open(&path, &clock);
    let mut hints = store.hints().unwrap();
    let batch = vec![draft("a", 1), draft("b", 2), draft("a", 3)];
    let receipts = store.accept(batch, Bounds::NONE).await.unwrap();

    let Some(Hint::Fresh(fresh)) = hints.recv().await else { panic!("no hint") };
    assert_eq!(
        fresh.iter().map(|fresh| fresh.previous).collect::<Vec<_>>(),
        [Some(0), Some(0), Some(1)]
    );
    let lanes = store.walk(None, 10).await.unwrap();
    assert_eq!(lanes.len(), 2);
    let lane = fresh[0].record.lane.id;
    let ask = Ask { lane, after: 0, limit: 1, max_bytes: 1000 };
    let fetched = store.fetch(vec![ask]).await.unwrap().remove(0);
    assert!(fetched.more);
    let record = &fetched.records[0];
    assert_eq!((&record.payload[..], record.next_attempt()), (&b"{\"n\":1}"[..], 1));
    assert_eq!(record.id, receipts[0].id);

    let seq = record.seq;
    let member = Claimed { lane, seq, attempt: 1 };
    let claim = store.claim(Claim { members: vec![member], alone: false }).await.unwrap();
    let which = Which::At { lane, seq, attempt: 1 };
    let settlement =
        Settlement { which: which.clone(), claim: Some(claim), outcome: Outcome::Delivered };
    let settled = store.settle(vec![settlement]).await.unwrap();
    assert_eq!(settled, [Settled::Done { lane, seq, accepted_at: Timestamp(1_000_000) }]);
    assert_eq!(store.settle(delivered(which)).await.unwrap(), [Settled::Unknown]);
    assert_eq!(store.counts().await.unwrap().backlog, 2);

    let other = &fresh[1].record;
    let member = Claimed { lane: other.lane.id, seq: other.seq, attempt: 1 };
    store.claim(Claim { members: vec![member], alone: false }).await.unwrap();
    let by_id = Which::Id { id: receipts[1].id.to_string().into(), topic: "b".into() };
    assert!(matches!(store.settle(delivered(by_id)).await.unwrap()[0], Settled::Done { .. }));
    store.close().await.unwrap();
    assert_eq!(open(&path, &clock).counts().await.unwrap().backlog, 1);
}

#[tokio::test]
async fn held_scheduled_and_found_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roundsman.db");
    let clock = HeldClock::at(Timestamp(1_000_000));
    let store = open(&path, &clock);
    let later = Draft { deliver_at: Some(Timestamp(5_000_000)), ..draft("a", 2) };
    let receipts = store.accept(vec![draft("a", 1), later], Bounds::NONE).await.unwrap();
    let lane = store.walk(None, 1).await.unwrap()[0].id;
    store.block(vec![(lane, Block::Absent)]).await.unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.backlog, counts.scheduled, counts.held), (2, 1, 1));
    let id = receipts[1].id.to_string();
    assert_eq!(store.find(&id).await.unwrap().unwrap().state, State::Scheduled);
    drop(store);

    let store = open(&path, &clock);
    assert_eq!(store.counts().await.unwrap(), counts);
    assert!(store.walk(None, 10).await.unwrap().is_empty());
    clock.advance(Duration::from_secs(4));
    assert!(store.promote().await.unwrap().lanes.is_empty(), "it is in a blocked lane");
    assert_eq!(store.find(&id).await.unwrap().unwrap().state, State::Held);
    let released = store.release(Release::Topic("a".into())).await.unwrap();
    assert_eq!(released.len(), 1);
    assert_eq!(store.walk(None, 10).await.unwrap(), released);
    let ask = Ask { lane, after: 0, limit: 9, max_bytes: 1000 };
    assert_eq!(store.fetch(vec![ask]).await.unwrap()[0].records.len(), 2);
}
