//! Claims, and what a crash does to the attempts that were under way.
//!
//! # The rule of recovery
//! When a store is opened after its process ended, each member of a claim whose message is still
//! kept, and whose concluded attempts ([`History::attempts`](crate::History::attempts)) are below
//! the claimed one, **was cut off**:
//!
//! - its attempts become the claimed attempt, and it counts one cut more, no failure;
//! - a cut of a claim that was [`alone`](crate::Claim::alone) also counts as a cut alone; with
//!   [`CUTS_ALONE_UNTIL_DEAD`](crate::History::CUTS_ALONE_UNTIL_DEAD) of those it is dead, with
//!   [`DeadReason::Crash`].
//!
//! One that was settled [`Sent`](crate::Outcome::Sent) under that attempt is concluded: it was
//! written to its client, so the end of the process did not cut it off. All that are kept are ready
//! again; blocks stay. Claims are done with then.
//!
//! A store that keeps nothing has nothing to recover.

use super::trial::{Trial, done, drafts, failure, labels, retry};
use crate::{DeadReason, History, Outcome, Place, Record, State};

async fn first(trial: &Trial) -> Record {
    let lane = trial.lane("k", "t").await;
    trial.read(&lane).await.remove(0)
}

fn history(record: &Record) -> History {
    record.history.as_deref().cloned().unwrap_or_default()
}

/// Each claim has a number of its own, also an empty one.
pub async fn numbers_differ(trial: Trial) {
    trial.accept(drafts("k", "t", 0..2)).await;
    let lane = trial.lane("k", "t").await;
    let records = trial.read(&lane).await;
    let one = trial.claim(&records[..1]).await;
    let other = trial.claim(&records[1..]).await;
    let empty = trial.claim(&[]).await;
    assert!(one != other && other != empty && one != empty);
}

/// A message that is gone by now can be claimed; nothing comes of it.
pub async fn of_a_message_that_is_gone(trial: Trial) {
    trial.accept(drafts("k", "t", 0..1)).await;
    let record = first(&trial).await;
    done(trial.attempt(&record, Outcome::Delivered).await);
    trial.claim(&[record]).await;
    let Some(trial) = trial.crash().await else { return };
    assert_eq!(trial.counts().await.backlog, 0);
}

/// Attempts under way when the process ends are cut off: counted, and no failures.
pub async fn a_crash_cuts_off(trial: Trial) {
    trial.accept(drafts("k", "t", 0..3)).await;
    let lane = trial.lane("k", "t").await;
    let records = trial.read(&lane).await;
    trial.claim(&records[..2]).await;
    let Some(trial) = trial.crash().await else { return };
    let lane = trial.lane("k", "t").await;
    let records = trial.read(&lane).await;
    assert_eq!(labels(&records), [0, 1, 2]);
    for record in &records[..2] {
        let history = history(record);
        assert_eq!((history.attempts, history.cuts), (1, 1));
        assert_eq!((history.failures, history.cuts_alone), (0, 0));
    }
    assert_eq!(records[2].next_attempt(), 1);
}

/// What was settled before the process ended was not cut off, whatever became of it.
pub async fn settled_attempts_are_not_cut_off(trial: Trial) {
    trial.accept(drafts("k", "t", 0..4)).await;
    let lane = trial.lane("k", "t").await;
    let records = trial.read(&lane).await;
    let claim = Some(trial.claim(&records).await);
    done(trial.settle(&records[0], claim, Outcome::Delivered).await);
    done(trial.settle(&records[1], claim, Outcome::Sent).await);
    done(trial.settle(&records[2], claim, Outcome::Released).await);
    done(trial.settle(&records[3], claim, retry(trial.now(), Place::Keep)).await);
    let Some(trial) = trial.crash().await else { return };
    let lane = trial.lane("k", "t").await;
    let records = trial.read(&lane).await;
    assert_eq!(labels(&records), [1, 2, 3]);
    for (record, failures) in records.iter().zip([0, 0, 1]) {
        let history = history(record);
        assert_eq!((history.attempts, history.cuts, history.failures), (1, 0, failures));
    }
}

/// A later attempt of a message that was sent before is cut off like any other.
pub async fn a_second_sending_is_cut_off(trial: Trial) {
    trial.accept(drafts("k", "t", 0..1)).await;
    done(trial.attempt(&first(&trial).await, Outcome::Sent).await);
    trial.claim(&[first(&trial).await]).await;
    let Some(trial) = trial.crash().await else { return };
    let history = history(&first(&trial).await);
    assert_eq!((history.attempts, history.cuts), (2, 1));
}

/// Attempts that a crash cut off are not cut off again by the next one.
pub async fn a_crash_counts_once(trial: Trial) {
    trial.accept(drafts("k", "t", 0..1)).await;
    trial.claim(&[first(&trial).await]).await;
    let Some(trial) = trial.crash().await else { return };
    let Some(trial) = trial.crash().await else { return };
    let history = history(&first(&trial).await);
    assert_eq!((history.attempts, history.cuts), (1, 1));
}

/// After three cuts a message goes alone; after two more of them alone it is dead.
pub async fn alone_and_then_dead(trial: Trial) {
    let id = trial.accept(drafts("k", "t", 0..1)).await.remove(0).id.to_string();
    let mut trial = trial;
    for cuts in 1..=3 {
        assert!(!history(&first(&trial).await).goes_alone());
        trial.claim(&[first(&trial).await]).await;
        let Some(left) = trial.crash().await else { return };
        trial = left;
        assert_eq!(history(&first(&trial).await).cuts, cuts);
    }
    assert!(history(&first(&trial).await).goes_alone());
    trial.claim_as(&[first(&trial).await], true).await;
    let Some(trial) = trial.crash().await else { return };
    assert_eq!(history(&first(&trial).await).cuts_alone, 1);
    trial.claim_as(&[first(&trial).await], true).await;
    let Some(trial) = trial.crash().await else { return };
    assert!(trial.walk().await.is_empty());
    assert_eq!((trial.counts().await.dead, trial.counts().await.backlog), (1, 0));
    let found = trial.find(&id).await.expect("dead ones are kept");
    assert_eq!((found.state, found.reason), (State::Dead, Some(DeadReason::Crash)));
    assert_eq!((found.history.attempts, found.history.failures), (5, 0));
}

/// An attempt that began before the crash cannot be settled over one that it cut off.
pub async fn late_settlements_are_stale(trial: Trial) {
    trial.accept(drafts("k", "t", 0..1)).await;
    let record = first(&trial).await;
    let outcome =
        Outcome::Dead { reason: DeadReason::Refused, failure: Some(failure(trial.now())) };
    done(trial.attempt(&record, retry(trial.now(), Place::Keep)).await);
    trial.claim(&[first(&trial).await]).await;
    let Some(trial) = trial.crash().await else { return };
    let settled = trial.settle(&record, None, outcome).await;
    assert_eq!(settled, crate::Settled::Stale);
    assert_eq!(trial.counts().await.dead, 0);
}
