//! Times the road through a Redis server against a bare push and pop of the same payloads there.
//!
//! A plain program that prints a table, for the server that `ROUNDSMAN_TEST_REDIS_URL` names:
//! `cargo bench -p roundsman-redis --bench redis -- [road|fetch|single]`.

#![allow(clippy::print_stdout)] // Its table.

use roundsman_redis::RedisStore;
use roundsman_store::{
    Ask, Bounds, Claim, Claimed, Draft, Fetched, Hint, Outcome, Settlement, Store, Which,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Outcomes<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcomes {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let runs = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let url = std::env::var("ROUNDSMAN_TEST_REDIS_URL").map_err(|_| {
        "ROUNDSMAN_TEST_REDIS_URL names no server; `source scripts/servers; start_servers redis`"
    })?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        println!("{}", RedisStore::inspect_server(&url).await?.sentence);
        if runs("road") {
            compare(&url).await?;
        }
        if runs("fetch") {
            for ahead in [0, 10_000, 1_000_000] {
                fetch(&url, ahead).await?;
            }
        }
        if runs("single") {
            single(&url).await?;
        }
        Ok(())
    })
}

/// A store of its own, removed at the end.
async fn open(url: &str) -> Outcomes<(RedisStore, String)> {
    let prefix = format!("bench-{:016x}", rand::random::<u64>());
    let store = RedisStore::open(&format!("{url}?prefix={prefix}")).await?;
    Ok((store, prefix))
}

async fn remove(url: &str, prefix: &str) -> Outcomes {
    let mut line = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("*{prefix}*")).query_async(&mut line).await?;
    for some in keys.chunks(1000) {
        redis::cmd("UNLINK").arg(some).exec_async(&mut line).await?;
    }
    Ok(())
}

fn payload() -> String {
    format!("{{\"n\":\"{}\"}}", "x".repeat(248))
}

fn drafts(count: usize, topics: usize) -> Vec<Draft> {
    let payload = payload();
    let draft = |n: usize| Draft::new(&format!("user:{}", n % topics), payload.clone()).ok();
    (0..count).filter_map(draft).collect()
}

/// Batches of 1,000, in turns, so that both see the same machine.
async fn compare(url: &str) -> Outcomes {
    const BATCHES: usize = 20;
    for (name, senders, lanes) in
        [("one after the other", 1, 100), ("four at once", 4, 100), ("four at once", 4, 1000)]
    {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            bare.push(both(senders, || push_and_pop(url.to_owned(), BATCHES)).await?);
            let (store, prefix) = open(url).await?;
            let store = Arc::new(store);
            ours.push(both(senders, || road(store.clone(), BATCHES, lanes)).await?);
            store.close().await?;
            remove(url, &prefix).await?;
        }
        let rate = |times: &mut Vec<Duration>| {
            times.sort();
            (senders * BATCHES * 1000) as f64 / times[times.len() / 2].as_secs_f64()
        };
        let (ours, bare) = (rate(&mut ours), rate(&mut bare));
        println!(
            "road   batches of 1,000, {name}, {lanes:>4} lanes   {ours:>7.0}/s   bare push and pop {bare:>7.0}/s   ratio {:.2}",
            ours / bare
        );
    }
    Ok(())
}

async fn both<F>(senders: usize, work: impl Fn() -> F) -> Outcomes<Duration>
where
    F: Future<Output = Outcomes> + Send + 'static,
{
    let begun = Instant::now();
    let tasks: Vec<_> = (0..senders).map(|_| tokio::spawn(work())).collect();
    for task in tasks {
        task.await??;
    }
    Ok(begun.elapsed())
}

/// Accept, read, claim, settle.
async fn road(store: Arc<RedisStore>, batches: usize, lanes: usize) -> Outcomes {
    for _ in 0..batches {
        let receipts = store.accept(drafts(1000, lanes), Bounds::NONE).await?;
        assert_eq!(receipts.len(), 1000);
        let mut settled = 0;
        while settled < 1000 {
            let found = read(&store, lanes).await?;
            settled += settle(&store, &found).await?;
            if found.is_empty() {
                break;
            }
        }
    }
    Ok(())
}

