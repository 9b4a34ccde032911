//! One owner: a second opening is refused, a dead one's store is taken over, a late one is fenced.

use crate::scratch::Scratch;
use roundsman_redis::RedisStore;
use roundsman_store::{
    AcceptError, Ask, Block, Bounds, Claim, Claimed, Draft, Inspect, Outcome, Settlement, Store,
    StoreError, Which,
};
use std::time::{Duration, Instant};

fn is_locked<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Locked(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_opening_is_refused_while_the_first_lives() {
    let scratch = Scratch::new();
    let first = RedisStore::open(&scratch.url()).await.unwrap();
    let Err(StoreError::Locked(why)) = RedisStore::open(&scratch.url()).await else {
        panic!("it was opened twice");
    };
    assert!(why.contains(&format!("process {}", std::process::id())), "{why}");
    assert!(!why.contains(':') || !why.contains("secret"), "{why}");
    first.accept(vec![Draft::new("t", "{}").unwrap()], Bounds::NONE).await.unwrap();
    first.close().await.unwrap();
    let second = RedisStore::open(&scratch.url()).await.unwrap();
    assert_eq!(second.counts().await.unwrap().backlog, 1);
    assert!(second.ownership().epoch > first.ownership().epoch);
}

/// Point 15: whoever ended without a word is waited for, and no longer than ten seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_owner_is_replaced_within_ten_seconds() {
    let scratch = Scratch::new();
    let dead = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let url = scratch.url();
    let store = dead.spawn(async move { RedisStore::open(&url).await.unwrap() }).await.unwrap();
    store.accept(vec![Draft::new("t", "{}").unwrap()], Bounds::NONE).await.unwrap();
    // Its tasks end where they are: nobody gives the store up.
    dead.shutdown_background();
    let begun = Instant::now();
    let next = RedisStore::open(&scratch.url()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(next.counts().await.unwrap().backlog, 1);
}

/// Point 11: an owner that was paused past its lease changes nothing once another has begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_owner_is_fenced() {
    let scratch = Scratch::new();
    let late = RedisStore::open(&scratch.url()).await.unwrap();
    late.accept(vec![Draft::new("t", "{}").unwrap()], Bounds::NONE).await.unwrap();
    let lane = late.walk(None, 1).await.unwrap().remove(0);
    let ask = Ask { lane: lane.id, after: 0, limit: 1, max_bytes: 1 };
    let record = late.fetch(vec![ask]).await.unwrap().remove(0).records.remove(0);
    let member = Claimed { lane: lane.id, seq: record.seq, attempt: 1 };
    let claim = Claim { members: vec![member], alone: false };
    let claimed = late.claim(claim.clone()).await.unwrap();
    let next = loop {
        scratch.end_lease();
        match RedisStore::open(&scratch.url()).await {
            Ok(next) => break next,
            Err(error) => assert!(matches!(error, StoreError::Locked(_)), "{error}"),
        }
    };

    let which = Which::At { lane: lane.id, seq: record.seq, attempt: 1 };
    let settlement = Settlement { which, claim: Some(claimed), outcome: Outcome::Delivered };
    assert!(is_locked(&late.settle(vec![settlement]).await));
    assert!(is_locked(&late.claim(claim).await));
    assert!(is_locked(&late.block(vec![(lane.id, Block::Absent)]).await));
    assert!(is_locked(&late.promote().await));
    let answer = late.accept(vec![Draft::new("t", "{}").unwrap()], Bounds::NONE).await;
    assert!(matches!(answer, Err(AcceptError::Store(StoreError::Locked(_)))));
    drop(late);

    assert_eq!(next.counts().await.unwrap().backlog, 1);
    let again = next.fetch(vec![ask]).await.unwrap().remove(0).records.remove(0);
    assert_eq!(again.history.as_ref().map(|history| history.cuts), Some(1));
    next.accept(vec![Draft::new("t", "{}").unwrap()], Bounds::NONE).await.unwrap();
}

#[tokio::test]
async fn what_a_newer_version_made_is_left_alone() {
    let scratch = Scratch::new();
    let mut line = scratch.connection();
    redis::cmd("HSET").arg(scratch.key("state")).arg("version").arg(9).exec(&mut line).unwrap();
    let opened = RedisStore::open(&scratch.url()).await;
    assert!(matches!(&opened, Err(StoreError::Unusable(why)) if why.contains("version 9")));
    redis::cmd("DEL").arg(scratch.key("state")).exec(&mut line).unwrap();
    redis::cmd("HSET").arg(scratch.key("state")).arg("other").arg(1).exec(&mut line).unwrap();
    assert!(matches!(RedisStore::open(&scratch.url()).await, Err(StoreError::Unusable(_))));
}
