//! A WAL whose tail is torn off anywhere: the commits before that are all there, whole.

use super::{child, recover};
use roundsman_store::{Inspect, Store};
use std::path::Path;

/// One group of answers: the length of the WAL when they were given, and the ids.
struct Answered {
    length: u64,
    ids: Vec<String>,
}

pub(crate) fn a_torn_tail_takes_no_earlier_commit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roundsman.db");
    let mut victim = child::command("accept", &file).spawn().unwrap();
    let answered: Vec<_> = child::lines(&mut victim).take(30).map(|line| read(&line)).collect();
    victim.kill().unwrap();
    victim.wait().unwrap();
    let last = answered.last().unwrap().length;
    assert_eq!(std::fs::metadata(file.with_extension("db-wal")).unwrap().len(), last);

    for round in 0..40 {
        let length = rand::random_range(0..=last);
        let torn = tempfile::tempdir().unwrap();
        let copy = torn.path().join("roundsman.db");
        tear(&file, &copy, length);
        child::block_on(check(&copy, &answered, length, round));
        recover::consistent(&rusqlite::Connection::open(&copy).unwrap());
    }
}

fn read(line: &str) -> Answered {
    let mut words = line.split(' ').skip(1);
    let length = words.next().unwrap().parse().unwrap();
    Answered { length, ids: words.map(str::to_owned).collect() }
}

/// The file as a machine would find it that lost the end of the WAL.
fn tear(file: &Path, copy: &Path, length: u64) {
    std::fs::copy(file, copy).unwrap();
    let wal = copy.with_extension("db-wal");
    std::fs::copy(file.with_extension("db-wal"), &wal).unwrap();
    std::fs::OpenOptions::new().write(true).open(&wal).unwrap().set_len(length).unwrap();
}

async fn check(copy: &Path, answered: &[Answered], length: u64, round: usize) {
    let store = child::open(copy);
    for group in answered.iter().filter(|group| group.length <= length) {
        for id in &group.ids {
            let found = store.find(id).await.unwrap();
            assert!(found.is_some(), "round {round}: torn at {length}, {id} at {}", group.length);
        }
    }
    store.close().await.unwrap();
}
