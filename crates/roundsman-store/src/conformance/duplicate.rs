//! Ids: sending one again is harmless, for as long as the contract says and not for longer.

use super::trial::{Trial, done, draft, failure, labels, named};
use crate::{AcceptError, Bounds, DeadReason, Draft, MessageId, Outcome, Refusal, State};

const HOUR: u64 = 3600;

async fn is_duplicate(trial: &Trial, id: &str, label: u64) -> bool {
    let receipts = trial.accept(vec![named(id, "k", "t", label)]).await;
    assert_eq!(receipts[0].id, MessageId::Given(id.into()));
    receipts[0].duplicate
}

/// The same message again is a duplicate, and stored once.
pub async fn the_same_again(trial: Trial) {
    assert!(!is_duplicate(&trial, "a", 1).await);
    assert!(is_duplicate(&trial, "a", 1).await);
    let lane = trial.lane("k", "t").await;
    assert_eq!(trial.labels(&lane).await, [1]);
    assert_eq!((trial.counts().await.backlog, trial.counts().await.ids), (1, 1));
}

/// The same id twice in one batch: the second is a duplicate.
pub async fn twice_in_one_batch(trial: Trial) {
    let batch = vec![named("a", "k", "t", 1), draft("k", "t", 2), named("a", "k", "t", 1)];
    let receipts = trial.accept(batch).await;
    let duplicates: Vec<bool> = receipts.iter().map(|receipt| receipt.duplicate).collect();
    assert_eq!(duplicates, [false, false, true]);
    let lane = trial.lane("k", "t").await;
    assert_eq!(trial.labels(&lane).await, [1, 2]);
}

/// The same id with a field changed is refused, and with it the whole batch.
pub async fn a_conflict_refuses_the_batch(trial: Trial) {
    trial.accept(vec![named("a", "k", "t", 1)]).await;
    let batch = vec![draft("k", "t", 2), named("a", "k", "t", 3), named("b", "k", "t", 4)];
    let answer = trial.accept_within(batch, Bounds::NONE).await;
    assert_eq!(answer, Err(AcceptError::Refused(vec![Refusal { index: 1, bound: None }])));
    let lane = trial.lane("k", "t").await;
    assert_eq!(trial.labels(&lane).await, [1]);
    assert_eq!(trial.counts().await.ids, 1);
    assert_eq!(trial.find("b").await, None);
}

/// The same id for two different messages in one batch is refused.
pub async fn a_conflict_within_a_batch(trial: Trial) {
    let batch = vec![named("a", "k", "t", 1), named("a", "k", "t", 2)];
    let answer = trial.accept_within(batch, Bounds::NONE).await;
    assert_eq!(answer, Err(AcceptError::Refused(vec![Refusal { index: 1, bound: None }])));
    assert_eq!((trial.counts().await.backlog, trial.counts().await.ids), (0, 0));
    assert_eq!(trial.find("a").await, None);
}

/// An id is known as long as its message is kept.
pub async fn known_while_kept(trial: Trial) {
    trial.accept(vec![named("a", "k", "t", 1)]).await;
    trial.pass(240 * HOUR);
    trial.promote().await;
    assert!(is_duplicate(&trial, "a", 1).await);
}

/// And for 24 hours after it was delivered; then the same id is a new message.
pub async fn known_for_a_day_after_delivery(trial: Trial) {
    trial.accept(vec![named("a", "k", "t", 1)]).await;
    trial.pass(30 * HOUR);
    let lane = trial.lane("k", "t").await;
    let record = trial.read(&lane).await.remove(0);
    done(trial.attempt(&record, Outcome::Delivered).await);
    trial.pass(23 * HOUR);
    trial.promote().await;
    assert!(is_duplicate(&trial, "a", 1).await);
    assert_eq!(trial.find("a").await.expect("remembered").state, State::Delivered);
    trial.pass(2 * HOUR);
    trial.promote().await;
    assert_eq!(trial.find("a").await, None);
    assert_eq!(trial.counts().await.ids, 0);
    assert!(!is_duplicate(&trial, "a", 2).await);
}

/// And for 24 hours after it expired.
pub async fn known_after_expiry(trial: Trial) {
    let expires_at = Some(trial.later(10));
    trial.accept(vec![Draft { expires_at, ..named("a", "k", "t", 1) }]).await;
    trial.pass(11);
    assert_eq!(trial.promote().await.expired, 1);
    assert!(is_duplicate(&trial, "a", 1).await);
    assert_eq!(trial.find("a").await.expect("remembered").state, State::Expired);
    trial.pass(25 * HOUR);
    trial.promote().await;
    assert!(!is_duplicate(&trial, "a", 1).await);
}

/// And as long as it is dead.
pub async fn known_while_dead(trial: Trial) {
    trial.accept(vec![named("a", "k", "t", 1)]).await;
    let lane = trial.lane("k", "t").await;
    let record = trial.read(&lane).await.remove(0);
    let failure = Some(failure(trial.now()));
    done(trial.attempt(&record, Outcome::Dead { reason: DeadReason::Refused, failure }).await);
    trial.pass(720 * HOUR);
    trial.promote().await;
    assert!(is_duplicate(&trial, "a", 1).await);
    assert_eq!(trial.counts().await.dead, 1);
}

/// Two senders of one id at the same time: one of them is the duplicate.
pub async fn a_race_has_one_winner(trial: Trial) {
    let calls = (0..8).map(|_| {
        let store = trial.store.clone();
        tokio::spawn(async move { store.accept(vec![named("a", "k", "t", 1)], Bounds::NONE).await })
    });
    let mut winners = 0;
    for call in calls.collect::<Vec<_>>() {
        let receipts = call.await.expect("no panic").expect("accepted");
        winners += usize::from(!receipts[0].duplicate);
    }
    assert_eq!(winners, 1);
    let lane = trial.lane("k", "t").await;
    assert_eq!(labels(&trial.read(&lane).await), [1]);
}
