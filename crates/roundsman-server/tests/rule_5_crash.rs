//! Rule 5: a message under which the process ends is told from one that fails.
//!
//! The test runs itself as a child that delivers until a poisoned message ends the process. Three
//! attempts are cut off; then the message goes alone, twice more; then it is dead (`crash`), and
//! what was in flight beside it arrives.
#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use parking_lot::Mutex;
use roundsman_delivery::{Batch, Node, Target, To};
use roundsman_sql::SqliteStore;
use roundsman_store::{DeadReason, Draft, Fingerprint, Key, State, Store, SystemClock};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const CHILD: &str = "RULE_5_FILE";

/// Ends the process as soon as it is given the poisoned message.
struct Fuse(Mutex<Vec<String>>);

impl Target for Fuse {
    fn deliver(&self, batch: Batch) {
        for message in &batch.messages {
            let id = message.record.id.to_string();
            if id == "poison" {
                // How many went with it, for the parent to read.
                std::fs::write(
                    std::env::var(CHILD).unwrap() + ".with",
                    format!("{} {}", batch.messages.len(), message.attempt),
                )
                .unwrap();
                std::process::abort();
            }
            self.0.lock().push(id);
        }
        batch.acknowledger.delivered();
    }
}

fn draft(id: &str) -> Draft {
    Draft {
        topic: "user:1".into(),
        key: Key::from_parts(["user:1"]).unwrap(),
        event: "message".into(),
        payload: Bytes::from_static(b"{}"),
        id: Some((id.into(), Fingerprint::of(&[id.as_bytes()]))),
        deliver_at: None,
        expires_at: None,
        held: false,
    }
}

async fn start(path: &Path) -> (Node, Arc<Fuse>) {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(path, Arc::new(SystemClock)).unwrap());
    let fuse = Arc::new(Fuse(Mutex::default()));
    let node = Node::builder(store).target(To::Channel, fuse.clone()).start().unwrap();
    (node, fuse)
}

/// What the child does: joins, and delivers until it ends.
#[tokio::test]
async fn child() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let (node, _fuse) = start(path.as_ref()).await;
    node.joined(&"user:1".into(), false);
    tokio::time::sleep(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn cut_off_three_times_then_alone_twice_then_dead() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rule5.db");
    let (node, _) = start(&path).await;
    node.accept(vec![draft("poison"), draft("one"), draft("two")]).await.unwrap();
    node.stop().await;
    drop(node);
    let mut went = Vec::new();
    for _ in 0..5 {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact"])
            .env(CHILD, &path)
            .output()
            .unwrap()
            .status;
        assert!(!status.success(), "the child ended by the message, not by itself");
        went.push(std::fs::read_to_string(path.to_str().unwrap().to_owned() + ".with").unwrap());
    }
    assert_eq!(went, ["3 1", "3 2", "3 3", "1 4", "1 5"], "messages in flight, attempt");
    let (node, fuse) = start(&path).await;
    let sighting = node.find("poison").await.unwrap().unwrap();
    assert_eq!((sighting.state, sighting.reason), (State::Dead, Some(DeadReason::Crash)));
    assert_eq!(sighting.history.failures, 0, "a crash is not the message's failure");
    node.joined(&"user:1".into(), false);
    for _ in 0..500 {
        if fuse.0.lock().len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(*fuse.0.lock(), ["one", "two"], "the others arrive, in order");
    node.stop().await;
}
