//! Killed at random moments, again and again on the same file: whatever was answered is true.

use super::child;
use roundsman_store::{Inspect, State, Store};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

const KILLS: usize = 24;

pub(crate) fn what_was_answered_survives_kills() {
    survives("churn", KILLS, 100..60_000);
}

/// Large messages, so that the WAL is moved into the file all the time.
pub(crate) fn what_was_answered_survives_kills_while_the_wal_is_moved() {
    let moved = survives("churn-large", 8, 50_000..500_000);
    assert!(moved > 0, "nothing was moved before a kill");
}

/// Kills a child so often, each after so many microseconds; how often the file itself had grown
/// by then, which only a move does.
fn survives(role: &str, kills: usize, waits: Range<u64>) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roundsman.db");
    let length = |file: &Path| std::fs::metadata(file).unwrap().len();
    let mut ledger = Ledger::default();
    let mut moved = 0;
    for kill in 0..kills {
        let mut victim = child::command(role, &file).spawn().unwrap();
        let mut lines = child::lines(&mut victim);
        assert_eq!(lines.next().as_deref(), Some("open"));
        let before = length(&file);
        let wait = Duration::from_micros(rand::random_range(waits.clone()));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(wait);
            victim.kill().unwrap();
            victim.wait().unwrap();
        });
        lines.for_each(|line| ledger.note(&line));
        killer.join().unwrap();
        moved += usize::from(length(&file) > before);
        child::block_on(ledger.check(&file, kill));
    }
    assert!(ledger.accepted.len() > kills, "hardly anything was accepted");
    moved
}

/// Whoever is killed while the file is made leaves nothing that the next one stumbles over.
pub(crate) fn a_kill_while_the_file_is_made() {
    let (mut before, mut after) = (0, 0);
    let span = time_to_open();
    for kill in 0..KILLS {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roundsman.db");
        let mut victim = child::command("hold", &file).spawn().unwrap();
        std::thread::sleep(span.mul_f64(rand::random_range(0.3..1.3)));
        victim.kill().unwrap();
        victim.wait().unwrap();
        if file.exists() {
            after += 1;
        } else {
            before += 1;
        }
        child::block_on(async {
            let store = child::open(&file);
            assert_eq!(store.counts().await.unwrap().backlog, 0, "kill {kill}");
            store.close().await.unwrap();
        });
        consistent(&rusqlite::Connection::open(&file).unwrap());
    }
    println!("killed {before} times before the file was there, {after} times after");
}

fn time_to_open() -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let begun = std::time::Instant::now();
    let mut child = child::command("hold", &folder.path().join("roundsman.db")).spawn().unwrap();
    assert_eq!(child::lines(&mut child).next().as_deref(), Some("open"));
    let took = begun.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    took
}

/// What the child said, kept outside of it.
#[derive(Default)]
struct Ledger {
    /// By id: whether it was settled.
    accepted: BTreeMap<String, bool>,
    /// Those whose settling may have come to an end, or not.
    unknown: HashSet<String>,
}

impl Ledger {
    fn note(&mut self, line: &str) {
        let mut words = line.split(' ');
        let verb = words.next().unwrap();
        for id in words.map(str::to_owned) {
            match verb {
                "accepted" => drop(self.accepted.insert(id, false)),
                "settling" => drop(self.unknown.insert(id)),
                "settled" => {
                    self.unknown.remove(&id);
                    self.accepted.insert(id, true);
                }
                other => panic!("strange line: {other}"),
            }
        }
    }

    async fn check(&self, file: &Path, kill: usize) {
        let store = child::open(file);
        for (id, is_settled) in &self.accepted {
            let sighting = store.find(id).await.unwrap();
            let state = sighting.unwrap_or_else(|| panic!("kill {kill}: {id} is gone")).state;
            let is_gone = state == State::Delivered;
            if !self.unknown.contains(id) {
                assert_eq!(is_gone, *is_settled, "kill {kill}: {id} is {state:?}");
            }
        }
        let counts = store.counts().await.unwrap();
        let kept = self.accepted.values().filter(|is_settled| !**is_settled).count();
        let kept = kept as u64;
        let unknown = self.unknown.len() as u64;
        assert!(counts.backlog + unknown >= kept, "kill {kill}: {counts:?}, kept {kept}");
        store.close().await.unwrap();
        let connection = rusqlite::Connection::open(file).unwrap();
        consistent(&connection);
    }
}

/// The file is sound, and every count in it is what counting gives.
pub(crate) fn consistent(connection: &rusqlite::Connection) {
    // Null where there is nothing to sum up.
    let one = |statement: &str| -> String {
        let value = connection.query_row(statement, (), |row| row.get::<_, Option<String>>(0));
        value.unwrap_or_else(|error| panic!("{statement}: {error}")).unwrap_or_default()
    };
    assert_eq!(one("PRAGMA integrity_check"), "ok");
    for (kept, counted) in [
        ("SELECT backlog || '' FROM state", "SELECT count(*) || '' FROM message"),
        (
            "SELECT coalesce(sum(backlog), 0) || '' FROM account",
            "SELECT count(*) || '' FROM message",
        ),
        (
            "SELECT ids || '' FROM state",
            "SELECT count(*) || '' FROM ids WHERE fingerprint IS NOT NULL",
        ),
        (
            "SELECT group_concat(id || ' ' || ready, ',') FROM (SELECT id, ready FROM lane WHERE ready > 0 ORDER BY id)",
            "SELECT group_concat(lane || ' ' || n, ',') FROM (SELECT lane, count(*) AS n FROM message WHERE due IS NULL GROUP BY lane ORDER BY lane)",
        ),
        (
            "SELECT group_concat(seq, ',') FROM road",
            "SELECT group_concat(seq, ',') FROM (SELECT seq FROM message WHERE due IS NULL ORDER BY lane, seq)",
        ),
    ] {
        assert_eq!(one(kept), one(counted), "{kept}");
    }
}
