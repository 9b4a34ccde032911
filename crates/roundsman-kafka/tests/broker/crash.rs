//! Whoever ends without a word, the broker or the owner: nothing that was accepted is lost.

use crate::broker::Broker;
use crate::url;
use roundsman_kafka::{KafkaConfig, KafkaStore};
use roundsman_store::{
    AcceptError, Ask, Bounds, Claim, Claimed, Draft, Fingerprint, Inspect, Outcome, Record,
    Settlement, Store, StoreError, SystemClock, Which,
};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

fn open(config: &KafkaConfig) -> Arc<KafkaStore> {
    Arc::new(KafkaStore::open(config.clone(), Arc::new(SystemClock)).unwrap())
}

/// A batch whose ids say which it is: sent again, it is the same.
fn batch(number: u64) -> Vec<Draft> {
    let draft = |index: u64| {
        let id = format!("{number}-{index}");
        let payload = format!(r#"{{"id":"{id}"}}"#);
        let fingerprint = Fingerprint::of(&[payload.as_bytes()]);
        Draft {
            id: Some((id.as_str().into(), fingerprint)),
            ..Draft::new(&format!("t-{}", index % 3), payload).unwrap()
        }
    };
    (0..7).map(draft).collect()
}

fn ids(number: u64) -> impl Iterator<Item = String> {
    (0..7).map(move |index| format!("{number}-{index}"))
}

/// Every record that is kept, lane by lane, with its payload checked against its id.
async fn all(store: &KafkaStore) -> Vec<Record> {
    let mut all = Vec::new();
    for lane in store.walk(None, 1000).await.unwrap() {
        let ask = Ask { lane: lane.id, after: 0, limit: 1_000_000, max_bytes: usize::MAX };
        all.extend(store.fetch(vec![ask]).await.unwrap().remove(0).records);
    }
    for record in &all {
        let expected = format!(r#"{{"id":"{}"}}"#, record.id);
        assert_eq!(record.payload, expected.as_bytes());
    }
    all
}

async fn kept_ids(store: &KafkaStore) -> BTreeSet<String> {
    all(store).await.iter().map(|record| record.id.to_string()).collect()
}

async fn accepts(store: &KafkaStore, number: u64) -> Result<(), AcceptError> {
    store.accept(batch(number), Bounds::NONE).await.map(drop)
}

/// The broker is killed in the middle of accepting, twice: callers are told so, the store comes
/// back by itself with the broker, and every message that was answered is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker_killed_under_load() {
    let mut broker = Broker::start(Duration::from_secs(60));
    let config = KafkaConfig {
        patience: Duration::from_secs(3),
        lease: Duration::ZERO,
        ..KafkaConfig::new(&broker.address(), "killed")
    };
    let store = open(&config);
    let (mut number, mut accepted) = (0, BTreeSet::new());
    for round in 0..2 {
        let until = number + 50;
        while number < until {
            accepts(&store, number).await.unwrap();
            accepted.extend(ids(number));
            number += 1;
        }
        let sending = tokio::spawn({
            let store = store.clone();
            async move {
                let mut done = Vec::new();
                for number in number.. {
                    match accepts(&store, number).await {
                        Ok(()) => done.push(number),
                        Err(error) => return (done, number, error),
                    }
                }
                unreachable!("until it fails")
            }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        broker.kill();
        let (done, failed, error) = sending.await.unwrap();
        assert!(matches!(error, AcceptError::Store(StoreError::Unavailable(_))), "{error}");
        accepted.extend(done.into_iter().flat_map(ids));
        let walked = store.walk(None, 1).await;
        assert!(matches!(walked, Err(StoreError::Unavailable(_))), "{walked:?}");
        broker.again();
        // Whether the one that failed was taken is unknown; sent again, it is there once.
        while accepts(&store, failed).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        accepted.extend(ids(failed));
        number = failed + 1;
        let records = all(&store).await;
        let kept: BTreeSet<_> = records.iter().map(|record| record.id.to_string()).collect();
        assert_eq!(records.len(), kept.len(), "none twice, round {round}");
        assert!(accepted.is_subset(&kept), "none lost, round {round}");
    }
    drop(store);
    let again = open(&config);
    assert!(accepted.is_subset(&kept_ids(&again).await));
}

const CHILD: &str = "ROUNDSMAN_KAFKA_CHILD";

/// The owner is killed in the middle of accepting and settling, again and again: what it had
/// answered is there, what it had settled is gone, and nothing is there twice.
#[test]
fn owner_killed_under_load() {
    if let Ok(prefix) = std::env::var(CHILD) {
        return child(&prefix);
    }
    let config = url::fresh();
    let (mut accepted, mut settled) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..5 {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::owner_killed_under_load", "--nocapture"])
            .env(CHILD, format!("{} {round}", config.prefix))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut seen = 0;
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("accepted ") {
                accepted.extend(ids(number.parse().unwrap()));
                seen += 1;
            } else if let Some(id) = line.strip_prefix("settled ") {
                settled.insert(id.to_owned());
            }
            // What it still says after that was answered as well, and is read.
            if seen == 40 + 13 * round {
                let _ = process.kill();
            }
        }
        process.wait().unwrap();
    }
    assert!(accepted.len() > 5 * 40 * 7 && settled.len() > 100, "it was killed too early");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(&config);
        let records = all(&store).await;
        let kept: BTreeSet<_> = records.iter().map(|record| record.id.to_string()).collect();
        assert_eq!(records.len(), kept.len(), "none twice");
        let lost: Vec<_> = accepted.difference(&settled).filter(|id| !kept.contains(*id)).collect();
        // One that was settled and not yet said so when the process was killed is gone, rightly.
        for id in lost {
            let found = store.find(id).await.unwrap().expect("its id is remembered");
            assert!(found.settled_at.is_some(), "{id} is lost");
        }
        assert!(kept.is_disjoint(&settled), "what was settled stays settled");
    });
}

