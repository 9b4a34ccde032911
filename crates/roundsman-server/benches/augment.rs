//! Augmentation on the road of a message, against a source that takes 2 ms for a query.
//!
//! Prints, each beside the same road without augmentation in the same run: 10,000 messages of 1,000
//! values looked up together, from a table in memory and over HTTP, and one by one without a cache;
//! what a stage costs whose every value is kept; and what memory a million values take up in a cache
//! of 64 MiB. `cargo bench -p roundsman-server --bench augment`.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use bytes::Bytes;
use roundsman_delivery::{Augment, Batch, Finding, Found, Lookup, Node, Target, To, Value};
use roundsman_server::config::{Config, Overrides};
use roundsman_server::webhook::{Surroundings, SystemResolver, trust};
use roundsman_store::{Draft, Key, MemoryStore, SystemClock};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What a query takes.
const QUERY: Duration = Duration::from_millis(2);
const MESSAGES: usize = 10_000;
const VALUES: usize = 1_000;
const BODY: usize = 100;
const TOPICS: usize = 1_000;
/// Runs of which the median counts.
const RUNS: usize = 9;

/// Counts what arrives, and looks at the first of every batch.
#[derive(Default)]
struct Taker {
    count: AtomicUsize,
    bare: AtomicUsize,
    wanted: AtomicUsize,
    enough: Notify,
}

impl Target for Taker {
    fn deliver(&self, batch: Batch) {
        let is_bare = !batch.messages[0].record.payload.windows(6).any(|it| it == b"\"name\"");
        self.bare.fetch_add(usize::from(is_bare), Ordering::Relaxed);
        let count = batch.messages.len();
        if self.count.fetch_add(count, Ordering::SeqCst) + count
            >= self.wanted.load(Ordering::SeqCst)
        {
            self.enough.notify_one();
        }
        batch.acknowledger.delivered();
    }
}

/// Knows a name for every number, after `takes`.
#[derive(Clone, Default)]
struct Table {
    takes: Duration,
    queries: Arc<AtomicU64>,
    micros: Arc<AtomicU64>,
}

impl Lookup for Table {
    fn look_up(&self, values: Vec<Value>) -> Finding {
        let Self { takes, queries, micros } = self.clone();
        Box::pin(async move {
            let begun = Instant::now();
            if !takes.is_zero() {
                pause(takes).await;
            }
            queries.fetch_add(1, Ordering::Relaxed);
            micros.fetch_add(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
            let named = |id: Value| (id.clone(), Bytes::from(name(&id)));
            Ok(values.into_iter().map(named).collect::<Found>())
        })
    }
}

/// The runtime's own timer counts in whole milliseconds, and would make three of two.
async fn pause(span: Duration) {
    tokio::task::spawn_blocking(move || std::thread::sleep(span)).await.unwrap();
}

fn name(id: &str) -> String {
    format!("{{\"id\":{id},\"name\":\"Number {id}\",\"locale\":\"en\"}}")
}

fn augment(lookup: impl Lookup) -> Augment {
    let augment = Augment::new("names", "/id", "/user", lookup).unwrap();
    Augment { cache: Duration::from_mins(10), ..augment }
}

/// The same without looking anything up together, and without keeping anything.
fn one_by_one(augment: Augment) -> Augment {
    Augment { batch: 1, batch_wait: Duration::ZERO, cache: Duration::ZERO, ..augment }
}

fn payload(id: usize) -> Bytes {
    format!("{{\"id\":{id},\"text\":\"{}\"}}", "x".repeat(220)).into()
}

/// A node, and what it delivers to.
fn node(augment: Option<Augment>) -> (Node, Arc<Taker>) {
    let (store, taker) =
        (Arc::new(MemoryStore::new(Arc::new(SystemClock))), Arc::<Taker>::default());
    let builder = Node::builder(store).target(To::Channel, taker.clone());
    let node = match augment {
        Some(augment) => builder.augment(augment).start().unwrap(),
        None => builder.start().unwrap(),
    };
    (node, taker)
}

/// Sends messages looked up by these values, and waits until they are delivered; what that took.
async fn send(
    node: &Node,
    taker: &Taker,
    count: usize,
    value: impl Fn(usize) -> usize,
) -> Duration {
    let topics: Vec<Arc<str>> = (0..TOPICS).map(|number| format!("user:{number}").into()).collect();
    let keys: Vec<Key> = topics.iter().map(|topic| Key::from_parts([topic]).unwrap()).collect();
    topics.iter().for_each(|topic| node.joined(topic, false));
    let delivered = taker.count.load(Ordering::SeqCst);
    // Made before, so that only the road is timed; but for long runs, which would fill the memory.
    let body = |from: usize| {
        let draft = |number: usize| Draft {
            topic: topics[number % TOPICS].clone(),
            key: keys[number % TOPICS].clone(),
            event: "message".into(),
            payload: payload(value(number)),
            id: None,
            deliver_at: None,
            expires_at: None,
            held: false,
        };
        (from..from + BODY).map(draft).collect::<Vec<_>>()
    };
    let mut took = Duration::ZERO;
    for from in (0..count).step_by(MESSAGES) {
        let bodies: Vec<_> = (from..from + MESSAGES).step_by(BODY).map(&body).collect();
        let wanted = delivered + from + MESSAGES;
        taker.wanted.store(wanted, Ordering::SeqCst);
        let begun = Instant::now();
        for body in bodies {
            node.accept(body).await.unwrap();
        }
        while taker.count.load(Ordering::SeqCst) < wanted {
            taker.enough.notified().await;
        }
        took += begun.elapsed();
    }
    took
}

/// The median of what 10,000 messages take, each time on a new node.
async fn road(augment: impl Fn() -> Option<Augment>, runs: usize) -> Duration {
    let mut took = Vec::new();
    for _ in 0..=runs {
        let augment = augment();
        let is_bare = augment.is_none();
        let (node, taker) = node(augment);
        took.push(send(&node, &taker, MESSAGES, |number| number % VALUES).await);
        let bare = taker.bare.load(Ordering::Relaxed);
        assert!(is_bare || bare == 0, "{bare} batches came without what they lacked");
        node.stop().await;
    }
    // The first warms up.
    took.remove(0);
    took.sort();
    took[took.len() / 2]
}

/// A service on a thread of its own that answers after 2 ms; its URL and how often it was asked.
fn service() -> (String, Arc<AtomicU64>) {
    let queries = Arc::<AtomicU64>::default();
    let (sender, receiver) = std::sync::mpsc::channel();
    let counts = queries.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, counts.clone()));
            }
        });
    });
    (format!("http://{}/?ids={{values}}", receiver.recv().unwrap()), queries)
}

