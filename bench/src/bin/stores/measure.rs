//! What is measured of a store: the whole road, readings by lane, one message alone.

use crate::kind::Kind;
use crate::{BATCH, LANES, Outcomes, SENDERS};
use bytes::Bytes;
use roundsman_delivery::{Batch, Node, Target, To};
use roundsman_store::{Ask, Bounds, Draft, Key, Lane, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

struct Taker;

impl Target for Taker {
    fn deliver(&self, batch: Batch) {
        batch.acknowledger.delivered();
    }
}

fn drafts(count: usize, topics: &[Arc<str>], from: usize) -> Vec<Draft> {
    let payload = Bytes::from(format!("{{\"n\":\"{}\"}}", "x".repeat(248)));
    let topic = |number: usize| &topics[(from + number) % topics.len()];
    (0..count).filter_map(|number| Draft::new(topic(number), payload.clone()).ok()).collect()
}

pub(crate) fn topics(count: usize) -> Vec<Arc<str>> {
    (0..count).map(|number| format!("user:{number}").into()).collect()
}

pub(crate) fn node(store: Arc<dyn Store>) -> Outcomes<Node> {
    Ok(Node::builder(store).target(To::Channel, Arc::new(Taker)).start()?)
}

/// How much senders send ahead of what is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A batch each, as a tool that puts rows in and takes the same out again.
    InStep,
    /// As much as is accepted, so that most of it is a backlog for a while.
    AsItComes,
}

/// Accepted to settled through the engine, messages a second.
pub(crate) async fn road(kind: Kind, server: &str, pace: Pace) -> Outcomes<f64> {
    let node = node(kind.open(server).await?)?;
    let topics = topics(LANES);
    topics.iter().for_each(|topic| node.joined(topic, false));
    let (count, took) = flood(&node, &topics, Duration::from_secs(8), pace).await?;
    node.stop().await;
    Ok(count as f64 / took.as_secs_f64())
}

/// Four senders for a while; answers how many were accepted, and until when the last was settled.
pub(crate) async fn flood(
    node: &Node,
    topics: &[Arc<str>],
    span: Duration,
    pace: Pace,
) -> Outcomes<(u64, Duration)> {
    let before = settled(node);
    let begun = Instant::now();
    let sent = Arc::new(AtomicU64::new(before));
    let senders = (0..SENDERS).map(|sender| {
        let (node, topics, sent) = (node.clone(), topics.to_vec(), sent.clone());
        tokio::spawn(async move {
            let mut accepted = 0;
            while begun.elapsed() < span {
                let all = sent.fetch_add(BATCH as u64, Ordering::Relaxed) + BATCH as u64;
                if pace == Pace::InStep {
                    settles(&node, all.saturating_sub((SENDERS * BATCH) as u64)).await;
                }
                let batch = drafts(BATCH, &topics, sender * 37 + accepted);
                accepted += node.accept(batch).await.map_err(|error| format!("{error:?}"))?.len();
            }
            Ok::<_, String>(accepted as u64)
        })
    });
    let mut accepted = 0;
    for sender in senders.collect::<Vec<_>>() {
        accepted += sender.await??;
    }
    settles(node, before + accepted).await;
    Ok((accepted, begun.elapsed()))
}

