//! Opening again after the process ended without a word: what was answered is still so.

use super::trial::{Trial, done, draft, drafts, failure, labels, named, retry};
use crate::{
    Block, DeadFilter, DeadReason, Draft, Endpoint, Key, Outcome, Place, Release, State, Sweep,
};

/// Everything that was accepted is there, in order, under the same ids.
pub async fn accepted_is_kept(trial: Trial) {
    let deliver_at = Some(trial.later(60));
    let later = Draft { deliver_at, ..draft("k", "t", 9) };
    trial.accept(vec![draft("k", "t", 0), named("a", "k", "t", 1), later]).await;
    let before = trial.read(&*trial.lane("k", "t").await).await;
    let (counts, salt) = (trial.counts().await, trial.store.salt());
    let key = Key::parse("k").expect("a key");
    let of_key = trial.store.key_counts(&key).await.expect("counted");
    let Some(trial) = trial.crash().await else { return };
    assert_eq!(trial.store.key_counts(&key).await.expect("counted"), of_key);
    let lane = trial.lane("k", "t").await;
    let after = trial.read(&lane).await;
    assert_eq!(labels(&after), [0, 1]);
    for (old, new) in before.iter().zip(&after) {
        assert_eq!((old.seq, &old.id, old.lane.id), (new.seq, &new.id, new.lane.id));
        assert_eq!((old.accepted_at, &old.payload), (new.accepted_at, &new.payload));
    }
    assert_eq!((trial.counts().await, trial.store.salt()), (counts, salt));
    trial.pass(60);
    trial.promote().await;
    assert_eq!(trial.labels(&lane).await, [0, 1, 9]);
}

/// What was settled stays settled, what is dead stays dead, ids stay known.
pub async fn settled_is_settled(trial: Trial) {
    let batch = (0..3).map(|label| named(&format!("id-{label}"), "k", "t", label));
    trial.accept(batch.collect()).await;
    let records = trial.read(&*trial.lane("k", "t").await).await;
    done(trial.attempt(&records[0], Outcome::Delivered).await);
    let failed = Some(failure(trial.now()));
    let outcome = Outcome::Dead { reason: DeadReason::Refused, failure: failed };
    done(trial.attempt(&records[1], outcome).await);
    let counts = trial.counts().await;
    let Some(trial) = trial.crash().await else { return };
    assert_eq!(trial.counts().await, counts);
    for (label, state) in [(0, State::Delivered), (1, State::Dead), (2, State::Ready)] {
        let id = format!("id-{label}");
        assert_eq!(trial.find(&id).await.expect("known").state, state);
        assert!(trial.accept(vec![named(&id, "k", "t", label)]).await[0].duplicate);
    }
}

/// Sequences and lanes go on from where they were; the epoch grows.
pub async fn numbers_are_not_used_again(trial: Trial) {
    trial.accept(drafts("k", "t", 0..3)).await;
    let lane = trial.lane("k", "t").await;
    let last = trial.read(&lane).await.remove(2);
    for record in trial.read(&lane).await {
        done(trial.attempt(&record, Outcome::Delivered).await);
    }
    let epoch = trial.store.ownership().epoch;
    let Some(trial) = trial.crash().await else { return };
    assert!(trial.store.ownership().epoch > epoch);
    trial.accept(vec![draft("j", "t", 0), draft("k", "t", 1)]).await;
    let (one, other) = (trial.lane("j", "t").await, trial.lane("k", "t").await);
    assert_ne!(one.id, lane.id);
    for lane in [one, other] {
        assert!(trial.read(&lane).await[0].seq > last.seq);
    }
}

/// A lane that waited for someone to join, or for a moment, still does.
pub async fn blocks_stay(trial: Trial) {
    trial.accept(vec![draft("k", "t", 0), draft("k", "t", 1), draft("j", "s", 2)]).await;
    let (lane, other) = (trial.lane("k", "t").await, trial.lane("j", "s").await);
    trial.block(&lane, Block::Absent).await;
    let record = trial.read(&other).await.remove(0);
    done(trial.attempt(&record, retry(trial.later(60), Place::Keep)).await);
    let Some(trial) = trial.crash().await else { return };
    assert!(trial.walk().await.is_empty());
    let key = Key::parse("k").expect("a key");
    let of_key = trial.store.key_counts(&key).await.expect("counted");
    assert_eq!((trial.counts().await.held, of_key.held), (2, 2));
    assert_eq!(trial.release_topic("t").await, vec![lane]);
    trial.pass(60);
    assert_eq!(trial.promote().await.lanes, vec![other]);
}

