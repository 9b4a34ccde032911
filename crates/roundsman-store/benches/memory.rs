//! What a message costs in the memory store, from acceptance to delivery.
//!
//! Each round accepts 100 messages, reads their hint, claims them and settles them as delivered;
//! criterion's throughput is in messages. A stream runs on an empty store and on one that holds a
//! backlog of a million for nobody, which should make no difference.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use roundsman_store::{
    Block, Bounds, Claim, Claimed, Draft, Fingerprint, Hint, Hints, Key, MemoryStore, Outcome,
    Settlement, Store, SystemClock, Which,
};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

const BATCH: u64 = 100;

const BOUNDS: Bounds = Bounds {
    backlog: 10_000_000,
    backlog_per_key: 1_000_000,
    held_per_topic: 1_000_000,
    ids: 10_000_000,
    expires_after: Some(Duration::from_secs(7 * 24 * 3600)),
};

fn drafts(lanes: u64, named: bool) -> Vec<Draft> {
    let event: Arc<str> = "message".into();
    let payload = bytes::Bytes::from(vec![b'x'; 256]);
    let draft = |number: u64| {
        let topic: Arc<str> = format!("user:{}", number % lanes).into();
        let key = Key::parse(&topic).expect("a key");
        Draft {
            topic,
            key,
            event: event.clone(),
            payload: payload.clone(),
            id: named
                .then(|| (format!("{:x}", rand::random::<u64>()).into(), Fingerprint([0; 16]))),
            deliver_at: None,
            expires_at: None,
            held: false,
        }
    };
    (0..BATCH).map(draft).collect()
}

async fn round(store: &MemoryStore, hints: &mut Hints, batch: Vec<Draft>) {
    store.accept(batch, BOUNDS).await.expect("accepted");
    let Some(Hint::Fresh(fresh)) = hints.recv().await else { unreachable!("news of the batch") };
    let members = fresh.iter().map(|fresh| Claimed {
        lane: fresh.record.lane.id,
        seq: fresh.record.seq,
        attempt: fresh.record.next_attempt(),
    });
    let members: Vec<Claimed> = members.collect();
    let settlements = members.iter().map(|member| Settlement {
        which: Which::At { lane: member.lane, seq: member.seq, attempt: member.attempt },
        claim: None,
        outcome: Outcome::Delivered,
    });
    let settlements: Vec<Settlement> = settlements.collect();
    store.claim(Claim { members, alone: false }).await.expect("claimed");
    black_box(store.settle(settlements).await.expect("settled"));
}

async fn hold_a_million(store: &MemoryStore, hints: &mut Hints) {
    for _ in 0..1000 {
        let draft = Draft::new("absent", "{}").expect("a key");
        store.accept(vec![draft; 1000], BOUNDS).await.expect("accepted");
        for lane in store.walk(None, 1).await.expect("walked") {
            store.block(vec![(lane.id, Block::Absent)]).await.expect("blocked");
        }
        while hints.try_recv().is_ok() {}
    }
}

fn bench(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("accept_hint_claim_settle");
    group.throughput(Throughput::Elements(BATCH));
    for (name, lanes, named, held) in [
        ("one lane", 1, false, false),
        ("100 lanes", 100, false, false),
        ("100 lanes, with ids", 100, true, false),
        ("100 lanes, a million held", 100, false, true),
    ] {
        let store = MemoryStore::new(Arc::new(SystemClock));
        let mut hints = store.hints().expect("the first time");
        if held {
            runtime.block_on(hold_a_million(&store, &mut hints));
        }
        group.bench_function(name, |bencher| {
            let setup = || drafts(lanes, named);
            let run = |batch| runtime.block_on(round(&store, &mut hints, batch));
            bencher.iter_batched(setup, run, BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
