//! Blocking: a lane waits as a whole, and goes on as a whole.

use super::trial::{Trial, done, draft, drafts};
use crate::{Block, Endpoint, Key, Lane, LaneId, Outcome, Release, State};
use std::sync::Arc;

const PARKED: Block = Block::Parked(Endpoint(7));

fn names(lanes: &[Arc<Lane>]) -> Vec<String> {
    let mut names: Vec<String> =
        lanes.iter().map(|lane| format!("{} {}", lane.key, lane.topic)).collect();
    names.sort_unstable();
    names
}

/// A blocked lane is not walked, whatever for; released, it is.
pub async fn until_released(trial: Trial) {
    trial.accept(drafts("k", "t", 0..2)).await;
    let lane = trial.lane("k", "t").await;
    for block in [Block::Absent, PARKED, Block::Until(trial.later(9))] {
        trial.block(&lane, block).await;
        assert!(trial.walk().await.is_empty(), "{block:?}");
        let released = trial.store.release(Release::Lanes(vec![lane.id])).await;
        assert_eq!(released.expect("released"), vec![lane.clone()]);
        assert_eq!(trial.labels(&*trial.lane("k", "t").await).await, [0, 1]);
    }
}

/// A topic's release is for all its lanes where nobody was there, and for no other.
pub async fn a_join_releases_the_absent(trial: Trial) {
    let names_of_all = [("a", "t"), ("b", "t"), ("c", "t"), ("d", "t"), ("a", "s")];
    let batch = names_of_all.iter().map(|(key, topic)| draft(key, topic, 0));
    trial.accept(batch.collect()).await;
    for (key, topic, block) in [
        ("a", "t", Block::Absent),
        ("b", "t", Block::Absent),
        ("c", "t", PARKED),
        ("d", "t", Block::Until(trial.later(60))),
        ("a", "s", Block::Absent),
    ] {
        trial.block(&*trial.lane(key, topic).await, block).await;
    }
    assert!(trial.walk().await.is_empty());
    assert_eq!(names(&trial.release_topic("t").await), ["a t", "b t"]);
    assert_eq!(names(&trial.walk().await), ["a t", "b t"]);
    assert!(trial.release_topic("t").await.is_empty());
    assert!(trial.release_topic("nobody").await.is_empty());
}

/// An endpoint's release is for the lanes that wait for it, and for no other.
pub async fn an_endpoint_releases_its_lanes(trial: Trial) {
    let (one, other) = (Endpoint::of("https://one.example/"), Endpoint(u64::MAX));
    for (key, block) in [
        ("a", Block::Parked(one)),
        ("b", Block::Parked(other)),
        ("c", Block::Absent),
        ("d", Block::Parked(one)),
    ] {
        trial.accept(drafts(key, "t", 0..1)).await;
        trial.block(&*trial.lane(key, "t").await, block).await;
    }
    assert_eq!(names(&trial.release_from(Release::Endpoint(one)).await), ["a t", "d t"]);
    assert!(trial.release_from(Release::Endpoint(one)).await.is_empty());
    assert_eq!(names(&trial.walk().await), ["a t", "d t"]);
    assert_eq!(names(&trial.release_from(Release::Endpoint(other)).await), ["b t"]);
    assert_eq!(trial.counts().await.held, 1);
}

/// The lanes of all parked endpoints are released at once, and no other.
pub async fn all_endpoints_release_theirs(trial: Trial) {
    for (key, block) in [
        ("a", Block::Parked(Endpoint(0))),
        ("b", Block::Parked(Endpoint(u64::MAX))),
        ("c", Block::Absent),
        ("d", Block::Until(trial.later(60))),
    ] {
        trial.accept(drafts(key, "t", 0..1)).await;
        trial.block(&*trial.lane(key, "t").await, block).await;
    }
    assert_eq!(names(&trial.release_from(Release::Endpoints).await), ["a t", "b t"]);
    assert_eq!(names(&trial.walk().await), ["a t", "b t"]);
}