/// Accepts, and settles the oldest, until it is killed; says what was answered.
fn child(given: &str) {
    let (prefix, round) = given.split_once(' ').unwrap();
    let config = KafkaConfig {
        prefix: prefix.to_owned(),
        // So that some are killed in the middle of a checkpoint.
        checkpoint_after: 20_000,
        ..url::fresh()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(&config);
        let first = round.parse::<u64>().unwrap() * 1_000_000;
        for number in first.. {
            accepts(&store, number).await.unwrap();
            say(&format!("accepted {number}"));
            let lane = store.walk(None, 1).await.unwrap().remove(0);
            let ask = Ask { lane: lane.id, after: 0, limit: 2, max_bytes: usize::MAX };
            let records = store.fetch(vec![ask]).await.unwrap().remove(0).records;
            let attempt = |record: &Record| Claimed {
                lane: record.lane.id,
                seq: record.seq,
                attempt: record.next_attempt(),
            };
            let claim = Claim { members: records.iter().map(attempt).collect(), alone: false };
            let id = store.claim(claim).await.unwrap();
            let settle = |record: &Record| Settlement {
                which: Which::At {
                    lane: record.lane.id,
                    seq: record.seq,
                    attempt: record.next_attempt(),
                },
                claim: Some(id),
                outcome: Outcome::Delivered,
            };
            store.settle(records.iter().map(settle).collect()).await.unwrap();
            records.iter().for_each(|record| say(&format!("settled {}", record.id)));
        }
    });
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// A second process is refused as long as the first lives, however little there is to do, and has
/// not to wait for one that has ended in good order.
#[tokio::test]
async fn a_second_is_refused_while_the_first_lives() {
    let config = KafkaConfig { lease: Duration::from_secs(3), ..url::fresh() };
    let first = open(&config);
    accepts(&first, 0).await.unwrap();
    for _ in 0..2 {
        let second = KafkaStore::open(config.clone(), Arc::new(SystemClock));
        let Err(StoreError::Locked(why)) = second else { panic!("it was let in: {second:?}") };
        assert!(why.contains("is open in another process"), "{why}");
    }
    accepts(&first, 1).await.unwrap();
    first.close().await.unwrap();
    let second = open(&KafkaConfig { lease: Duration::from_secs(3600), ..config });
    assert_eq!(kept_ids(&second).await, [0, 1].into_iter().flat_map(ids).collect());
}

