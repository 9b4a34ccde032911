//! One owner: a second opening is refused, a dead one's store is taken over, a late one is fenced.

use crate::scratch::Scratch;
use roundsman_redis::RedisStore;
use roundsman_store::{
    AcceptError, Ask, Block, Bounds, Claim, Claimed, Draft, Hint, Inspect, Operate, Outcome,
    Settlement, Store, StoreError, Sweep, Which,
};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

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

fn drafts(topic: &str) -> Vec<Draft> {
    vec![Draft::new(topic, "{}").unwrap()]
}

/// One that stands by accepts as the owner does, which hears of it; what only the owner can do it
/// leaves alone.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_stands_by_accepts() {
    let scratch = Scratch::new();
    let owner = RedisStore::open_shared(&scratch.url()).await.unwrap();
    let mut hints = owner.hints().unwrap();
    let other = RedisStore::open_shared(&scratch.url()).await.unwrap();
    let mut others = other.hints().unwrap();
    assert_eq!((other.ownership().shards.len(), other.salt()), (0, owner.salt()));
    other.accept(drafts("a"), Bounds::NONE).await.unwrap();
    let heard = timeout(Duration::from_secs(5), hints.recv()).await.unwrap();
    let Some(Hint::Lanes(lanes)) = heard else { panic!("{heard:?}") };
    assert_eq!(&*lanes[0].topic, "a");
    let ask = Ask { lane: lanes[0].id, after: 0, limit: 9, max_bytes: usize::MAX };
    let read = owner.fetch(vec![ask]).await.unwrap().remove(0).records;
    assert_eq!(read.len(), 1);
    // It goes on with the same numbers, and bounds count what came by either.
    owner.accept(drafts("a"), Bounds::NONE).await.unwrap();
    let Some(Hint::Fresh(fresh)) = hints.recv().await else { panic!("no news") };
    assert_eq!((fresh[0].previous, fresh[0].record.seq), (Some(read[0].seq), read[0].seq + 1));
    let full = Bounds { backlog: 2, ..Bounds::NONE };
    assert!(matches!(other.accept(drafts("b"), full).await, Err(AcceptError::Refused(_))));

    assert!(other.walk(None, 9).await.unwrap().is_empty() && others.try_recv().is_err());
    assert!(other.promote().await.unwrap().lanes.is_empty());
    let member = Claimed { lane: lanes[0].id, seq: read[0].seq, attempt: 1 };
    let claim = Claim { members: vec![member], alone: false };
    let id = read[0].id.to_string();
    let stands_by = |error: Option<StoreError>| matches!(error, Some(StoreError::StandsBy(_)));
    assert!(stands_by(other.claim(claim).await.err()));
    assert!(stands_by(other.take_back(&id, None).await.err()));
    assert!(stands_by(other.replay(Sweep::default()).await.err()));
    assert!(other.find(&id).await.unwrap().is_some());
    assert_eq!(other.counts().await.unwrap().backlog, 2);
}

/// An owner that leaves is succeeded at the next look, and one that falls silent within ten seconds.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_stands_by_succeeds() {
    let scratch = Scratch::new();
    let first = RedisStore::open_shared(&scratch.url()).await.unwrap();
    let second = RedisStore::open_shared(&scratch.url()).await.unwrap();
    let mut hints = second.hints().unwrap();
    first.accept(drafts("a"), Bounds::NONE).await.unwrap();
    let lane = first.walk(None, 1).await.unwrap().remove(0);
    let ask = Ask { lane: lane.id, after: 0, limit: 1, max_bytes: 1 };
    let record = first.fetch(vec![ask]).await.unwrap().remove(0).records.remove(0);
    let member = Claimed { lane: lane.id, seq: record.seq, attempt: 1 };
    first.claim(Claim { members: vec![member], alone: false }).await.unwrap();
    let epoch = first.ownership().epoch;
    first.close().await.unwrap();
    let begun = Instant::now();
    assert!(matches!(hints.recv().await, Some(Hint::Walk)));
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(second.ownership().epoch > epoch && !second.ownership().shards.is_empty());
    let again = second.fetch(vec![ask]).await.unwrap().remove(0).records.remove(0);
    assert_eq!(again.history.as_ref().map(|history| history.cuts), Some(1));

    // One that cannot beat any more is fenced once the next one has begun.
    let third = RedisStore::open_shared(&scratch.url()).await.unwrap();
    let mut hints = third.hints().unwrap();
    sleep(Duration::from_millis(3500)).await;
    let succeeded = async {
        loop {
            scratch.end_lease();
            if hints.try_recv().is_ok() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), succeeded).await.unwrap();
    let lost = async {
        while second.promote().await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
        second.accept(drafts("a"), Bounds::NONE).await
    };
    let lost = timeout(Duration::from_secs(10), lost).await.unwrap();
    assert!(matches!(lost, Err(AcceptError::Store(StoreError::Locked(_)))), "{lost:?}");
    third.accept(drafts("a"), Bounds::NONE).await.unwrap();
}

/// Whoever does not share is not stood by, and does not stand by.
#[tokio::test(flavor = "multi_thread")]
async fn only_those_that_share_stand_by() {
    let scratch = Scratch::new();
    let alone = RedisStore::open(&scratch.url()).await.unwrap();
    assert!(is_locked(&RedisStore::open_shared(&scratch.url()).await));
    alone.close().await.unwrap();
    let _owner = RedisStore::open_shared(&scratch.url()).await.unwrap();
    assert!(is_locked(&RedisStore::open(&scratch.url()).await));
    let other = RedisStore::open_shared(&scratch.url()).await.unwrap();
    // What an older program writes that knows nothing of sharing.
    redis::cmd("SET").arg(scratch.key("owner")).arg("old").exec(&mut scratch.connection()).unwrap();
    let lost = async {
        while other.promote().await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(5), lost).await.unwrap();
    assert!(other.accept(drafts("a"), Bounds::NONE).await.is_err());
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
