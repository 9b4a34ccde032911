//! Scheduling: a message that is due later takes its place when it is due.

use super::trial::{Trial, done, draft, drafts, labels, named};
use crate::{Block, Draft, MessageId, Outcome, State};

fn later(trial: &Trial, seconds: u64, draft: Draft) -> Draft {
    Draft { deliver_at: Some(trial.later(seconds)), ..draft }
}

/// It is nowhere to be read until it is due, and then it is.
pub async fn waits_until_due(trial: Trial) {
    trial.accept(vec![later(&trial, 10, named("a", "k", "t", 0))]).await;
    assert!(trial.walk().await.is_empty());
    let counts = trial.counts().await;
    assert_eq!((counts.backlog, counts.scheduled), (1, 1));
    let found = trial.find("a").await.expect("kept");
    assert_eq!((found.state, found.due_at), (State::Scheduled, Some(trial.later(10))));
    assert_eq!(found.place, None);
    trial.pass(9);
    let promoted = trial.promote().await;
    assert!(promoted.lanes.is_empty());
    assert!(promoted.next.is_none_or(|next| next <= trial.later(1)));
    trial.pass(1);
    let promoted = trial.promote().await;
    let lane = trial.lane("k", "t").await;
    assert_eq!(promoted.lanes, vec![lane.clone()]);
    assert_eq!(trial.labels(&lane).await, [0]);
    assert_eq!((trial.counts().await.backlog, trial.counts().await.scheduled), (1, 0));
    assert_eq!(trial.find("a").await.expect("kept").state, State::Ready);
}

/// It comes behind what was accepted before it was due, and before what is accepted after.
pub async fn takes_its_place_when_due(trial: Trial) {
    trial.accept(vec![later(&trial, 10, draft("k", "t", 0)), draft("k", "t", 1)]).await;
    trial.pass(5);
    trial.accept(drafts("k", "t", 2..3)).await;
    trial.pass(5);
    trial.promote().await;
    trial.accept(drafts("k", "t", 3..4)).await;
    let records = trial.read(&*trial.lane("k", "t").await).await;
    assert_eq!(labels(&records), [1, 2, 0, 3]);
    assert!(records.is_sorted_by_key(|record| record.seq));
}

/// Those that are due come in the order of their moments.
pub async fn in_the_order_of_moments(trial: Trial) {
    let batch = [30, 10, 20].into_iter().map(|at| later(&trial, at, draft("k", "t", at)));
    trial.accept(batch.collect()).await;
    trial.pass(60);
    trial.promote().await;
    assert_eq!(trial.labels(&*trial.lane("k", "t").await).await, [10, 20, 30]);
}

/// A moment that has come is no reason to wait.
pub async fn the_past_is_now(trial: Trial) {
    let deliver_at = Some(trial.now());
    trial.pass(10);
    trial.accept(vec![Draft { deliver_at, ..draft("k", "t", 0) }, draft("k", "t", 1)]).await;
    assert_eq!(trial.labels(&*trial.lane("k", "t").await).await, [0, 1]);
    assert_eq!(trial.counts().await.scheduled, 0);
}

/// It keeps its id, its sender's or a made one, and is found by it all the while.
pub async fn keeps_its_id(trial: Trial) {
    let batch =
        vec![later(&trial, 10, named("a", "k", "t", 0)), later(&trial, 10, draft("k", "t", 1))];
    let receipts = trial.accept(batch).await;
    let ids: Vec<MessageId> = receipts.into_iter().map(|receipt| receipt.id).collect();
    for id in &ids {
        assert_eq!(trial.find(&id.to_string()).await.expect("kept").state, State::Scheduled);
    }
    trial.pass(10);
    trial.promote().await;
    let records = trial.read(&*trial.lane("k", "t").await).await;
    let promoted: Vec<MessageId> = records.iter().map(|record| record.id.clone()).collect();
    assert_eq!(promoted, ids);
    for record in records {
        let found = trial.find(&record.id.to_string()).await.expect("kept");
        assert_eq!(found.place, Some((record.lane.id, record.seq)));
        assert_eq!((&*found.id, found.state), (&*record.id.to_string(), State::Ready));
        done(trial.attempt(&record, Outcome::Delivered).await);
    }
    assert_eq!(trial.find(&ids[1].to_string()).await, None);
}

/// One that comes due in a blocked lane waits with it.
pub async fn waits_with_its_lane(trial: Trial) {
    trial.accept(vec![draft("k", "t", 0), later(&trial, 10, draft("k", "t", 1))]).await;
    let lane = trial.lane("k", "t").await;
    trial.block(&lane, Block::Absent).await;
    trial.pass(10);
    assert!(trial.promote().await.lanes.is_empty());
    assert!(trial.walk().await.is_empty());
    assert_eq!((trial.counts().await.held, trial.counts().await.scheduled), (2, 0));
    trial.release_topic("t").await;
    assert_eq!(trial.labels(&lane).await, [0, 1]);
}

/// However many are due, all come, a bounded number at a time.
pub async fn many_are_due(trial: Trial) {
    let batch = (0..3000).map(|label| later(&trial, 10, draft("k", "t", label)));
    trial.accept(batch.collect()).await;
    trial.pass(10);
    trial.promote().await;
    assert_eq!(trial.labels(&*trial.lane("k", "t").await).await.len(), 3000);
    assert_eq!(trial.counts().await.scheduled, 0);
}

/// A clock that is set back takes nothing back: what was due stays, in its order and once, what is
/// out is still out, and nothing is dead or expired of it.
pub async fn a_clock_that_is_set_back(trial: Trial) {
    let lasting = Draft { expires_at: Some(trial.later(60)), ..draft("k", "t", 1) };
    trial.accept(vec![draft("k", "t", 0), lasting, later(&trial, 10, draft("k", "t", 2))]).await;
    trial.pass(10);
    trial.promote().await;
    let lane = trial.lane("k", "t").await;
    let out = trial.read(&lane).await;
    let claim = trial.claim(&out[..1]).await;
    trial.turn_back(3_600);
    trial.promote().await;
    trial.accept(vec![draft("k", "t", 3), later(&trial, 10, draft("k", "t", 4))]).await;
    assert_eq!(trial.labels(&lane).await, [0, 1, 2, 3]);
    done(trial.settle(&out[0], Some(claim), Outcome::Delivered).await);
    trial.pass(10);
    trial.promote().await;
    let records = trial.read(&lane).await;
    assert_eq!(labels(&records), [1, 2, 3, 4]);
    assert!(records.is_sorted_by_key(|record| record.seq));
    trial.pass(3_590);
    trial.promote().await;
    assert_eq!(trial.labels(&lane).await, [1, 2, 3, 4]);
    let counts = trial.counts().await;
    assert_eq!((counts.backlog, counts.scheduled, counts.dead), (4, 0, 0));
}