/// One that has much to read at its start says meanwhile that it lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_is_refused_while_the_first_reads_the_journal() {
    let config = KafkaConfig {
        lease: Duration::from_millis(1500),
        checkpoint_after: u64::MAX,
        ..url::fresh()
    };
    let first = open(&config);
    for number in 0..300 {
        let draft =
            |index| Draft::new("t", format!("{{\"n\":{}}}", number * 1000 + index)).unwrap();
        first.accept((0..1000).map(draft).collect(), Bounds::NONE).await.unwrap();
    }
    first.close().await.unwrap();
    let (_, end) = ends(&config);
    let reading = tokio::task::spawn_blocking({
        let config = config.clone();
        move || open(&config)
    });
    while ends(&config).1 == end {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let second = KafkaStore::open(config.clone(), Arc::new(SystemClock));
    assert!(matches!(second, Err(StoreError::Locked(_))), "{second:?}");
    accepts(&reading.await.unwrap(), 1).await.unwrap();
}

/// One that has been silent for its lease is taken over from, and what it says too late about
/// having ended in good order fools nobody.
#[tokio::test]
async fn a_silent_owner_is_taken_over_from() {
    let silent = url::fresh();
    let config = KafkaConfig { lease: Duration::from_secs(2), ..silent.clone() };
    let first = open(&silent);
    accepts(&first, 0).await.unwrap();
    let second = open(&config);
    assert!(second.ownership().epoch > first.ownership().epoch);
    // It has not noticed yet, and says that it is over.
    first.close().await.unwrap();
    let third = KafkaStore::open(config.clone(), Arc::new(SystemClock));
    assert!(matches!(third, Err(StoreError::Locked(_))), "{third:?}");
    accepts(&second, 1).await.unwrap();
    assert_eq!(kept_ids(&second).await, [0, 1].into_iter().flat_map(ids).collect());
}

/// A second owner takes the journal over. What the first writes from then on is void and refused,
/// and it does not take the journal back.
#[tokio::test]
async fn a_second_owner_fences_the_first() {
    let config = url::fresh();
    let first = open(&config);
    accepts(&first, 0).await.unwrap();
    let second = open(&config);
    assert!(second.ownership().epoch > first.ownership().epoch);
    let refused = accepts(&first, 1).await;
    assert!(matches!(refused, Err(AcceptError::Store(StoreError::Unavailable(_)))), "{refused:?}");
    while !matches!(accepts(&first, 2).await, Err(AcceptError::Store(StoreError::Locked(_)))) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The first has written behind the second's back, which does not disturb it.
    accepts(&second, 3).await.unwrap();
    drop(first);
    accepts(&second, 4).await.unwrap();
    let expected: BTreeSet<_> = [0, 3, 4].into_iter().flat_map(ids).collect();
    assert_eq!(kept_ids(&second).await, expected);
    drop(second);
    assert_eq!(kept_ids(&open(&config)).await, expected);
}

/// What is settled goes from the topic as well, also while something old is kept.
#[tokio::test]
async fn the_journal_is_shortened() {
    let config = KafkaConfig { checkpoint_after: 4000, cache: 0, ..url::fresh() };
    let store = open(&config);
    let old = Draft::new("old", r#"{"id":"old"}"#).unwrap();
    let id = ("old".into(), Fingerprint::of(&[b"old"]));
    store.accept(vec![Draft { id: Some(id), ..old }], Bounds::NONE).await.unwrap();
    for number in 0..100 {
        accepts(&store, number).await.unwrap();
        for record in all(&store).await.iter().filter(|record| &*record.lane.topic != "old") {
            let (lane, seq) = (record.lane.id, record.seq);
            let which = Which::At { lane, seq, attempt: 1 };
            let settlement = Settlement { which, claim: None, outcome: Outcome::Delivered };
            store.settle(vec![settlement]).await.unwrap();
        }
    }
    let (low, high) = ends(&config);
    assert!(low > high / 2, "from {low} to {high}");
    drop(store);
    let store = open(&config);
    assert_eq!(kept_ids(&store).await, BTreeSet::from(["old".to_owned()]));
}

fn ends(config: &KafkaConfig) -> (i64, i64) {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    let mut client = rdkafka::ClientConfig::new();
    let consumer: BaseConsumer = client.set("bootstrap.servers", &config.brokers).create().unwrap();
    consumer.fetch_watermarks(&config.topic(), 0, Duration::from_secs(5)).unwrap()
}
