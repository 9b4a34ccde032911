//! The road of a message on the memory store, to a target that takes everything at once.
//!
//! Prints nanoseconds a message from acceptance to settlement, for bodies of 1 and of 100 messages
//! over 100 topics, four senders beside each other: `cargo bench -p roundsman-delivery`.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use bytes::Bytes;
use roundsman_delivery::{Batch, Node, Target, To};
use roundsman_store::{Draft, Key, MemoryStore, Store, SystemClock};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

struct Taker;

impl Target for Taker {
    fn deliver(&self, batch: Batch) {
        batch.acknowledger.delivered();
    }
}

fn body(topics: &[Arc<str>], keys: &[Key], from: usize, count: usize) -> Vec<Draft> {
    let payload = Bytes::from(vec![b' '; 256]);
    (from..from + count)
        .map(|number| Draft {
            topic: topics[number % topics.len()].clone(),
            key: keys[number % keys.len()].clone(),
            event: "message".into(),
            payload: payload.clone(),
            id: None,
            deliver_at: None,
            expires_at: None,
            held: false,
        })
        .collect()
}

async fn run(total: usize, body_size: usize, senders: usize) -> Duration {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let node = Node::builder(store).target(To::Channel, Arc::new(Taker)).start().unwrap();
    let topics: Arc<[Arc<str>]> = (0..100).map(|number| format!("user:{number}").into()).collect();
    let keys: Arc<[Key]> = topics.iter().map(|topic| Key::from_parts([topic]).unwrap()).collect();
    topics.iter().for_each(|topic| node.joined(topic, false));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..senders)
        .map(|_| {
            let (node, topics, keys) = (node.clone(), topics.clone(), keys.clone());
            tokio::spawn(async move {
                for number in 0..total / senders / body_size {
                    let batch = body(&topics, &keys, number * body_size, body_size);
                    node.accept(batch).await.unwrap();
                    if number % 4 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    while node.metrics().delivered.load(Ordering::Relaxed) < total as u64 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = begun.elapsed();
    node.stop().await;
    took
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for (body_size, total) in [(100, 1_000_000), (1, 400_000)] {
        runtime.block_on(run(total / 10, body_size, 4));
        let took = runtime.block_on(run(total, body_size, 4));
        let each = took.as_nanos() / total as u128;
        println!("bodies of {body_size:>3}: {each} ns a message, accepted to settled");
    }
}
