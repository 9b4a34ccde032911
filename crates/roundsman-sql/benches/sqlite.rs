//! Times the road through a SQLite file: throughput of the whole way, reads by lane, start-up.
//!
//! A plain program that prints a table: what is measured is a group of threads and a disk over
//! seconds, not a function. `cargo bench -p roundsman-sql --bench sqlite -- [road|fetch|hold]`,
//! or `road SENDERS BATCH LANES` for one line of the first, and `fetch AHEAD` for one of the second.

#![allow(clippy::print_stdout)] // Its table.

use roundsman_sql::SqliteStore;
use roundsman_store::{
    Ask, Block, Bounds, Claim, Claimed, Draft, Hint, Hints, Inspect, Outcome, Settlement, Store,
    SystemClock, Which,
};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Outcomes = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcomes {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let runs = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    if let [senders, batch, lanes] = numbers[..] {
        return runtime.block_on(road(senders, batch, lanes));
    }
    if runs("road") {
        for (senders, batch) in [(4, 100), (16, 100), (4, 1000), (16, 1)] {
            runtime.block_on(road(senders, batch, 100))?;
        }
        runtime.block_on(road(4, 100, 10_000))?;
    }
    if let [ahead] = numbers[..] {
        return runtime.block_on(fetch(Front::Backlog(ahead)));
    }
    if runs("fetch") {
        for front in [
            Front::Backlog(0),
            Front::Backlog(10_000),
            Front::Backlog(1_000_000),
            Front::Deleted(300_000),
            Front::Pinned(300_000),
            Front::Drained(300_000),
            Front::Blocked(1_000_000),
        ] {
            runtime.block_on(fetch(front))?;
        }
    }
    if runs("hold") {
        for lanes in [1, 100_000, 1_000_000] {
            runtime.block_on(hold(lanes))?;
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<SqliteStore, roundsman_store::StoreError> {
    SqliteStore::open(path, Arc::new(SystemClock))
}

fn drafts(count: usize, topics: &[Arc<str>], from: usize) -> Vec<Draft> {
    let payload = format!("{{\"n\":\"{}\"}}", "x".repeat(248));
    let topic = |number: usize| &topics[(from + number) % topics.len()];
    (0..count).filter_map(|number| Draft::new(topic(number), payload.clone()).ok()).collect()
}

fn topics(count: usize) -> Vec<Arc<str>> {
    (0..count).map(|number| format!("user:{number}").into()).collect()
}

/// Accept, hint, claim, settle, all at once, for three seconds.
async fn road(senders: usize, batch: usize, lanes: usize) -> Outcomes {
    let folder = tempfile::tempdir()?;
    let store = Arc::new(open(&folder.path().join("roundsman.db"))?);
    let hints = store.hints().ok_or("the hints are taken")?;
    let (begun, cpu) = (Instant::now(), Cpu::now());
    let deadline = begun + Duration::from_secs(3);
    let sending: Vec<_> = (0..senders)
        .map(|sender| {
            let (store, topics) = (store.clone(), topics(lanes));
            tokio::spawn(async move {
                let (mut accepted, mut slowest) = (0, Duration::ZERO);
                while Instant::now() < deadline {
                    let asked = Instant::now();
                    let from = sender * 37 + accepted;
                    let drafts = drafts(batch, &topics, from);
                    accepted += store.accept(drafts, Bounds::NONE).await?.len();
                    slowest = slowest.max(asked.elapsed());
                }
                Ok::<_, roundsman_store::AcceptError>((accepted, slowest))
            })
        })
        .collect();
    let settling = tokio::spawn(settle_all(store.clone(), hints));
    let (mut accepted, mut slowest) = (0, Duration::ZERO);
    for sender in sending {
        let (count, worst) = sender.await??;
        accepted += count;
        slowest = slowest.max(worst);
    }
    while store.counts().await?.backlog > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let took = begun.elapsed();
    let cpu = Cpu::now().since(&cpu);
    settling.abort();
    // Its share of the store has to be gone before the next run counts threads.
    let _ = settling.await;
    println!(
        "road   {senders:>2} senders × {batch:>4}, {lanes:>5} lanes  {:>7.0}/s   writer {:>5.2} µs CPU, \
         process {:>5.2} µs CPU a message   slowest accept {slowest:.1?}",
        accepted as f64 / took.as_secs_f64(),
        cpu.writer * 1e6 / accepted as f64,
        cpu.process * 1e6 / accepted as f64,
    );
    Ok(())
}

/// What an engine does with hints, without doing anything.
async fn settle_all(store: Arc<SqliteStore>, mut hints: Hints) -> Outcomes {
    let mut settling = tokio::task::JoinSet::new();
    while let Some(hint) = hints.recv().await {
        let Hint::Fresh(fresh) = hint else { return Err("fell behind".into()) };
        let members: Vec<_> = fresh
            .iter()
            .map(|fresh| Claimed { lane: fresh.record.lane.id, seq: fresh.record.seq, attempt: 1 })
            .collect();
        for members in members.chunks(1000) {
            let (store, members) = (store.clone(), members.to_vec());
            settling.spawn(async move {
                let claim = Claim { members: members.clone(), alone: false };
                let claim = store.claim(claim).await?;
                let settlement = |member: Claimed| {
                    let Claimed { lane, seq, attempt } = member;
                    let which = Which::At { lane, seq, attempt };
                    Settlement { which, claim: Some(claim), outcome: Outcome::Delivered }
                };
                store.settle(members.into_iter().map(settlement).collect()).await.map(drop)
            });
        }
        while let Some(settled) = settling.try_join_next() {
            settled??;
        }
    }
    Ok(())
}

/// What is or was in front of what is read.
#[derive(Clone, Copy, Debug)]
enum Front {
    /// So many messages of one lane.
    Backlog(usize),
    /// The same, delivered and gone.
    Deleted(usize),
    /// The same, while somebody else reads the file as it was before.
    Pinned(usize),
    /// So many lanes of one message each, delivered and gone.
    Drained(usize),
    /// So many lanes that nobody is there for.
    Blocked(usize),
}

impl Front {
    async fn build(self, store: &SqliteStore) -> Outcomes {
        match self {
            Self::Backlog(count) => fill(store, count, &["flood".into()]).await,
            Self::Deleted(count) | Self::Pinned(count) => {
                fill(store, count, &["flood".into()]).await?;
                deliver_all(store).await
            }
            Self::Drained(count) => {
                fill(store, count, &crowd(count)).await?;
                deliver_all(store).await
            }
            Self::Blocked(count) => {
                fill(store, count, &crowd(count)).await?;
                loop {
                    let lanes = store.walk(None, 10_000).await?;
                    if lanes.is_empty() {
                        return Ok(());
                    }
                    store
                        .block(lanes.iter().map(|lane| (lane.id, Block::Absent)).collect())
                        .await?;
                }
            }
        }
    }
}

fn crowd(count: usize) -> Vec<Arc<str>> {
    (0..count).map(|number| format!("crowd:{number}").into()).collect()
}

/// Takes everything out of the store as a delivery does.
async fn deliver_all(store: &SqliteStore) -> Outcomes {
    loop {
        let lanes = store.walk(None, 1000).await?;
        let asks = lanes.iter().map(|lane| Ask {
            lane: lane.id,
            after: 0,
            limit: 10_000 / lanes.len(),
            max_bytes: usize::MAX,
        });
        let fetched = store.fetch(asks.collect()).await?;
        let settled = fetched.iter().flat_map(|fetched| {
            let which = |seq| Which::At { lane: fetched.lane, seq, attempt: 1 };
            let seqs = fetched.records.iter().map(|record| record.seq);
            seqs.map(move |seq| Settlement {
                which: which(seq),
                claim: None,
                outcome: Outcome::Delivered,
            })
        });
        let settled: Vec<_> = settled.collect();
        if settled.is_empty() {
            return Ok(());
        }
        store.settle(settled).await?;
    }
}

/// Reads of 1,000 messages over 250 lanes, with something in front of them.
async fn fetch(front: Front) -> Outcomes {
    let folder = tempfile::tempdir()?;
    let store = open(&folder.path().join("roundsman.db"))?;
    drop(store.hints());
    let other = rusqlite::Connection::open(folder.path().join("roundsman.db"))?;
    if matches!(front, Front::Pinned(_)) {
        other.execute_batch("BEGIN; SELECT count(*) FROM lane")?;
    }
    front.build(&store).await?;
    fill(&store, 250 * 40, &topics(250)).await?;
    let lanes = store.walk(None, 300).await?;
    let lanes: Vec<_> = lanes.iter().filter(|lane| lane.topic.starts_with("user:")).collect();
    let (mut after, mut times) = (vec![0; lanes.len()], Vec::new());
    for _ in 0..10 {
        let begun = Instant::now();
        store.walk(None, 250).await?;
        let walk = begun.elapsed();
        let asks = lanes.iter().zip(&after).map(|(lane, after)| Ask {
            lane: lane.id,
            after: *after,
            limit: 4,
            max_bytes: 65_536,
        });
        let begun = Instant::now();
        let fetched = store.fetch(asks.collect()).await?;
        times.push((begun.elapsed(), walk));
        let count: usize = fetched.iter().map(|lane| lane.records.len()).sum();
        assert_eq!(count, 1000);
        for (after, lane) in after.iter_mut().zip(&fetched) {
            *after = lane.records.last().map_or(0, |record| record.seq);
        }
    }
    let walks = times.iter().map(|(_, walk)| *walk);
    let walks = (walks.clone().min().unwrap_or_default(), walks.max().unwrap_or_default());
    times.sort();
    println!(
        "fetch  1,000 of 250 lanes, {:<20}   p50 {:.2?}, worst {:.2?}   walk {:.2?} to {:.2?}",
        format!("{front:?}"),
        times[5].0,
        times[9].0,
        walks.0,
        walks.1,
    );
    Ok(())
}

async fn fill(store: &SqliteStore, count: usize, topics: &[Arc<str>]) -> Outcomes {
    let mut done = 0;
    while done < count {
        let batch = drafts((count - done).min(10_000), topics, done);
        done += store.accept(batch, Bounds::NONE).await?.len();
    }
    Ok(())
}

/// A million messages for nobody: how fast they are accepted, and the start on such a file.
async fn hold(lanes: usize) -> Outcomes {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("roundsman.db");
    let store = open(&path)?;
    drop(store.hints());
    let begun = Instant::now();
    fill(&store, 1_000_000, &topics(lanes)).await?;
    let accepting = begun.elapsed();
    store.close().await?;
    drop(store);
    let resident = resident();
    let begun = Instant::now();
    let store = open(&path)?;
    let opening = begun.elapsed();
    assert_eq!(store.counts().await?.backlog, 1_000_000);
    println!(
        "hold   1,000,000 in {lanes:>7} lanes: {:>7.0}/s accepted, opened in {opening:.1?}, \
         resident {resident} MiB at the end of filling, file {} MiB",
        1e6 / accepting.as_secs_f64(),
        std::fs::metadata(&path)?.len() >> 20,
    );
    Ok(())
}

/// Resident memory, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}

/// Processor seconds so far, of the writer's thread and of the process.
struct Cpu {
    writer: f64,
    process: f64,
}

impl Cpu {
    fn now() -> Self {
        let mut cpu = Self { writer: 0.0, process: 0.0 };
        for thread in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let read = |file: &str| std::fs::read_to_string(thread.path().join(file));
            // Nanoseconds on a processor come first.
            let spent = read("schedstat").ok();
            let spent = spent.and_then(|line| line.split(' ').next()?.parse::<f64>().ok());
            let spent = spent.unwrap_or(0.0) / 1e9;
            cpu.process += spent;
            if read("comm").is_ok_and(|name| name.starts_with("roundsman-write")) {
                cpu.writer += spent;
            }
        }
        cpu
    }

    fn since(&self, before: &Self) -> Self {
        Self { writer: self.writer - before.writer, process: self.process - before.process }
    }
}
