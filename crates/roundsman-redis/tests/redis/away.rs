//! Servers that go away: killed, restarted, cut off, wiped. What was accepted is there afterwards.
//!
//! The tests are named for the crash points that they hold the store to.

use crate::own::{DURABLE, Own};
use crate::proxy::Proxy;
use crate::scratch::Scratch;
use roundsman_redis::RedisStore;
use roundsman_store::{
    AcceptError, Ask, Bounds, Claim, Claimed, Draft, Fingerprint, Inspect, Outcome, Receipt,
    Record, Settled, Settlement, Store, StoreError, Which,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn named(number: u64) -> Draft {
    let id = format!("n-{number}");
    let fingerprint = Fingerprint::of(&[id.as_bytes()]);
    let topic = format!("t:{}", number % 7);
    Draft { id: Some((id.as_str().into(), fingerprint)), ..Draft::new(&topic, "{}").unwrap() }
}

/// Accepts until the store has it, sending the same ids again where the outcome is unknown.
async fn accept_surely(store: &RedisStore, drafts: &[Draft]) -> (Vec<Receipt>, u64) {
    let mut unknown = 0;
    loop {
        match store.accept(drafts.to_vec(), Bounds::NONE).await {
            Ok(receipts) => return (receipts, unknown),
            Err(AcceptError::Store(StoreError::Unavailable(_))) => {
                unknown += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

async fn read_all(store: &RedisStore) -> Vec<Record> {
    // A reader that has not called since the server was killed learns of it now.
    let lanes = loop {
        match store.walk(None, 10_000).await {
            Ok(lanes) => break lanes,
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    };
    let ask = |id| Ask { lane: id, after: 0, limit: 100_000, max_bytes: usize::MAX };
    let fetched = store.fetch(lanes.iter().map(|lane| ask(lane.id)).collect()).await.unwrap();
    fetched.into_iter().flat_map(|lane| lane.records).collect()
}

async fn settle_one(store: &RedisStore, record: &Record) -> Result<Settled, StoreError> {
    let which = Which::At { lane: record.lane.id, seq: record.seq, attempt: record.next_attempt() };
    let settlement = Settlement { which, claim: None, outcome: Outcome::Delivered };
    store.settle(vec![settlement]).await.map(|mut settled| settled.remove(0))
}

async fn settle_surely(store: &RedisStore, record: &Record) -> Settled {
    loop {
        match settle_one(store, record).await {
            Ok(settled) => return settled,
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Accepts until it is told to stop; answers what it was told is accepted.
async fn load(store: Arc<RedisStore>, next: Arc<AtomicU64>, until: u64) -> (Vec<u64>, u64) {
    let (mut mine, mut unknown) = (Vec::new(), 0);
    loop {
        let first = next.fetch_add(5, Ordering::Relaxed);
        if first >= until {
            return (mine, unknown);
        }
        let drafts: Vec<Draft> = (first..first + 5).map(named).collect();
        unknown += accept_surely(&store, &drafts).await.1;
        mine.extend(first..first + 5);
    }
}

/// Points 3, 4 and 16: the server is killed under load and started again, many times. Each message
/// that was accepted is there once, in its lane, in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_under_load_loses_nothing() {
    let mut server = Own::start(DURABLE);
    let store = Arc::new(RedisStore::open(&server.url()).await.unwrap());
    let (next, until) = (Arc::new(AtomicU64::new(0)), 4000);
    let tasks: Vec<_> =
        (0..4).map(|_| tokio::spawn(load(store.clone(), next.clone(), until))).collect();
    let (mut kills, mut past) = (0, 0);
    while next.load(Ordering::Relaxed) < until {
        // Some way further each time, wherever that is.
        past += 300 + rand::random::<u64>() % 300;
        while next.load(Ordering::Relaxed) < past.min(until) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill();
        server.restart();
        kills += 1;
    }
    let (mut accepted, mut unknown) = (Vec::new(), 0);
    for task in tasks {
        let (mine, again) = task.await.unwrap();
        accepted.extend(mine);
        unknown += again;
    }
    println!("{kills} kills of the server, {} accepted, {unknown} calls unknown", accepted.len());
    let mut found: BTreeMap<String, u32> = BTreeMap::new();
    let records = read_all(&store).await;
    for record in &records {
        *found.entry(record.id.to_string()).or_default() += 1;
    }
    for number in &accepted {
        assert_eq!(found.get(&format!("n-{number}")), Some(&1), "message {number}");
    }
    assert_eq!(store.counts().await.unwrap().backlog, records.len() as u64);
    assert!(kills > 3);
}

/// Points 9 and 12: what was settled or buried before the server was killed stays so, and what was
/// claimed is still there.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_remembers_outcomes() {
    let mut server = Own::start(DURABLE);
    let store = RedisStore::open(&server.url()).await.unwrap();
    accept_surely(&store, &(0..20).map(named).collect::<Vec<_>>()).await;
    let records = read_all(&store).await;
    let member = |record: &Record| Claimed { lane: record.lane.id, seq: record.seq, attempt: 1 };
    let members = records.iter().map(member).collect();
    store.claim(Claim { members, alone: false }).await.unwrap();
    for record in &records[..10] {
        assert!(matches!(settle_one(&store, record).await, Ok(Settled::Done { .. })));
    }
    server.kill();
    server.restart();
    let left = loop {
        match store.counts().await {
            Ok(counts) => break counts,
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!((left.backlog, left.ids), (10, 20));
    assert_eq!(settle_surely(&store, &records[0]).await, Settled::Unknown);
    assert!(matches!(settle_surely(&store, &records[10]).await, Settled::Done { .. }));
}

/// Points 2 and 9: the server has done it and its answer is lost. The caller is told that nobody
/// knows; sent again with the same ids, nothing is there twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_unknown_and_harmless() {
    let server = Own::start(DURABLE);
    let proxy = Proxy::before(server.address()).await;
    let store = RedisStore::open(&proxy.url()).await.unwrap();
    // The line is laid with the first call.
    accept_surely(&store, &[named(0)]).await;
    let drafts: Vec<Draft> = (1..11).map(named).collect();
    proxy.swallow_answers(true);
    let answer = store.accept(drafts.clone(), Bounds::NONE).await;
    assert!(matches!(answer, Err(AcceptError::Store(StoreError::Unavailable(_)))), "{answer:?}");
    proxy.swallow_answers(false);
    let (receipts, _) = accept_surely(&store, &drafts).await;
    assert!(receipts.iter().all(|receipt| receipt.duplicate), "the first was done");
    let records = read_all(&store).await;
    assert_eq!(records.len(), 11);
    proxy.swallow_answers(true);
    assert!(matches!(settle_one(&store, &records[0]).await, Err(StoreError::Unavailable(_))));
    proxy.swallow_answers(false);
    assert_eq!(settle_surely(&store, &records[0]).await, Settled::Unknown);
    assert_eq!(store.counts().await.unwrap().backlog, 10);
}

/// Lines that are cut under load are laid anew by themselves; nothing is lost or doubled.
#[tokio::test(flavor = "multi_thread")]
async fn lines_cut_under_load() {
    let server = Own::start(DURABLE);
    let proxy = Proxy::before(server.address()).await;
    let store = Arc::new(RedisStore::open(&proxy.url()).await.unwrap());
    let (next, until) = (Arc::new(AtomicU64::new(0)), 3000);
    let tasks: Vec<_> =
        (0..4).map(|_| tokio::spawn(load(store.clone(), next.clone(), until))).collect();
    while next.load(Ordering::Relaxed) < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
        proxy.cut();
    }
    for task in tasks {
        task.await.unwrap();
    }
    let mut ids: Vec<String> =
        read_all(&store).await.iter().map(|record| record.id.to_string()).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((count, ids.len()), (3000, 3000));
}

/// A server that forgets the scripts is taught them again, and no caller notices.
#[tokio::test]
async fn forgotten_scripts_are_taught_again() {
    let scratch = Scratch::new();
    let store = RedisStore::open(&scratch.url()).await.unwrap();
    for round in 0..3 {
        redis::cmd("SCRIPT").arg("FLUSH").exec(&mut scratch.connection()).unwrap();
        store.accept(vec![named(round)], Bounds::NONE).await.unwrap();
        redis::cmd("SCRIPT").arg("FLUSH").exec(&mut scratch.connection()).unwrap();
        assert_eq!(read_all(&store).await.len() as u64, round + 1);
    }
}

/// A store that is no longer there is not silently begun anew.
#[tokio::test]
async fn a_wiped_store_is_not_used() {
    let server = Own::start(DURABLE);
    let store = RedisStore::open(&server.url()).await.unwrap();
    store.accept(vec![named(1)], Bounds::NONE).await.unwrap();
    server.tell(&["FLUSHALL"]);
    let answer = store.accept(vec![named(2)], Bounds::NONE).await;
    assert!(matches!(answer, Err(AcceptError::Store(StoreError::Unusable(_)))), "{answer:?}");
}

/// A server that cannot be reached says so at once, and the store goes on when it is back.
#[tokio::test]
async fn away_and_back() {
    let mut server = Own::start(DURABLE);
    let store = RedisStore::open(&server.url()).await.unwrap();
    server.kill();
    for _ in 0..3 {
        let answer = store.accept(vec![named(1)], Bounds::NONE).await;
        assert!(matches!(answer, Err(AcceptError::Store(StoreError::Unavailable(_)))));
        assert!(matches!(store.walk(None, 1).await, Err(StoreError::Unavailable(_))));
    }
    let opened = RedisStore::open(&server.url()).await;
    assert!(matches!(opened, Err(StoreError::Unavailable(_))));
    server.restart();
    accept_surely(&store, &[named(1)]).await;
}
