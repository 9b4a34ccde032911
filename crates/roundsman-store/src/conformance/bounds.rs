//! Bounds: a full store says which messages were too many, and stores nothing of the batch.

use super::trial::{Trial, done, draft, drafts, named};
use crate::{AcceptError, Bound, Bounds, Draft, Outcome, Refusal};

fn refused(index: usize, bound: Bound) -> Refusal {
    Refusal { index, bound: Some(bound) }
}

/// `max_backlog` counts what is accepted and not settled; the answer names every message too many.
pub async fn backlog(trial: Trial) {
    let bounds = Bounds { backlog: 5, ..Bounds::NONE };
    trial.accept_within(drafts("k", "t", 0..3), bounds).await.expect("there is room");
    let answer = trial.accept_within(drafts("j", "t", 3..7), bounds).await;
    let refusals = vec![refused(2, Bound::Backlog), refused(3, Bound::Backlog)];
    assert_eq!(answer, Err(AcceptError::Refused(refusals)));
    assert_eq!(trial.counts().await.backlog, 3);
    trial.accept_within(drafts("j", "t", 3..5), bounds).await.expect("just room enough");
}

/// The last tenth of the backlog is only for keys that have fewer than 1,000 messages.
pub async fn the_last_tenth(trial: Trial) {
    let bounds = Bounds { backlog: 2000, ..Bounds::NONE };
    trial.accept_within(drafts("large", "t", 0..1800), bounds).await.expect("nine tenths");
    let answer = trial.accept_within(drafts("large", "t", 0..1), bounds).await;
    assert_eq!(answer, Err(AcceptError::Refused(vec![refused(0, Bound::Backlog)])));
    trial.accept_within(drafts("small", "t", 0..200), bounds).await.expect("the last tenth");
    let answer = trial.accept_within(drafts("other", "t", 0..1), bounds).await;
    assert_eq!(answer, Err(AcceptError::Refused(vec![refused(0, Bound::Backlog)])));
}

/// `max_backlog_per_key` counts one key over all its topics, and leaves others alone.
pub async fn backlog_per_key(trial: Trial) {
    let bounds = Bounds { backlog_per_key: 3, ..Bounds::NONE };
    trial.accept_within(drafts("k", "t", 0..2), bounds).await.expect("there is room");
    let batch = vec![draft("k", "s", 2), draft("j", "s", 3), draft("k", "r", 4)];
    let answer = trial.accept_within(batch, bounds).await;
    assert_eq!(answer, Err(AcceptError::Refused(vec![refused(2, Bound::BacklogPerKey)])));
    trial.accept_within(drafts("j", "t", 0..3), bounds).await.expect("another key");
}

/// `max_held_per_topic` counts one topic over all its keys, for drafts that will be held.
pub async fn held_per_topic(trial: Trial) {
    let bounds = Bounds { held_per_topic: 3, ..Bounds::NONE };
    let held = |key, label| Draft { held: true, ..draft(key, "t", label) };
    let batch = vec![held("k", 0), held("j", 1), held("k", 2)];
    trial.accept_within(batch, bounds).await.expect("there is room");
    let batch = vec![held("i", 3), draft("i", "t", 4), Draft { held: true, ..draft("i", "s", 5) }];
    let answer = trial.accept_within(batch, bounds).await;
    assert_eq!(answer, Err(AcceptError::Refused(vec![refused(0, Bound::HeldPerTopic)])));
    trial.accept_within(drafts("i", "t", 4..5), bounds).await.expect("someone is there");
}

/// What a topic holds counts once for each message of it, however many come together: also where
/// the store was just opened and knows nothing of the topic yet.
pub async fn held_per_topic_in_a_batch(trial: Trial) {
    let bounds = Bounds { held_per_topic: 8, ..Bounds::NONE };
    let held = |labels: std::ops::Range<u64>| -> Vec<Draft> {
        labels.map(|label| Draft { held: true, ..draft("k", "t", label) }).collect()
    };
    trial.accept_within(held(0..3), bounds).await.expect("there is room");
    let Some(trial) = trial.crash().await else { return };
    trial.accept_within(held(3..8), bounds).await.expect("just room enough");
    let answer = trial.accept_within(held(8..9), bounds).await;
    assert_eq!(answer, Err(AcceptError::Refused(vec![refused(0, Bound::HeldPerTopic)])));
}

/// `max_ids` counts senders' ids and not those that are made.
pub async fn ids(trial: Trial) {
    let bounds = Bounds { ids: 2, ..Bounds::NONE };
    let batch = vec![named("a", "k", "t", 0), draft("k", "t", 1), named("b", "k", "t", 2)];
    trial.accept_within(batch, bounds).await.expect("two ids");
    let batch = vec![named("a", "k", "t", 0), named("c", "k", "t", 3), draft("k", "t", 4)];
    let answer = trial.accept_within(batch, bounds).await;
    assert_eq!(answer, Err(AcceptError::Refused(vec![refused(1, Bound::Ids)])));
    assert_eq!(trial.counts().await.ids, 2);
}

/// A duplicate takes no room, so a full store answers it.
pub async fn a_duplicate_needs_no_room(trial: Trial) {
    let bounds = Bounds { backlog: 1, backlog_per_key: 1, ids: 1, ..Bounds::NONE };
    trial.accept_within(vec![named("a", "k", "t", 0)], bounds).await.expect("room for one");
    let receipts = trial.accept_within(vec![named("a", "k", "t", 0)], bounds).await;
    assert!(receipts.expect("it is known")[0].duplicate);
}

/// A conflict is named as such, also where a bound is reached.
pub async fn a_conflict_before_a_bound(trial: Trial) {
    let bounds = Bounds { backlog: 1, ..Bounds::NONE };
    trial.accept_within(vec![named("a", "k", "t", 0)], bounds).await.expect("room for one");
    let batch = vec![named("a", "k", "t", 1), draft("k", "t", 2)];
    let answer = trial.accept_within(batch, bounds).await;
    let refusals = vec![Refusal { index: 0, bound: None }, refused(1, Bound::Backlog)];
    assert_eq!(answer, Err(AcceptError::Refused(refusals)));
}

/// What is settled makes room again, for every bound that counts the backlog.
pub async fn settling_makes_room(trial: Trial) {
    let bounds = Bounds { backlog: 1, backlog_per_key: 1, held_per_topic: 1, ..Bounds::NONE };
    let held = |label| vec![Draft { held: true, ..draft("k", "t", label) }];
    for label in 0..3 {
        trial.accept_within(held(label), bounds).await.expect("room for one");
        assert!(trial.accept_within(held(9), bounds).await.is_err());
        let lane = trial.lane("k", "t").await;
        let record = trial.read(&lane).await.remove(0);
        done(trial.attempt(&record, Outcome::Delivered).await);
    }
}
