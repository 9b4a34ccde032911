//! Times stores on servers through the engine, beside the server's own tool in the same run.
//!
//! `stores road|fetch|single|held`, or all of them. It uses what `ROUNDSMAN_TEST_POSTGRES_URL` and
//! `ROUNDSMAN_TEST_REDIS_URL` name. The ratio is what counts: both share machine, disk and noise.

#![allow(clippy::print_stdout)] // Its table.

use bytes::Bytes;
use roundsman_delivery::{Batch, Node, Target, To};
use roundsman_redis::RedisStore;
use roundsman_sql::PostgresStore;
use roundsman_store::{Ask, Bounds, Draft, Key, Lane, Store, SystemClock};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

type Outcomes<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const BATCH: usize = 1000;
const SENDERS: usize = 4;
const LANES: usize = 250;

fn main() -> Outcomes {
    let only = std::env::args().nth(1);
    let runs = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for kind in [Kind::Postgres, Kind::Redis] {
        let Some(server) = kind.server() else { continue };
        if runs("road") {
            let bare = kind.bare(&runtime, &server)?;
            let road = runtime.block_on(road(kind, &server, Duration::from_secs(8)))?;
            println!(
                "{kind:?}: bare {bare:>7.0}/s   engine {road:>7.0}/s   ratio {:.2}",
                road / bare
            );
        }
        if runs("fetch") {
            for ahead in [0, 10_000, 1_000_000] {
                runtime.block_on(fetch(kind, &server, ahead))?;
            }
        }
        if runs("single") {
            runtime.block_on(single(kind, &server))?;
        }
        if runs("held") && kind == Kind::Postgres {
            runtime.block_on(held(kind, &server))?;
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Postgres,
    Redis,
}

impl Kind {
    fn server(self) -> Option<String> {
        let variable = match self {
            Self::Postgres => "ROUNDSMAN_TEST_POSTGRES_URL",
            Self::Redis => "ROUNDSMAN_TEST_REDIS_URL",
        };
        std::env::var(variable).ok()
    }

    async fn open(self, server: &str) -> Outcomes<Arc<dyn Store>> {
        let name = format!("bench_{}_{:x}", std::process::id(), nanos());
        let and = if server.contains('?') { '&' } else { '?' };
        let clock = Arc::new(SystemClock);
        Ok(match self {
            Self::Postgres => {
                let url = format!("{server}{and}schema={name}");
                Arc::new(PostgresStore::open(&url, clock).await?)
            }
            Self::Redis => {
                Arc::new(RedisStore::open(&format!("{server}{and}prefix={name}")).await?)
            }
        })
    }

    /// Messages a second that the server's own tool puts in and takes out, a thousand a statement.
    fn bare(self, runtime: &tokio::runtime::Runtime, server: &str) -> Outcomes<f64> {
        match self {
            Self::Postgres => pgbench(server),
            Self::Redis => runtime.block_on(push_and_pop(server)),
        }
    }
}

fn nanos() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.subsec_nanos())
}

fn pgbench(server: &str) -> Outcomes<f64> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("bare.sql");
    let made = Command::new("psql")
        .args([
            server,
            "-qc",
            "DROP TABLE IF EXISTS bare; CREATE TABLE bare (id bigint PRIMARY KEY, payload bytea)",
        ])
        .status()?;
    if !made.success() {
        return Err("psql failed".into());
    }
    // The rows as they are sent: a batch of ids and payloads, in arrays, and the ids again.
    let ids = (0..BATCH).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    let payload = format!("\"\\\\\\\\x{}\"", "20".repeat(256));
    let payloads = vec![payload; BATCH].join(",");
    std::fs::write(
        &script,
        format!(
            "INSERT INTO bare SELECT id + :client_id * 1000000, payload \
             FROM unnest('{{{ids}}}'::bigint[], E'{{{payloads}}}'::bytea[]) AS r(id, payload);\n\
             DELETE FROM bare USING unnest('{{{ids}}}'::bigint[]) AS r(id) \
             WHERE bare.id = r.id + :client_id * 1000000;\n"
        ),
    )?;
    let ran = Command::new("pgbench")
        .args(["-n", "-M", "simple", "-c", "4", "-j", "1", "-T", "8", "-f"])
        .arg(&script)
        .arg(server)
        .output()?;
    let text = String::from_utf8_lossy(&ran.stdout);
    let tps =
        text.lines().find_map(|line| line.strip_prefix("tps = ")).ok_or("pgbench said nothing")?;
    let tps: f64 = tps.split(' ').next().unwrap_or_default().parse()?;
    Ok(tps * 1000.0)
}

