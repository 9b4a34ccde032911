//! What reading costs, counted in steps of SQLite's machine: the same whatever is in front.

use super::fetch::{FETCH, WALK};
use crate::SqliteStore;
use roundsman_store::{
    Ask, Block, Bounds, Draft, HeldClock, Lane, Outcome, Settlement, Store, Timestamp, Which,
};
use rusqlite::{Connection, StatementStatus};
use std::sync::Arc;

/// A store, and the file that it is in.
struct Ground {
    store: SqliteStore,
    folder: tempfile::TempDir,
}

impl Ground {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HeldClock::at(Timestamp(1_000_000)));
        let store = SqliteStore::open(folder.path().join("roundsman.db"), clock).unwrap();
        drop(store.hints());
        let ground = Self { store, folder };
        ground.fill("quiet", 250, 250 * 8).await;
        ground
    }

    /// Accepts `count` messages over topics that begin with `name`.
    async fn fill(&self, name: &str, topics: usize, count: usize) {
        for from in (0..count).step_by(10_000) {
            let numbers = from..count.min(from + 10_000);
            let topic = |number| format!("{name}:{}", number % topics);
            let drafts = numbers.map(|number| Draft::new(&topic(number), "{}").unwrap());
            self.store.accept(drafts.collect(), Bounds::NONE).await.unwrap();
        }
    }

    /// The lanes that a walk finds, but for those that are read below.
    async fn others(&self) -> Vec<Arc<Lane>> {
        let mut lanes = self.store.walk(None, 100_000).await.unwrap();
        lanes.retain(|lane| !lane.topic.starts_with("quiet"));
        lanes
    }

    /// What a walk over 250 lanes costs, and reading 4 messages of each of 250.
    fn steps(&self) -> (i32, i32) {
        let connection = Connection::open(self.folder.path().join("roundsman.db")).unwrap();
        let quiet = "SELECT id FROM lane WHERE topic LIKE 'quiet:%'";
        let mut quiet = connection.prepare(quiet).unwrap();
        let lanes = quiet.query_map((), |row| row.get(0)).unwrap();
        let lanes: Vec<i64> = lanes.map(Result::unwrap).collect();
        assert_eq!(lanes.len(), 250);
        let mut walk = connection.prepare(WALK).unwrap();
        assert_eq!(walk.query_map((-1, 250), |_| Ok(())).unwrap().count(), 250);
        let mut fetch = connection.prepare(FETCH).unwrap();
        for lane in lanes {
            assert_eq!(fetch.query_map((lane, 0, 4), |_| Ok(())).unwrap().count(), 4);
        }
        (walk.get_status(StatementStatus::VmStep), fetch.get_status(StatementStatus::VmStep))
    }
}

/// A lane that is still known and has nothing costs a walk one look.
const LOOK: i32 = 50;

#[tokio::test]
async fn a_read_costs_the_same_however_much_of_one_key_is_in_front() {
    let ground = Ground::new().await;
    let alone = ground.steps();
    ground.fill("flood", 1, 10_000).await;
    assert_eq!(ground.steps(), alone);
    ground.fill("flood", 1, 90_000).await;
    assert_eq!(ground.steps(), alone);
}

#[tokio::test]
async fn fetch_time_is_flat_after_300_000_deletions() {
    let ground = Ground::new().await;
    let alone = ground.steps();
    ground.fill("flood", 1, 300_000).await;
    let lane = ground.others().await.remove(0).id;
    for _ in 0..30 {
        let ask = Ask { lane, after: 0, limit: 10_000, max_bytes: usize::MAX };
        let fetched = ground.store.fetch(vec![ask]).await.unwrap().remove(0);
        assert_eq!(fetched.records.len(), 10_000);
        let settled = fetched.records.iter().map(|record| Settlement {
            which: Which::At { lane, seq: record.seq, attempt: 1 },
            claim: None,
            outcome: Outcome::Delivered,
        });
        ground.store.settle(settled.collect()).await.unwrap();
    }
    let (walk, fetch) = ground.steps();
    assert_eq!(fetch, alone.1);
    assert!(walk <= alone.0 + LOOK, "{walk} steps after {}", alone.0);
}

#[tokio::test]
async fn blocked_lanes_cost_a_read_nothing() {
    let ground = Ground::new().await;
    let alone = ground.steps();
    ground.fill("away", 30_000, 30_000).await;
    let lanes = ground.others().await;
    let blocks = lanes.iter().map(|lane| (lane.id, Block::Absent));
    ground.store.block(blocks.collect()).await.unwrap();
    assert_eq!(ground.others().await.len(), 0);
    assert_eq!(ground.steps(), alone);
}
