//! A disk that takes no more: a clear error, nothing kept that was not answered, and on it goes.

use super::child;
use roundsman_store::{Inspect, Store};
use std::io::Write;
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
