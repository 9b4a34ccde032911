//! A disk that takes no more: a clear error, nothing kept that was not answered, and on it goes.

use super::child;
use roundsman_store::{
    AcceptError, Bounds, Claim, Claimed, Inspect, Outcome, Settlement, Store, StoreError, Which,
};
use std::io::Write;
use std::path::Path;
use std::process::Command;

pub(crate) fn a_full_disk_keeps_nothing_unanswered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roundsman.db");
    drop(child::open(&file));
    // No file of the child may grow beyond 1 MiB; writing more fails as on a full disk. The signal
    // that would come with it is ignored.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -S -f 2048; exec \"$0\""]);
    limited.arg(std::env::current_exe().unwrap());
    child::environment(&mut limited, "fill", &file);
    let mut limited = limited.spawn().unwrap();
    let (mut ids, mut failure) = (Vec::new(), None);
    let mut lines = child::lines(&mut limited);
    for line in lines.by_ref() {
        match line.split_once(' ').unwrap() {
            ("accepted", id) => ids.push(id.to_owned()),
            (_, error) => {
                failure = Some(error.to_owned());
                break;
            }
        }
    }
    let failure = failure.expect("it did not fail");
    assert!(failure.contains("the store is"), "{failure}");
    assert!(ids.len() >= 20, "it failed at once: {failure}");

    let pid = limited.id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
    assert!(raised.expect("prlimit is needed: apt-get install util-linux").success());
    limited.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    let again = lines.next().unwrap();
    ids.push(again.strip_prefix("again ").expect(&again).to_owned());
    limited.wait().unwrap();

    child::block_on(async {
        let store = child::open(&file);
        assert_eq!(store.counts().await.unwrap().backlog, ids.len() as u64);
        for id in &ids {
            assert!(store.find(id).await.unwrap().is_some(), "{id} was answered and is gone");
        }
        store.close().await.unwrap();
    });
}

/// What is kept can be delivered on a disk that takes nothing more, and that makes room again.
pub(crate) fn a_full_disk_can_be_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_disk) = Disk::mount(folder.path()) else { return };
    child::block_on(async {
        let store = child::open(&folder.path().join("roundsman.db"));
        let mut kept = 0;
        let full = loop {
            match store.accept(child::drafts(20, 50_000), Bounds::NONE).await {
                Ok(receipts) => kept += receipts.len() as u64,
                Err(error) => break error,
            }
        };
        assert!(matches!(full, AcceptError::Store(StoreError::Full(_))), "{full}");
        let again = store.accept(child::drafts(1, 10), Bounds::NONE).await.unwrap_err();
        assert!(again.to_string().contains("make room"), "{again}");
        assert_eq!(store.counts().await.unwrap().backlog, kept);
        while deliver_some(&store).await {}
        assert_eq!(store.counts().await.unwrap().backlog, 0);
        store.accept(child::drafts(20, 50_000), Bounds::NONE).await.unwrap();
        store.close().await.unwrap();
    });
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 2, "the database and its lock, and no room set aside any more");
}

async fn deliver_some(store: &roundsman_sql::SqliteStore) -> bool {
    let members = child::next_attempts(store, 10, 20).await;
    let claim = store.claim(Claim { members: members.clone(), alone: false }).await.unwrap();
    let settle = |member: &Claimed| Settlement {
        which: Which::At { lane: member.lane, seq: member.seq, attempt: member.attempt },
        claim: Some(claim),
        outcome: Outcome::Delivered,
    };
    store.settle(members.iter().map(settle).collect()).await.unwrap();
    !members.is_empty()
}

/// A disk of 120 MiB, in memory.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    /// `None`, and a word about it, for whoever may not mount one.
    fn mount(folder: &'a Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=120m", "tmpfs"])
            .arg(folder)
            .output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(folder));
        }
        println!("skipped: only root can mount a small disk");
        None
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