/// The same payloads into lists and out of them, each command on its own, a thousand pipelined,
/// from as many senders as the engine has.
async fn push_and_pop(server: &str) -> Outcomes<f64> {
    const ROUNDS: usize = 200;
    let payload = format!("{{\"n\":\"{}\"}}", "x".repeat(248));
    let begun = Instant::now();
    let senders = (0..SENDERS).map(|sender| {
        let (client, payload) = (redis::Client::open(server), payload.clone());
        tokio::spawn(async move {
            let mut line = client?.get_multiplexed_async_connection().await?;
            let list = format!("bare-{}-{sender}", std::process::id());
            let (mut push, mut pop) = (redis::pipe(), redis::pipe());
            for _ in 0..BATCH {
                push.cmd("RPUSH").arg(&list).arg(&payload).ignore();
                pop.cmd("LPOP").arg(&list);
            }
            for _ in 0..ROUNDS {
                push.exec_async(&mut line).await?;
                let popped: Vec<String> = pop.query_async(&mut line).await?;
                assert_eq!(popped.len(), BATCH);
            }
            Ok::<_, redis::RedisError>(())
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await??;
    }
    Ok((SENDERS * ROUNDS * BATCH) as f64 / begun.elapsed().as_secs_f64())
}

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

fn topics(count: usize) -> Vec<Arc<str>> {
    (0..count).map(|number| format!("user:{number}").into()).collect()
}

fn node(store: Arc<dyn Store>) -> Outcomes<Node> {
    Ok(Node::builder(store).target(To::Channel, Arc::new(Taker)).start()?)
}

/// Accepted to settled through the engine, messages a second.
async fn road(kind: Kind, server: &str, span: Duration) -> Outcomes<f64> {
    let node = node(kind.open(server).await?)?;
    let topics = topics(LANES);
    topics.iter().for_each(|topic| node.joined(topic, false));
    let (count, took) = flood(&node, &topics, span).await?;
    node.stop().await;
    Ok(count as f64 / took.as_secs_f64())
}

/// Four senders for a while; answers how many were accepted, and until when the last was settled.
async fn flood(node: &Node, topics: &[Arc<str>], span: Duration) -> Outcomes<(u64, Duration)> {
    let before = node.metrics().delivered.load(Ordering::Relaxed);
    let begun = Instant::now();
    let senders = (0..SENDERS).map(|sender| {
        let (node, topics) = (node.clone(), topics.to_vec());
        tokio::spawn(async move {
            let mut accepted = 0;
            while begun.elapsed() < span {
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
    while node.metrics().delivered.load(Ordering::Relaxed) < before + accepted {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok((accepted, begun.elapsed()))
}

/// Reads of 1,000 messages over 250 lanes, with so many of one lane in front of them.
async fn fetch(kind: Kind, server: &str, ahead: usize) -> Outcomes {
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

/// One message at a time, from before it is accepted until its target has it.
async fn single(kind: Kind, server: &str) -> Outcomes {
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

/// Throughput while somebody else holds a transaction open, first and last fifth.
async fn held(kind: Kind, server: &str) -> Outcomes {
    let node = node(kind.open(server).await?)?;
    let topics = topics(LANES);
    topics.iter().for_each(|topic| node.joined(topic, false));
    flood(&node, &topics, Duration::from_secs(2)).await?;
    let mut holder = Command::new("psql")
        .args([server, "-qc", "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class; SELECT pg_sleep(100)"])
        .stdout(std::process::Stdio::null())
        .spawn()?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut speeds = Vec::new();
    for _ in 0..10 {
        let (count, took) = flood(&node, &topics, Duration::from_secs(6)).await?;
        speeds.push(count as f64 / took.as_secs_f64());
    }
    holder.kill()?;
    holder.wait()?;
    let (first, last) = (f64::midpoint(speeds[0], speeds[1]), f64::midpoint(speeds[8], speeds[9]));
    println!(
        "{kind:?}: a transaction held open for 60 s   {first:.0}/s at first, {last:.0}/s at last, {:.2}",
        last / first
    );
    node.stop().await;
    Ok(())
}
