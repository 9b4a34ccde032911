//! Expiring: what is too old goes from wherever it waits, and from nobody's hands.

use super::trial::{Trial, done, draft, labels, named, retry};
use crate::{Block, Draft, Outcome, Place, State};

fn until(trial: &Trial, seconds: u64, draft: Draft) -> Draft {
    Draft { expires_at: Some(trial.later(seconds)), ..draft }
}

/// Expired records are removed and counted, the others stay.
pub async fn leaves_the_others(trial: Trial) {
    let batch = vec![
        until(&trial, 20, draft("k", "t", 0)),
        until(&trial, 10, draft("k", "t", 1)),
        draft("k", "t", 2),
        until(&trial, 10, draft("j", "t", 3)),
    ];
    trial.accept(batch).await;
    trial.pass(9);
    assert_eq!(trial.promote().await.expired, 0);
    trial.pass(1);
    assert_eq!(trial.promote().await.expired, 2);
    let lane = trial.lane("k", "t").await;
    assert_eq!(trial.labels(&lane).await, [0, 2]);
    let counts = trial.counts().await;
    assert_eq!((counts.backlog, counts.dead), (2, 0));
    trial.pass(10);
    assert_eq!(trial.promote().await.expired, 1);
    assert_eq!(trial.labels(&lane).await, [2]);
}

/// Also those of lanes that wait.
pub async fn in_blocked_lanes(trial: Trial) {
    trial.accept(vec![until(&trial, 10, named("a", "k", "t", 0)), draft("k", "t", 1)]).await;
    let lane = trial.lane("k", "t").await;
    trial.block(&lane, Block::Absent).await;
    trial.pass(10);
    assert_eq!(trial.promote().await.expired, 1);
    assert_eq!((trial.counts().await.backlog, trial.counts().await.held), (1, 1));
    assert_eq!(trial.find("a").await.expect("remembered").state, State::Expired);
    assert_eq!(trial.labels(&lane).await, [1]);
    assert!(trial.walk().await.is_empty());
}

/// What is under way is not touched: it is its owner's, who settles it.
pub async fn not_under_way(trial: Trial) {
    trial.accept(vec![until(&trial, 10, draft("k", "t", 0))]).await;
    let lane = trial.lane("k", "t").await;
    let records = trial.read(&lane).await;
    let claim = Some(trial.claim(&records).await);
    trial.pass(10);
    assert_eq!(trial.promote().await.expired, 0);
    assert_eq!(labels(&trial.read(&lane).await), [0]);
    done(trial.settle(&records[0], claim, Outcome::Released).await);
    assert_eq!(trial.promote().await.expired, 1);
    assert_eq!(trial.counts().await.backlog, 0);
}

/// One that is expired already is accepted, and goes when it comes up.
pub async fn expired_on_arrival(trial: Trial) {
    let expires_at = Some(trial.now());
    trial.pass(10);
    trial.accept(vec![Draft { expires_at, ..named("a", "k", "t", 0) }]).await;
    assert_eq!(trial.promote().await.expired, 1);
    assert_eq!(trial.find("a").await.expect("remembered").state, State::Expired);
    assert_eq!(trial.counts().await.backlog, 0);
}

/// One that waits for a retry beyond its expiry never comes back.
pub async fn while_it_waits_for_a_retry(trial: Trial) {
    trial.accept(vec![until(&trial, 10, draft("k", "t", 0))]).await;
    let record = trial.read(&*trial.lane("k", "t").await).await.remove(0);
    done(trial.attempt(&record, retry(trial.later(60), Place::Leave)).await);
    trial.pass(60);
    assert_eq!(trial.promote().await.expired, 1);
    assert!(trial.walk().await.is_empty());
    assert_eq!(trial.counts().await.backlog, 0);
}

/// However many expire, all go, a bounded number at a time.
pub async fn many_at_once(trial: Trial) {
    let batch = (0..3000).map(|label| until(&trial, 10, draft("k", "t", label)));
    trial.accept(batch.collect()).await;
    trial.pass(10);
    assert_eq!(trial.promote().await.expired, 3000);
    assert_eq!(trial.counts().await.backlog, 0);
}

/// Once a head that is tried again is over, the rest of its lane goes on.
pub async fn a_retried_head_lets_its_lane_go_on(trial: Trial) {
    trial.accept(vec![until(&trial, 10, draft("k", "t", 0)), draft("k", "t", 1)]).await;
    let lane = trial.lane("k", "t").await;
    let head = trial.read(&lane).await.remove(0);
    done(trial.attempt(&head, retry(trial.later(60), Place::Keep)).await);
    assert!(trial.walk().await.is_empty());
    trial.pass(10);
    let promoted = trial.promote().await;
    assert_eq!((promoted.expired, promoted.lanes), (1, vec![lane.clone()]));
    assert_eq!(trial.labels(&*trial.lane("k", "t").await).await, [1]);
}