/// Failed attempts are counted and told as before, also of a message that was moved.
pub async fn history_stays(trial: Trial) {
    let ids = trial.accept(vec![draft("k", "t", 0), named("a", "k", "t", 1)]).await;
    for record in trial.read(&*trial.lane("k", "t").await).await {
        done(trial.attempt(&record, retry(trial.later(5), Place::Leave)).await);
    }
    trial.pass(5);
    trial.promote().await;
    let Some(trial) = trial.crash().await else { return };
    for receipt in ids {
        let found = trial.find(&receipt.id.to_string()).await.expect("kept");
        assert_eq!((found.history.attempts, found.history.failures), (1, 1));
        assert_eq!((found.attempts.len(), found.state), (1, State::Ready));
        let settled = trial.settle_by_id(&receipt.id.to_string(), "t", Outcome::Delivered).await;
        done(settled);
    }
    assert_eq!(trial.counts().await.backlog, 0);
}

/// A lane whose endpoint was parked still waits for it: whoever opens the store releases it.
pub async fn parked_lanes_stay(trial: Trial) {
    let endpoint = Endpoint::of("https://example.com/");
    trial.accept(vec![draft("k", "t", 0)]).await;
    let lane = trial.lane("k", "t").await;
    trial.block(&lane, Block::Parked(endpoint)).await;
    let Some(trial) = trial.crash().await else { return };
    assert!(trial.walk().await.is_empty());
    assert!(trial.release_from(Release::Endpoint(Endpoint(1))).await.is_empty());
    assert_eq!(trial.release_from(Release::Endpoints).await, vec![lane]);
    assert_eq!(trial.walk().await.len(), 1);
}

/// What was taken back does not come again, and its id stays known.
pub async fn taken_back_is_gone(trial: Trial) {
    trial.accept(vec![named("a", "k", "t", 0), draft("k", "t", 1)]).await;
    let place = trial.find("a").await.expect("kept").place;
    trial.take_back("a", place).await;
    let Some(trial) = trial.crash().await else { return };
    assert_eq!(trial.labels(&*trial.lane("k", "t").await).await, [1]);
    assert_eq!(trial.find("a").await, None);
    assert!(trial.accept(vec![named("a", "k", "t", 0)]).await[0].duplicate);
}

async fn dead(trial: &Trial, count: u64) {
    let batch = (0..count).map(|label| named(&format!("id-{label}"), "k", "t", label));
    trial.accept(batch.collect()).await;
    for record in trial.read(&*trial.lane("k", "t").await).await {
        super::dead::kill(trial, &record, DeadReason::Attempts).await;
    }
}

/// A replay that a crash cut short has replayed the first of them; each is in one place, and
/// the rest can be replayed.
pub async fn a_replay_in_the_middle(trial: Trial) {
    dead(&trial, 5).await;
    let sweep = Sweep { limit: 2, ..Sweep::default() };
    trial.store.replay(sweep).await.expect("replayed");
    let Some(trial) = trial.crash().await else { return };
    assert_eq!((trial.counts().await.backlog, trial.counts().await.dead), (2, 3));
    assert_eq!(trial.labels(&*trial.lane("k", "t").await).await, [0, 1]);
    trial.replay(DeadFilter::default()).await;
    assert_eq!(trial.labels(&*trial.lane("k", "t").await).await, [0, 1, 2, 3, 4]);
    for label in 0..5 {
        let found = trial.find(&format!("id-{label}")).await.expect("kept");
        assert_eq!((found.state, found.history.attempts), (State::Ready, 0));
    }
    assert_eq!((trial.counts().await.backlog, trial.counts().await.dead), (5, 0));
}

/// A drop that a crash cut short has dropped the first of them, and the rest is there.
pub async fn a_drop_in_the_middle(trial: Trial) {
    dead(&trial, 5).await;
    let sweep = Sweep { limit: 2, ..Sweep::default() };
    trial.store.drop_dead(sweep).await.expect("dropped");
    let Some(trial) = trial.crash().await else { return };
    assert_eq!((trial.counts().await.dead, trial.counts().await.ids), (3, 5));
    assert_eq!(trial.dead(DeadFilter::default()).await.len(), 3);
    assert_eq!(trial.find("id-1").await, None);
    assert_eq!(trial.find("id-2").await.expect("kept").state, State::Dead);
}
