//! Dead letters: given up on, kept with everything that is known of them.

use super::trial::{Trial, done, draft, drafts, failure, named, retry};
use crate::{Bounds, DeadReason, Outcome, Place, Record, Settled, State};

async fn first(trial: &Trial) -> Record {
    trial.read(&*trial.lane("k", "t").await).await.remove(0)
}

pub(super) async fn kill(trial: &Trial, record: &Record, reason: DeadReason) {
    let failure = Some(failure(trial.now()));
    done(trial.attempt(record, Outcome::Dead { reason, failure }).await);
}

/// A dead letter is kept with its reason, its history and its failures; its lane goes on.
pub async fn is_kept_with_its_history(trial: Trial) {
    let receipts = trial.accept(vec![named("a", "k", "t", 0), draft("k", "t", 1)]).await;
    let began = trial.now();
    done(trial.attempt(&first(&trial).await, retry(trial.now(), Place::Keep)).await);
    trial.pass(5);
    kill(&trial, &first(&trial).await, DeadReason::Attempts).await;
    kill(&trial, &first(&trial).await, DeadReason::Refused).await;
    let found = trial.find("a").await.expect("dead ones are kept");
    assert_eq!((found.state, found.reason), (State::Dead, Some(DeadReason::Attempts)));
    assert_eq!((found.history.attempts, found.history.failures), (2, 2));
    assert_eq!(found.history.first_attempt_at, Some(began));
    assert_eq!((found.settled_at, found.place), (Some(trial.now()), None));
    assert_eq!((&*found.event, found.attempts.len()), ("message", 2));
    let made = trial.find(&receipts[1].id.to_string()).await.expect("dead ones are kept");
    assert_eq!(made.reason, Some(DeadReason::Refused));
    assert!(trial.walk().await.is_empty());
}

/// It counts as dead and no longer as backlog, so it takes no room from the living.
pub async fn takes_no_room(trial: Trial) {
    let bounds = Bounds { backlog: 1, backlog_per_key: 1, ..Bounds::NONE };
    for label in 0..3 {
        trial.accept_within(drafts("k", "t", label..label + 1), bounds).await.expect("room");
        kill(&trial, &first(&trial).await, DeadReason::Age).await;
        let counts = trial.counts().await;
        assert_eq!((counts.backlog, counts.dead), (0, label + 1));
    }
}

/// One that was never tried again is dead without a failure.
pub async fn without_a_failure(trial: Trial) {
    trial.accept(vec![named("a", "k", "t", 0)]).await;
    let outcome = Outcome::Dead { reason: DeadReason::Age, failure: None };
    done(trial.settle(&first(&trial).await, None, outcome).await);
    let found = trial.find("a").await.expect("dead ones are kept");
    assert_eq!((found.reason, found.history.failures), (Some(DeadReason::Age), 0));
    assert!(found.attempts.is_empty());
}

/// Nothing settles a dead letter, and nothing expires it.
pub async fn stays_dead(trial: Trial) {
    trial.accept(vec![named("a", "k", "t", 0)]).await;
    let record = first(&trial).await;
    kill(&trial, &record, DeadReason::Refused).await;
    assert_eq!(trial.settle_by_id("a", "t", Outcome::Delivered).await, Settled::Unknown);
    assert_eq!(trial.settle(&record, None, Outcome::Delivered).await, Settled::Unknown);
    trial.pass(365 * 24 * 3600);
    assert_eq!(trial.promote().await.expired, 0);
    assert_eq!(trial.find("a").await.expect("dead ones are kept").state, State::Dead);
}

/// Of many failures the last 20 are told in words, and all are counted.
pub async fn the_last_failures(trial: Trial) {
    trial.accept(vec![named("a", "k", "t", 0)]).await;
    for _ in 0..24 {
        done(trial.attempt(&first(&trial).await, retry(trial.now(), Place::Keep)).await);
    }
    kill(&trial, &first(&trial).await, DeadReason::Attempts).await;
    let found = trial.find("a").await.expect("dead ones are kept");
    assert_eq!((found.history.attempts, found.history.failures), (25, 25));
    let numbers: Vec<u32> = found.attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, Vec::from_iter(6..=25));
}
