//! The child: a process with a store open that says on standard output what it was answered.
//!
//! Each line is one `write` call, made after the answer and before anything else is asked.

use roundsman_sql::SqliteStore;
use roundsman_store::{
    Ask, Bounds, Claim, Claimed, Draft, Fingerprint, Inspect, Outcome, Record, Settlement, Store,
    SystemClock, Which,
};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// Tells a process that it is a child, and which.
pub(crate) const ROLE: &str = "ROUNDSMAN_TEST_CHILD";
const FILE: &str = "ROUNDSMAN_TEST_FILE";

/// A command that runs a child on this file.
pub(crate) fn command(role: &str, file: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    environment(&mut command, role, file);
    command
}

/// Makes whatever this command runs a child.
pub(crate) fn environment(command: &mut Command, role: &str, file: &Path) {
    command.env(ROLE, role).env(FILE, file).stdin(Stdio::piped()).stdout(Stdio::piped());
}

/// The lines that a child says, as they come.
pub(crate) fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    // The last line of one that was killed may be torn; a killed writer's whole lines are true.
    lines.map_while(Result::ok)
}

pub(crate) fn open(file: &Path) -> SqliteStore {
    SqliteStore::open(file, Arc::new(SystemClock)).unwrap()
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// Runs as the child.
pub(crate) fn run(role: &str) {
    let file = PathBuf::from(std::env::var_os(FILE).unwrap());
    let store = Arc::new(open(&file));
    match role {
        "hold" => {
            say("open");
            await_word();
        }
        "accept" => block_on(accept_one_after_the_other(&store, &file)),
        "fill" => block_on(fill_until_it_fails(&store)),
        "churn" => block_on(churn(&store, 300)),
        "churn-large" => block_on(churn(&store, 20_000)),
        other => panic!("no role {other}"),
    }
}

fn say(what: &str) {
    let line = format!("{what}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// Waits for a line, or for the end of the parent.
fn await_word() {
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
}

pub(crate) fn drafts(count: usize, payload: usize) -> Vec<Draft> {
    let payload = format!("{{\"n\":\"{}\"}}", "x".repeat(payload));
    (0..count)
        .map(|number| Draft::new(&format!("user:{}", number % 7), payload.clone()).unwrap())
        .collect()
}

/// Thirty rounds of four accepts at once, each round told with the length of the WAL after it.
async fn accept_one_after_the_other(store: &Arc<SqliteStore>, file: &Path) {
    let wal = file.with_extension("db-wal");
    for _ in 0..30 {
        let calls: Vec<_> = (1..5)
            .map(|count| {
                let store = store.clone();
                tokio::spawn(async move { store.accept(drafts(count, 200), Bounds::NONE).await })
            })
            .collect();
        let mut ids = Vec::new();
        for call in calls {
            let receipts = call.await.unwrap().unwrap();
            ids.extend(receipts.into_iter().map(|receipt| receipt.id.to_string()));
        }
        let length = std::fs::metadata(&wal).unwrap().len();
        say(&format!("accepted {length} {}", ids.join(" ")));
    }
    await_word();
}

/// Accepts until the store fails, waits for a word, and accepts once more.
async fn fill_until_it_fails(store: &Arc<SqliteStore>) {
    loop {
        match store.accept(drafts(20, 1000), Bounds::NONE).await {
            Ok(receipts) => {
                for receipt in receipts {
                    say(&format!("accepted {}", receipt.id));
                }
            }
            Err(error) => {
                say(&format!("failed {error}"));
                break;
            }
        }
    }
    await_word();
    match store.accept(drafts(1, 1000), Bounds::NONE).await {
        Ok(receipts) => say(&format!("again {}", receipts[0].id)),
        Err(error) => say(&format!("failed {error}")),
    }
}

/// Four tasks that accept payloads of so many bytes, claim and settle until somebody kills the
/// process.
async fn churn(store: &Arc<SqliteStore>, payload: usize) {
    say("open");
    let tasks: Vec<_> =
        (0..4).map(|task| tokio::spawn(churn_task(store.clone(), task, payload))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn churn_task(store: Arc<SqliteStore>, task: u32, payload: usize) {
    for round in 0_u64.. {
        let name = |number: usize| format!("{}-{task}-{round}-{number}", std::process::id());
        let mut batch = drafts(10, payload);
        for (number, draft) in batch.iter_mut().enumerate() {
            let id = name(number);
            draft.id = Some((id.as_str().into(), Fingerprint::of(&[id.as_bytes()])));
        }
        store.accept(batch, Bounds::NONE).await.unwrap();
        let ids: Vec<_> = (0..10).map(name).collect();
        say(&format!("accepted {}", ids.join(" ")));

        let (half, _) = ids.split_at(5);
        say(&format!("settling {}", half.join(" ")));
        claim_these(&store, half).await;
        let mut settlements = Vec::new();
        for (number, id) in half.iter().enumerate() {
            let topic = format!("user:{}", number % 7).into();
            let which = Which::Id { id: id.as_str().into(), topic };
            settlements.push(Settlement { which, claim: None, outcome: Outcome::Delivered });
        }
        store.settle(settlements).await.unwrap();
        say(&format!("settled {}", half.join(" ")));
        claim_some(&store).await;
    }
}

/// Begins the first attempts of these, without which nobody could acknowledge them.
async fn claim_these(store: &SqliteStore, ids: &[String]) {
    let mut members = Vec::new();
    for id in ids {
        let found = store.find(id).await.unwrap().unwrap();
        let (lane, seq) = found.place.unwrap();
        members.push(Claimed { lane, seq, attempt: 1 });
    }
    store.claim(Claim { members, alone: false }).await.unwrap();
}

/// Begins attempts that nobody ends: the next opening finds them cut off.
async fn claim_some(store: &SqliteStore) {
    let members = next_attempts(store, 2, 2).await;
    store.claim(Claim { members, alone: false }).await.unwrap();
}

/// The next attempts of so many messages of each of so many lanes.
pub(crate) async fn next_attempts(store: &SqliteStore, lanes: usize, each: usize) -> Vec<Claimed> {
    let lanes = store.walk(None, lanes).await.unwrap();
    let asks =
        lanes.iter().map(|lane| Ask { lane: lane.id, after: 0, limit: each, max_bytes: 1 << 20 });
    let fetched = store.fetch(asks.collect()).await.unwrap();
    let records = fetched.iter().flat_map(|lane| &lane.records);
    let next = |record: &Record| {
        let attempt = record.next_attempt();
        Claimed { lane: record.lane.id, seq: record.seq, attempt }
    };
    records.map(next).collect()
}
