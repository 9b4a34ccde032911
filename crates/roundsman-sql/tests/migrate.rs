//! Files of other versions and of other kinds: refused with the cure, and left as they are.

#![allow(clippy::unwrap_used, clippy::panic)] // In tests, also outside of `#[test]` functions.

use roundsman_sql::SqliteStore;
use roundsman_store::{Ask, DeadReason, Operate, Store, StoreError, Sweep, SystemClock};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

fn refusal(path: &Path) -> String {
    let before = std::fs::read(path).unwrap();
    let opened = SqliteStore::open(path, Arc::new(SystemClock)).unwrap_err();
    let looked = SqliteStore::inspect_file(path).unwrap_err();
    assert_eq!(opened, looked);
    assert_eq!(std::fs::read(path).unwrap(), before, "the file was changed");
    let StoreError::Unusable(words) = opened else { panic!("{opened:?}") };
    words
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roundsman.db");
    drop(SqliteStore::open(&path, Arc::new(SystemClock)).unwrap());
    let (_, version) = SqliteStore::inspect_file(&path).unwrap();
    let newer = version.unwrap() + 41;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", newer).unwrap();
    let words = refusal(&path);
    assert!(words.contains(&format!("schema version {newer}")), "{words}");
    assert!(words.contains(&format!("up to version {}", version.unwrap())), "{words}");
    assert!(words.contains("run the newer one"), "{words}");
}

#[test]
fn what_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("strange.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(refusal(&path).contains("is not a Roundsman store"));
    for content in ["x", "SQLite format 3\0", &"text ".repeat(100)] {
        std::fs::write(&path, content).unwrap();
        assert!(refusal(&path).contains("is not a Roundsman store"));
    }
    let nowhere = folder.path().join("no/such/folder/roundsman.db");
    let error = SqliteStore::open(&nowhere, Arc::new(SystemClock)).unwrap_err();
    assert!(error.to_string().contains("no/such/folder"), "{error}");
}

#[test]
fn a_damaged_file_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roundsman.db");
    drop(SqliteStore::open(&path, Arc::new(SystemClock)).unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let error = SqliteStore::open(&path, Arc::new(SystemClock)).unwrap_err();
    assert!(matches!(error, StoreError::Unusable(_)), "{error:?}");
}

/// A file of version 1 is brought up to date, once, with everything that was in it.
#[tokio::test]
async fn an_older_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roundsman.db");
    Connection::open(&path).unwrap().execute_batch(include_str!("v1.sql")).unwrap();
    assert_eq!(SqliteStore::inspect_file(&path).unwrap().1, Some(1));
    for _ in 0..2 {
        let store = SqliteStore::open(&path, Arc::new(SystemClock)).unwrap();
        assert!(SqliteStore::inspect_file(&path).unwrap().1 > Some(1));
        let letters = store.dead(Sweep { limit: 9, ..Sweep::default() }).await.unwrap().letters;
        let seen: Vec<_> = letters.iter().map(|letter| letter.sighting.reason).collect();
        assert_eq!(seen, [Some(DeadReason::Attempts), Some(DeadReason::Age)]);
        let dead = &letters[0];
        assert_eq!((&*dead.sighting.id, &dead.payload[..]), ("dead", &br#"{"n":7}"#[..]));
        let why: Vec<_> = dead.sighting.attempts.iter().map(|failed| &*failed.what).collect();
        assert_eq!(
            (why, dead.sighting.attempts[0].status),
            (vec!["no answer", "it said no"], None)
        );
        assert_eq!(store.walk(None, 9).await.unwrap().len(), 1, "no endpoint is parked");
        store.close().await.unwrap();
    }
    let store = SqliteStore::open(&path, Arc::new(SystemClock)).unwrap();
    let swept = store.replay(Sweep { limit: 9, ..Sweep::default() }).await.unwrap();
    assert_eq!(swept.done.len(), 2);
    let ask = Ask { lane: swept.lanes[0].id, after: 0, limit: 9, max_bytes: usize::MAX };
    let records = store.fetch(vec![ask]).await.unwrap().remove(0).records;
    assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [9, 10, 11]);
}