/// Until so many are settled, of all there ever were.
async fn settles(node: &Node, count: u64) {
    while settled(node) < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn settled(node: &Node) -> u64 {
    node.metrics().delivered.load(Ordering::Relaxed)
}

/// Reads of 1,000 messages over 250 lanes, with so many of one lane in front of them.
pub(crate) async fn fetch(kind: Kind, server: &str, ahead: usize) -> Outcomes {
    let store = kind.open(server).await?;
    fill(&*store, ahead, &["flood".into()]).await?;
    fill(&*store, LANES * 40, &topics(LANES)).await?;
    let mut lanes: Vec<Arc<Lane>> = store.walk(None, 300).await?;
    lanes.retain(|lane| &*lane.topic != "flood");
    let (mut after, mut times) = (vec![0; lanes.len()], Vec::new());
    for _ in 0..10 {
        let asks = lanes.iter().zip(&after).map(|(lane, after)| Ask {
            lane: lane.id,
            after: *after,
            limit: 4,
            max_bytes: 65_536,
        });
        let begun = Instant::now();
        let fetched = store.fetch(asks.collect()).await?;
        times.push(begun.elapsed());
        let count: usize = fetched.iter().map(|lane| lane.records.len()).sum();
        assert_eq!(count, 1000);
        for (after, lane) in after.iter_mut().zip(&fetched) {
            *after = lane.records.last().map_or(0, |record| record.seq);
        }
    }
    times.sort();
    println!(
        "{kind:?}: 1,000 of 250 lanes behind {ahead:>7} of one   p50 {:.2?}, worst {:.2?}",
        times[5], times[9]
    );
    Ok(store.close().await?)
}

async fn fill(store: &dyn Store, count: usize, topics: &[Arc<str>]) -> Outcomes {
    let mut done = 0;
    while done < count {
        let batch = drafts((count - done).min(10_000), topics, done);
        done += store.accept(batch, Bounds::NONE).await?.len();
    }
    Ok(())
}

/// A message of somebody who has no other, accepted behind 1,000,000 of one lane: how long it waits, beside
/// how long it takes to work off those.
pub(crate) async fn quiet(kind: Kind, server: &str) -> Outcomes {
    const AHEAD: usize = 1_000_000;
    struct Bell(std::sync::OnceLock<Instant>);
    impl Target for Bell {
        fn deliver(&self, batch: Batch) {
            if &*batch.topic == "quiet" {
                self.0.get_or_init(Instant::now);
            }
            batch.acknowledger.delivered();
        }
    }
    let store = kind.open(server).await?;
    fill(&*store, AHEAD, &["flood".into()]).await?;
    let bell = Arc::new(Bell(std::sync::OnceLock::new()));
    let node = Node::builder(store.clone()).target(To::Channel, bell.clone()).start()?;
    let begun = Instant::now();
    node.joined(&"flood".into(), false);
    node.joined(&"quiet".into(), false);
    fill(&*store, 1, &["quiet".into()]).await?;
    settles(&node, AHEAD as u64 + 1).await;
    let all = begun.elapsed();
    let waited = bell.0.get().ok_or("no bell")?.duration_since(begun);
    println!(
        "{kind:?}: a quiet one behind {AHEAD} of one lane   waits {waited:.2?}, all of them take {all:.2?}"
    );
    node.stop().await;
    Ok(())
}

/// One message at a time, from before it is accepted until its target has it.
pub(crate) async fn single(kind: Kind, server: &str) -> Outcomes {
    struct Bell(tokio::sync::mpsc::UnboundedSender<Instant>);
    impl Target for Bell {
        fn deliver(&self, batch: Batch) {
            let _ = self.0.send(Instant::now());
            batch.acknowledger.delivered();
        }
    }
    let (bell, mut rung) = tokio::sync::mpsc::unbounded_channel();
    let store = kind.open(server).await?;
    let node = Node::builder(store).target(To::Channel, Arc::new(Bell(bell))).start()?;
    node.joined(&"user:1".into(), false);
    let key = Key::from_parts(["user:1"])?;
    let mut times = Vec::new();
    for _ in 0..500 {
        let begun = Instant::now();
        let draft = Draft { key: key.clone(), ..Draft::new("user:1", "{}")? };
        node.accept(vec![draft]).await.map_err(|error| format!("{error:?}"))?;
        times.push(rung.recv().await.ok_or("no bell")?.duration_since(begun));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    times.sort();
    println!(
        "{kind:?}: one message, accept to dispatched   p50 {:.2?}, p99 {:.2?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
    node.stop().await;
    Ok(())
}