async fn read(store: &RedisStore, lanes: usize) -> Outcomes<Vec<Fetched>> {
    let walked = store.walk(None, lanes).await?;
    let limit = 1000_usize.div_ceil(lanes);
    let ask = |lane: &Arc<roundsman_store::Lane>| {
        let id = lane.id;
        Ask { lane: id, after: 0, limit, max_bytes: 1 << 20 }
    };
    Ok(store.fetch(walked.iter().map(ask).collect()).await?)
}

async fn settle(store: &RedisStore, found: &[Fetched]) -> Outcomes<usize> {
    let records = found.iter().flat_map(|lane| &lane.records);
    let members: Vec<Claimed> = records
        .map(|record| Claimed { lane: record.lane.id, seq: record.seq, attempt: 1 })
        .collect();
    if members.is_empty() {
        return Ok(0);
    }
    let claim = store.claim(Claim { members: members.clone(), alone: false }).await?;
    let settlement = |Claimed { lane, seq, attempt }| {
        let which = Which::At { lane, seq, attempt };
        Settlement { which, claim: Some(claim), outcome: Outcome::Delivered }
    };
    let settled = store.settle(members.into_iter().map(settlement).collect()).await?;
    Ok(settled.len())
}

/// The same payloads into a list and out of it, each command on its own, pipelined.
async fn push_and_pop(url: String, batches: usize) -> Outcomes {
    let mut line = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let key = format!("bench-bare-{:016x}", rand::random::<u64>());
    let payload = payload();
    for _ in 0..batches {
        let (mut push, mut pop) = (redis::pipe(), redis::pipe());
        for _ in 0..1000 {
            push.cmd("RPUSH").arg(&key).arg(&payload).ignore();
            pop.cmd("LPOP").arg(&key);
        }
        push.exec_async(&mut line).await?;
        let popped: Vec<String> = pop.query_async(&mut line).await?;
        assert_eq!(popped.len(), 1000);
    }
    Ok(())
}

/// Reads of 1,000 messages over 250 lanes, with so many of one lane in front of them.
async fn fetch(url: &str, ahead: usize) -> Outcomes {
    let (store, prefix) = open(url).await?;
    for _ in 0..ahead.div_ceil(10_000) {
        store.accept(drafts(10_000.min(ahead), 1), Bounds::NONE).await?;
    }
    let topics = |n: usize| Draft::new(&format!("quiet:{}", n % 250), payload()).ok();
    store.accept((0..10_000).filter_map(topics).collect(), Bounds::NONE).await?;
    let lanes = store.walk(None, 300).await?;
    let lanes: Vec<_> = lanes.iter().filter(|lane| lane.topic.starts_with("quiet")).collect();
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
        assert_eq!(fetched.iter().map(|lane| lane.records.len()).sum::<usize>(), 1000);
        for (after, lane) in after.iter_mut().zip(&fetched) {
            *after = lane.records.last().map_or(0, |record| record.seq);
        }
    }
    times.sort();
    println!(
        "fetch  1,000 of 250 lanes behind {ahead:>7} of one   p50 {:.2?}, worst {:.2?}",
        times[5], times[9]
    );
    store.close().await?;
    remove(url, &prefix).await
}

/// One message at a time: until its hint comes, and until it is claimed and may be dispatched.
async fn single(url: &str) -> Outcomes {
    let (store, prefix) = open(url).await?;
    let mut hints = store.hints().ok_or("the hints are taken")?;
    let (mut accepted, mut claimed) = (Vec::new(), Vec::new());
    for _ in 0..500 {
        let begun = Instant::now();
        store.accept(drafts(1, 1), Bounds::NONE).await?;
        let Some(Hint::Fresh(fresh)) = hints.recv().await else { return Err("no hint".into()) };
        accepted.push(begun.elapsed());
        let record = &fresh[0].record;
        let found = Fetched { lane: record.lane.id, records: vec![record.clone()], more: false };
        let member = Claimed { lane: record.lane.id, seq: record.seq, attempt: 1 };
        store.claim(Claim { members: vec![member], alone: false }).await?;
        claimed.push(begun.elapsed());
        settle(&store, &[found]).await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    accepted.sort();
    claimed.sort();
    println!(
        "single message: p50 {:.2?}, p99 {:.2?} to its hint, p50 {:.2?}, p99 {:.2?} until it is claimed",
        accepted[250], accepted[495], claimed[250], claimed[495]
    );
    store.close().await?;
    remove(url, &prefix).await
}
