//! Taking back: one message is gone that was not in flight, and its lane goes on.

use super::trial::{Trial, done, draft, drafts, named, retry};
use crate::{Block, Draft, Outcome, Place, Settled, TakenBack};

const GONE: TakenBack = TakenBack::Done { released: None };

/// One in its lane is gone, head or not, by its sender's id or a made one; the others stay.
pub async fn one_that_is_ready(trial: Trial) {
    let receipts =
        trial.accept(vec![draft("k", "t", 0), named("a", "k", "t", 1), draft("k", "t", 2)]).await;
    let lane = trial.lane("k", "t").await;
    let records = trial.read(&lane).await;
    for number in [1, 0] {
        let (id, record) = (receipts[number].id.to_string(), &records[number]);
        let place = trial.find(&id).await.expect("kept").place;
        assert_eq!(place, Some((lane.id, record.seq)));
        assert_eq!(trial.take_back(&id, place).await, GONE);
        assert_eq!(trial.find(&id).await, None);
        assert_eq!(trial.settle(record, None, Outcome::Delivered).await, Settled::Unknown);
    }
    assert_eq!(trial.labels(&lane).await, [2]);
    assert_eq!((trial.counts().await.backlog, trial.counts().await.dead), (1, 0));
}

/// One that waits outside of its lane is gone as well, and does not come back when due.
pub async fn one_that_is_scheduled(trial: Trial) {
    let deliver_at = Some(trial.later(60));
    let later = |draft| Draft { deliver_at, ..draft };
    let receipts =
        trial.accept(vec![later(named("a", "k", "t", 0)), later(draft("k", "t", 1))]).await;
    for receipt in &receipts {
        assert_eq!(trial.take_back(&receipt.id.to_string(), None).await, GONE);
    }
    trial.accept(drafts("k", "t", 2..3)).await;
    let record = trial.read(&*trial.lane("k", "t").await).await.remove(0);
    done(trial.attempt(&record, retry(trial.later(5), Place::Leave)).await);
    assert_eq!(trial.take_back(&record.id.to_string(), None).await, GONE);
    trial.pass(60);
    assert!(trial.promote().await.lanes.is_empty());
    let counts = trial.counts().await;
    assert_eq!((counts.backlog, counts.scheduled, counts.dead), (0, 0, 0));
}

/// One that lies elsewhere by now is left alone: it moved into its lane, or out of it.
pub async fn only_where_it_was_seen(trial: Trial) {
    let deliver_at = Some(trial.later(60));
    let later = Draft { deliver_at, ..named("a", "k", "t", 0) };
    trial.accept(vec![later, named("b", "k", "t", 1)]).await;
    trial.pass(60);
    trial.promote().await;
    let place = trial.find("a").await.expect("kept").place;
    assert!(place.is_some());
    assert_eq!(trial.take_back("a", None).await, TakenBack::Elsewhere);
    let other = trial.find("b").await.expect("kept").place;
    assert_eq!(trial.take_back("a", other).await, TakenBack::Elsewhere);
    let record = trial.read(&*trial.lane("k", "t").await).await.remove(0);
    done(trial.attempt(&record, retry(trial.later(5), Place::Leave)).await);
    assert_eq!(trial.take_back("b", other).await, TakenBack::Elsewhere);
    assert_eq!(trial.counts().await.backlog, 2);
    assert_eq!(trial.take_back("a", place).await, GONE);
}

/// What is delivered, dead, taken back already or was never there is not taken back.
pub async fn what_is_gone_is_elsewhere(trial: Trial) {
    let batch = ["a", "b", "c"].map(|id| named(id, "k", "t", 0));
    trial.accept(batch.to_vec()).await;
    let records = trial.read(&*trial.lane("k", "t").await).await;
    let place = |number: usize| Some((records[number].lane.id, records[number].seq));
    done(trial.attempt(&records[0], Outcome::Delivered).await);
    super::dead::kill(&trial, &records[1], crate::DeadReason::Refused).await;
    assert_eq!(trial.take_back("c", place(2)).await, GONE);
    for (number, id) in ["a", "b", "c", "nobody"].into_iter().enumerate() {
        assert_eq!(trial.take_back(id, place(number.min(2))).await, TakenBack::Elsewhere);
        assert_eq!(trial.take_back(id, None).await, TakenBack::Elsewhere);
    }
    assert_eq!(trial.counts().await.dead, 1);
}

/// A second sending stays harmless for a day, and is a message of its own after it.
pub async fn its_id_is_known_for_a_day(trial: Trial) {
    trial.accept(vec![named("a", "k", "t", 0)]).await;
    let place = trial.find("a").await.expect("kept").place;
    trial.pass(3600);
    assert_eq!(trial.take_back("a", place).await, GONE);
    trial.pass(24 * 3600 - 1);
    trial.promote().await;
    assert!(trial.accept(vec![named("a", "k", "t", 0)]).await[0].duplicate);
    assert_eq!((trial.counts().await.ids, trial.find("a").await), (1, None));
    trial.pass(1);
    trial.promote().await;
    assert!(!trial.accept(vec![named("a", "k", "t", 1)]).await[0].duplicate);
    assert_eq!(trial.labels(&*trial.lane("k", "t").await).await, [1]);
}

/// A lane that waits for its retried head goes on once that is taken back, and not before.
pub async fn a_retried_head_lets_its_lane_go_on(trial: Trial) {
    trial.accept(drafts("k", "t", 0..3)).await;
    let lane = trial.lane("k", "t").await;
    let records = trial.read(&lane).await;
    let place = |number: usize| Some((lane.id, records[number].seq));
    done(trial.attempt(&records[0], retry(trial.later(60), Place::Keep)).await);
    assert_eq!(trial.take_back(&records[1].id.to_string(), place(1)).await, GONE);
    assert!(trial.walk().await.is_empty());
    let taken = trial.take_back(&records[0].id.to_string(), place(0)).await;
    assert_eq!(taken, TakenBack::Done { released: Some(lane.clone()) });
    assert_eq!(trial.labels(&*trial.lane("k", "t").await).await, [2]);
    done(trial.attempt(&records[2], retry(trial.later(60), Place::Keep)).await);
    assert_eq!(trial.take_back(&records[2].id.to_string(), place(2)).await, GONE);
    assert!(trial.walk().await.is_empty());
}

/// A lane that waits for something else goes on waiting.
pub async fn other_blocks_stay(trial: Trial) {
    trial.accept(drafts("k", "t", 0..2)).await;
    let lane = trial.lane("k", "t").await;
    let head = trial.read(&lane).await.remove(0);
    trial.block(&lane, Block::Absent).await;
    assert_eq!(trial.take_back(&head.id.to_string(), Some((lane.id, head.seq))).await, GONE);
    assert!(trial.walk().await.is_empty());
    assert_eq!(trial.counts().await.held, 1);
    assert_eq!(trial.release_topic("t").await, vec![lane.clone()]);
    assert_eq!(trial.labels(&lane).await, [1]);
}