async fn serve(mut stream: TcpStream, queries: Arc<AtomicU64>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while stream.read_buf(&mut buffer).await? > 0 {
        let Some(end) = buffer.windows(4).position(|part| part == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end + 4);
        let ids = head.split("ids=").nth(1).and_then(|it| it.split(' ').next()).unwrap_or_default();
        pause(QUERY).await;
        queries.fetch_add(1, Ordering::Relaxed);
        let body = format!("[{}]", ids.split(',').map(name).collect::<Vec<_>>().join(","));
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// The augmentation over HTTP, as a configuration makes it.
fn over_http(url: &str) -> Augment {
    let text = format!(
        "[[augment]]\nname = \"names\"\nfrom = \"{url}\"\nmatch = \"/payload/id\"\ninto = \"/payload/user\"\n\
         cache = \"10m\"\nallow_private = true\n"
    );
    let config = Config::parse("r.toml", &text, &Overrides::default(), &|_| None).unwrap();
    let around = Surroundings {
        resolver: Arc::new(SystemResolver),
        tls: trust(&[]).unwrap(),
        own: "127.0.0.1:1".parse().unwrap(),
        clock: Arc::new(SystemClock),
    };
    config.augments[0].augment(&around).unwrap()
}

async fn together() {
    let plain = road(|| None, RUNS).await;
    let ideal = QUERY * (VALUES / 100 / 10) as u32;
    let show = |what: &str, took: Duration, queries: u64, runs: usize| {
        let ratio = took.as_secs_f64() / (ideal + plain).as_secs_f64();
        let queries = queries / (runs as u64 + 1);
        println!("{what:<40} {took:>9.2?}  {ratio:>6.2} of ideal and plain  {queries} queries");
    };
    println!("10,000 messages, 1,000 values; plain {plain:.2?}, ideal for the lookups {ideal:?}");
    let table = Table { takes: QUERY, ..Table::default() };
    let took = road(|| Some(augment(table.clone())), RUNS).await;
    let queries = table.queries.load(Ordering::Relaxed);
    show("together, a table in memory", took, queries, RUNS);
    let each = table.micros.load(Ordering::Relaxed) / queries.max(1);
    println!("  (a query took {each} us)");
    let (url, asked) = service();
    let took = road(|| Some(over_http(&url)), RUNS).await;
    show("together, over HTTP", took, asked.load(Ordering::Relaxed), RUNS);
    let table = Table { takes: QUERY, ..Table::default() };
    let took = road(|| Some(one_by_one(augment(table.clone()))), 1).await;
    show("one by one, no cache", took, table.queries.load(Ordering::Relaxed), 1);
}

/// Seconds of processor time that this process has used.
fn used() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

async fn kept() {
    const MANY: usize = 1_000_000;
    let mut more = Vec::new();
    for _ in 0..5 {
        let mut pair = [(0.0, 0.0); 2];
        for (each, augment) in pair.iter_mut().zip([None, Some(augment(Table::default()))]) {
            let (node, taker) = node(augment);
            send(&node, &taker, MESSAGES, |number| number % VALUES).await;
            let before = used();
            let took = send(&node, &taker, MANY, |number| number % VALUES).await;
            let nanos = |seconds: f64| seconds * 1e9 / MANY as f64;
            *each = (nanos(took.as_secs_f64()), nanos(used() - before));
            node.stop().await;
        }
        more.push(pair);
    }
    more.sort_by(|a, b| (a[1].1 - a[0].1).total_cmp(&(b[1].1 - b[0].1)));
    let [plain, kept] = more[more.len() / 2];
    println!(
        "every value kept: {:.0} ns a message, plain {:.0} ns; {:.0} and {:.0} ns of a processor: {:.0} ns more",
        kept.0,
        plain.0,
        kept.1,
        plain.1,
        kept.1 - plain.1
    );
}

/// KiB that this process has in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|it| it.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

async fn memory() {
    const MANY: usize = 1_000_000;
    let mut of = Vec::new();
    for cache in [Duration::ZERO, Duration::from_hours(1)] {
        let (node, taker) = node(Some(Augment { cache, ..augment(Table::default()) }));
        send(&node, &taker, MESSAGES, |number| number).await;
        send(&node, &taker, MANY, |number| number).await;
        of.push(resident());
        node.stop().await;
    }
    let more = of[1].saturating_sub(of[0]) as f64 / 1024.0;
    println!("a million values through 64 MiB of cache: {more:.1} MiB more than without");
}

fn main() {
    let only = std::env::args().skip(1).find(|it| !it.starts_with('-'));
    let runs = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if runs("memory") {
        runtime.block_on(memory());
    }
    if runs("together") {
        runtime.block_on(together());
    }
    if runs("kept") {
        runtime.block_on(kept());
    }
}
