//! A server that has reached its `maxmemory`: nothing is taken in half, and settling makes room.

use crate::own::{DURABLE, Own};
use roundsman_redis::RedisStore;
use roundsman_store::{
    AcceptError, Ask, Bounds, Draft, Inspect, Outcome, Settled, Settlement, Store, StoreError,
    Which,
};

fn drafts() -> Vec<Draft> {
    let payload = format!("{{\"n\":\"{}\"}}", "x".repeat(10_000));
    (0..10).map(|_| Draft::new("t", payload.clone()).unwrap()).collect()
}

#[tokio::test]
async fn a_full_server_refuses_and_can_be_emptied() {
    let settings = [DURABLE, &["--maxmemory", "4mb", "--maxmemory-policy", "noeviction"]].concat();
    let server = Own::start(&settings);
    let store = RedisStore::open(&server.url()).await.unwrap();
    let mut accepted = 0;
    let refusal = loop {
        match store.accept(drafts(), Bounds::NONE).await {
            Ok(receipts) => accepted += receipts.len() as u64,
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal, AcceptError::Store(StoreError::Full(_))), "{refusal:?}");
    assert!(accepted > 0);
    assert_eq!(store.counts().await.unwrap().backlog, accepted, "nothing of the refused");
    let lane = store.walk(None, 1).await.unwrap().remove(0);
    let ask = Ask { lane: lane.id, after: 0, limit: 10_000, max_bytes: usize::MAX };
    let records = store.fetch(vec![ask]).await.unwrap().remove(0).records;
    assert_eq!(records.len() as u64, accepted);
    let settlement = |seq| Settlement {
        which: Which::At { lane: lane.id, seq, attempt: 1 },
        claim: None,
        outcome: Outcome::Delivered,
    };
    let batch = records.iter().map(|record| settlement(record.seq)).collect();
    let settled = store.settle(batch).await.unwrap();
    assert!(settled.iter().all(|settled| matches!(settled, Settled::Done { .. })));
    assert_eq!(store.counts().await.unwrap().backlog, 0);
    server.tell(&["MEMORY", "PURGE"]);
    store.accept(drafts(), Bounds::NONE).await.unwrap();
}
