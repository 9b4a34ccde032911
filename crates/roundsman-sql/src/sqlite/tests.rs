//! What reading costs, counted in steps of SQLite's machine: the same whatever is in front.

mod road;

use super::fetch::{FETCH, LIVE, WALK, YOUNG, fetch, walk};
use super::reader::Reader;
use super::row::number;
use crate::SqliteStore;
use roundsman_store::{
    Ask, Block, Bounds, Draft, HeldClock, Lane, LaneId, Outcome, Settlement, Store, Timestamp,
    Which,
};
use rusqlite::StatementStatus;
use std::sync::Arc;

/// A store, and the folder that it is in.
struct Ground {
    store: SqliteStore,
    folder: tempfile::TempDir,
}

impl Ground {
    /// With 8 messages in each of 250 lanes, all of them on the road.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut ground = Self { store: open(&folder), folder };
        ground.fill("quiet", 250, 250 * 8).await;
        ground.store.close().await.unwrap();
        ground.store = open(&ground.folder);
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

    /// Settles the next of a lane.
    async fn settle(&self, lane: LaneId, count: usize) {
        let ask = Ask { lane, after: 0, limit: count, max_bytes: usize::MAX };
        let fetched = self.store.fetch(vec![ask]).await.unwrap().remove(0);
        assert_eq!(fetched.records.len(), count);
        let settled = fetched.records.iter().map(|record| Settlement {
            which: Which::At { lane, seq: record.seq, attempt: 1 },
            claim: None,
            outcome: Outcome::Delivered,
        });
        self.store.settle(settled.collect()).await.unwrap();
    }

    /// The lanes that a walk finds, but for those that are read below.
    async fn others(&self) -> Vec<Arc<Lane>> {
        let mut lanes = self.store.walk(None, 100_000).await.unwrap();
        lanes.retain(|lane| !lane.topic.starts_with("quiet"));
        lanes
    }

    /// What a walk over 250 lanes costs, and reading 4 messages of each of those that `name` begins.
    fn steps_of(&self, name: &str) -> (i32, i32) {
        let mut reader = Reader::open(&self.store.place).unwrap();
        let lanes = lanes(&reader, name);
        assert_eq!(lanes.len(), 250);
        assert_eq!(walk(&mut reader, (None, 250)).unwrap().unwrap().len(), 250);
        let ask = |lane| Ask { lane, after: 0, limit: 4, max_bytes: usize::MAX };
        let fetched = fetch(&mut reader, lanes.into_iter().map(ask).collect()).unwrap().unwrap();
        assert!(fetched.iter().all(|lane| lane.records.len() == 4 && lane.more));
        let steps = |statements: &[&str]| {
            let steps = |sql: &&str| {
                reader.connection.prepare_cached(sql).unwrap().get_status(StatementStatus::VmStep)
            };
            statements.iter().map(steps).sum()
        };
        (steps(&[WALK, LIVE]), steps(&[FETCH, YOUNG]))
    }

    fn steps(&self) -> (i32, i32) {
        self.steps_of("quiet")
    }
}

fn lanes(reader: &Reader, name: &str) -> Vec<LaneId> {
    let lanes = "SELECT id FROM lane WHERE topic LIKE ?1 || ':%'";
    let mut lanes = reader.connection.prepare(lanes).unwrap();
    let lanes = lanes.query_map([name], |row| number(row, 0)).unwrap();
    lanes.map(|id| LaneId(id.unwrap())).collect()
}

fn open(folder: &tempfile::TempDir) -> SqliteStore {
    let clock = Arc::new(HeldClock::at(Timestamp(1_000_000)));
    let store = SqliteStore::open(folder.path().join("roundsman.db"), clock).unwrap();
    drop(store.hints());
    store
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

/// What is not on the road yet is found as directly.
#[tokio::test]
async fn a_read_of_what_has_just_come_costs_no_more() {
    let ground = Ground::new().await;
    let alone = ground.steps();
    ground.fill("fresh", 250, 250 * 8).await;
    let (walk, fetch) = ground.steps_of("fresh");
    assert!(walk <= alone.0, "{walk} steps after {}", alone.0);
    assert!(fetch <= 2 * alone.1, "{fetch} steps after {}", alone.1);
}

#[tokio::test]
async fn fetch_time_is_flat_after_300_000_deletions() {
    let ground = Ground::new().await;
    let alone = ground.steps();
    ground.fill("flood", 1, 300_000).await;
    let lane = ground.others().await.remove(0).id;
    // Those that are gone are on the road a while longer.
    ground.settle(lane, 1_000).await;
    let (walk, fetch) = ground.steps();
    assert_eq!(fetch, alone.1);
    assert!(walk <= alone.0 + LOOK, "{walk} steps after {}", alone.0);
    ground.settle(lane, 9_000).await;
    for _ in 0..29 {
        ground.settle(lane, 10_000).await;
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
