//! Walking: every lane that has something to do, and no other.

use super::trial::{Trial, done, draft, drafts};
use crate::{Block, Draft, Endpoint, Lane, LaneId, Outcome, shard_of};
use std::sync::Arc;

fn ids(lanes: &[Arc<Lane>]) -> Vec<LaneId> {
    lanes.iter().map(|lane| lane.id).collect()
}

/// Lanes come in the order of their ids, each once, from behind a cursor.
pub async fn page_by_page(trial: Trial) {
    let batch = (0..10).map(|label| draft(&format!("key-{label}"), "t", label));
    trial.accept(batch.collect()).await;
    let all = ids(&trial.walk().await);
    assert_eq!(all.len(), 10);
    assert!(all.is_sorted());
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = ids(&trial.store.walk(cursor, 3).await.expect("walked"));
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        cursor = Some(*last);
        seen.extend(page);
    }
    assert_eq!(seen, all);
}

/// A lane's number begins with the shard of its key.
pub async fn lanes_know_their_shard(trial: Trial) {
    trial.accept(vec![draft("a/x", "t", 0), draft("a/y", "s", 1), draft("b", "t", 2)]).await;
    for lane in trial.walk().await {
        assert_eq!(lane.id.shard(), shard_of(&lane.key));
    }
    let (one, other) = (trial.lane("a/x", "t").await, trial.lane("a/y", "s").await);
    assert_eq!(one.id.shard(), other.id.shard());
}

/// Lanes that are blocked, empty, or have only scheduled records are not walked.
pub async fn only_ready_lanes(trial: Trial) {
    trial.accept(drafts("ready", "t", 0..1)).await;
    trial.accept(drafts("blocked", "t", 1..2)).await;
    trial.accept(drafts("empty", "t", 2..3)).await;
    let deliver_at = Some(trial.later(60));
    trial.accept(vec![Draft { deliver_at, ..draft("later", "t", 3) }]).await;
    trial.block(&*trial.lane("blocked", "t").await, Block::Parked(Endpoint(7))).await;
    let empty = trial.lane("empty", "t").await;
    let record = trial.read(&empty).await.remove(0);
    done(trial.attempt(&record, Outcome::Delivered).await);
    assert_eq!(ids(&trial.walk().await), [trial.lane("ready", "t").await.id]);
}

/// A lane that ran empty comes back with its next message.
pub async fn an_empty_lane_comes_back(trial: Trial) {
    for label in 0..3 {
        trial.accept(drafts("k", "t", label..label + 1)).await;
        let lane = trial.lane("k", "t").await;
        assert_eq!(trial.labels(&lane).await, [label]);
        let record = trial.read(&lane).await.remove(0);
        done(trial.attempt(&record, Outcome::Delivered).await);
        assert!(trial.walk().await.is_empty());
    }
}