/// What comes into a blocked lane waits with it.
pub async fn newcomers_wait_too(trial: Trial) {
    trial.accept(drafts("k", "t", 0..1)).await;
    let lane = trial.lane("k", "t").await;
    trial.block(&lane, Block::Absent).await;
    trial.accept(drafts("k", "t", 1..3)).await;
    assert!(trial.walk().await.is_empty());
    assert_eq!(trial.release_topic("t").await, vec![lane.clone()]);
    assert_eq!(trial.labels(&lane).await, [0, 1, 2]);
}

/// Only a lane with records is blocked; one that runs empty is so no more.
pub async fn an_empty_lane_is_not_blocked(trial: Trial) {
    trial.accept(drafts("k", "t", 0..1)).await;
    let lane = trial.lane("k", "t").await;
    trial.block(&lane, Block::Absent).await;
    let record = trial.read(&lane).await.remove(0);
    done(trial.attempt(&record, Outcome::Delivered).await);
    trial.accept(drafts("k", "t", 1..2)).await;
    let lane = trial.lane("k", "t").await;
    let record = trial.read(&lane).await.remove(0);
    done(trial.attempt(&record, Outcome::Delivered).await);
    trial.block(&lane, PARKED).await;
    trial.block(&Lane { id: LaneId::new(7, 9999), ..(*lane).clone() }, PARKED).await;
    assert!(trial.release_topic("t").await.is_empty());
    trial.accept(drafts("k", "t", 2..3)).await;
    assert_eq!(trial.labels(&*trial.lane("k", "t").await).await, [2]);
}

/// The last block is the one that holds.
pub async fn the_last_block_holds(trial: Trial) {
    trial.accept(drafts("k", "t", 0..1)).await;
    let lane = trial.lane("k", "t").await;
    trial.block(&lane, Block::Until(trial.later(1))).await;
    trial.block(&lane, Block::Absent).await;
    trial.pass(2);
    trial.promote().await;
    assert!(trial.walk().await.is_empty());
    trial.block(&lane, PARKED).await;
    assert!(trial.release_topic("t").await.is_empty());
    assert!(trial.walk().await.is_empty());
}

/// A lane blocked until a moment goes on at that moment, and not before.
pub async fn until_a_moment(trial: Trial) {
    trial.accept(drafts("k", "t", 0..1)).await;
    let lane = trial.lane("k", "t").await;
    trial.block(&lane, Block::Until(trial.later(10))).await;
    let promoted = trial.promote().await;
    assert!(promoted.lanes.is_empty());
    assert!(promoted.next.is_none_or(|next| next <= trial.later(10)));
    trial.pass(10);
    assert_eq!(trial.promote().await.lanes, vec![lane]);
    assert_eq!(trial.walk().await.len(), 1);
}

/// What waits for someone to join is counted as held, of the store and of its key.
pub async fn held_is_counted(trial: Trial) {
    let (k, j) = (Key::parse("k").expect("a key"), Key::parse("j").expect("a key"));
    trial.accept(drafts("k", "t", 0..2)).await;
    trial.accept(drafts("j", "t", 0..1)).await;
    let (lane, other) = (trial.lane("k", "t").await, trial.lane("j", "t").await);
    trial.block(&lane, Block::Absent).await;
    trial.block(&other, PARKED).await;
    trial.accept(drafts("k", "t", 2..3)).await;
    assert_eq!((trial.counts().await.held, trial.counts().await.backlog), (3, 4));
    assert_eq!(trial.store.key_counts(&k).await.expect("counted").held, 3);
    assert_eq!(trial.store.key_counts(&j).await.expect("counted").held, 0);
    let record = trial.read(&lane).await.remove(1);
    let id = record.id.to_string();
    assert_eq!(trial.find(&id).await.expect("kept").state, State::Held);
    done(trial.settle(&record, None, Outcome::Delivered).await);
    assert_eq!(trial.counts().await.held, 2);
    trial.release_topic("t").await;
    assert_eq!(trial.counts().await.held, 0);
    assert_eq!(trial.store.key_counts(&k).await.expect("counted").held, 0);
    assert_eq!(trial.store.key_counts(&k).await.expect("counted").backlog, 2);
}
