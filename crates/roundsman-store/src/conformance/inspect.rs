//! Looking in: what is seen agrees with what was done.

use super::trial::{Trial, done, draft, drafts, named};
use crate::{Counts, Draft, Key, KeyCounts, Outcome, SHARDS, State};

/// A stranger's id is found by nobody.
pub async fn strangers_are_not_found(trial: Trial) {
    trial.accept(drafts("k", "t", 0..1)).await;
    let next = trial.accept(drafts("k", "t", 1..2)).await.remove(0).id.to_string();
    for id in ["nobody", "", "m0000000-1-1", "💌", &format!("{next}0")] {
        assert_eq!(trial.find(id).await, None, "{id}");
    }
}

/// The place in a made id does not find one that a sender named.
pub async fn a_place_is_no_name(trial: Trial) {
    let receipts = trial.accept(vec![draft("k", "t", 0), named("a", "k", "t", 1)]).await;
    let record = trial.read(&*trial.lane("k", "t").await).await.remove(1);
    let crate::MessageId::Made { salt, .. } = receipts[0].id else {
        unreachable!("no id was given")
    };
    let made = crate::MessageId::Made { salt, lane: record.lane.id, seq: record.seq };
    assert_eq!(trial.find(&made.to_string()).await, None);
}

/// A kept message is shown with all its fields.
pub async fn shows_every_field(trial: Trial) {
    let expires_at = Some(trial.later(60));
    trial.accept(vec![Draft { expires_at, ..named("a", "team/k", "t", 0) }]).await;
    let lane = trial.lane("team/k", "t").await;
    let record = trial.read(&lane).await.remove(0);
    let found = trial.find("a").await.expect("kept");
    assert_eq!((&*found.id, found.state), ("a", State::Ready));
    assert_eq!((&*found.topic, found.key.as_str()), ("t", "team/k"));
    assert_eq!((&*found.event, found.accepted_at), ("message", trial.now()));
    assert_eq!((found.due_at, found.expires_at, found.settled_at), (None, expires_at, None));
    assert_eq!((found.history.attempts, found.attempts.len(), found.reason), (0, 0, None));
    assert_eq!(found.place, Some((lane.id, record.seq)));
}

/// Counts follow what happens.
pub async fn counts_add_up(trial: Trial) {
    assert_eq!(trial.counts().await, Counts::default());
    let deliver_at = Some(trial.later(60));
    let later = Draft { deliver_at, ..named("b", "k", "s", 2) };
    trial.accept(vec![named("a", "k", "t", 0), draft("j", "t", 1), later]).await;
    let counts = trial.counts().await;
    assert_eq!((counts.backlog, counts.scheduled, counts.ids), (3, 1, 2));
    let key = Key::parse("k").expect("a key");
    let of_key = trial.store.key_counts(&key).await.expect("counted");
    assert_eq!(of_key, KeyCounts { backlog: 2, held: 0 });
    let record = trial.read(&*trial.lane("k", "t").await).await.remove(0);
    done(trial.attempt(&record, Outcome::Delivered).await);
    assert_eq!((trial.counts().await.backlog, trial.counts().await.ids), (2, 2));
    let stranger = Key::parse("nobody").expect("a key");
    let of_stranger = trial.store.key_counts(&stranger).await.expect("counted");
    assert_eq!(of_stranger, KeyCounts::default());
}

/// A store says what it promises, and what it may read.
pub async fn says_what_it_promises(trial: Trial) {
    let guarantee = trial.store.probe().await.expect("probed");
    assert!(!guarantee.store.is_empty() && !guarantee.sentence.is_empty());
    assert!(guarantee.survives_process || !guarantee.survives_machine);
    let ownership = trial.store.ownership();
    assert!(ownership.shards.is_sorted() && !ownership.shards.is_empty());
    assert!(ownership.shards.iter().all(|shard| *shard < SHARDS));
}
