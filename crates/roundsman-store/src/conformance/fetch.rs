//! Fetching: the oldest records of each lane that was asked for, within its limits.

use super::trial::{Trial, draft, drafts, labels};
use crate::{Ask, Block, Draft, LaneId};

fn ask(lane: LaneId, after: u64, limit: usize) -> Ask {
    Ask { lane, after, limit, max_bytes: usize::MAX }
}

/// Records come in the order of their acceptance, from behind a sequence, with word of more.
pub async fn page_by_page(trial: Trial) {
    trial.accept(drafts("k", "t", 0..7)).await;
    let lane = trial.lane("k", "t").await;
    let (mut after, mut seen) = (0, Vec::new());
    for more in [true, true, false] {
        let fetched = trial.store.fetch(vec![ask(lane.id, after, 3)]).await.expect("fetched");
        assert_eq!(fetched[0].more, more, "after {after}");
        after = fetched[0].records.last().expect("some").seq;
        seen.extend(labels(&fetched[0].records));
    }
    assert_eq!(seen, Vec::from_iter(0..7));
    let fetched = trial.store.fetch(vec![ask(lane.id, after, 3)]).await.expect("fetched");
    assert!(fetched[0].records.is_empty() && !fetched[0].more);
}

/// No further record once the bytes are reached, but at least one.
pub async fn bytes_are_bounded(trial: Trial) {
    let large = |label: u64| Draft {
        payload: format!("{{\"n\":{label:0>100}}}").into(),
        ..draft("k", "t", label)
    };
    trial.accept((0..5).map(large).collect()).await;
    let lane = trial.lane("k", "t").await;
    for (max_bytes, count) in [(1, 1), (106, 1), (107, 2), (250, 3), (10_000, 5)] {
        let ask = Ask { lane: lane.id, after: 0, limit: 10, max_bytes };
        let fetched = trial.store.fetch(vec![ask]).await.expect("fetched");
        assert_eq!(fetched[0].records.len(), count, "within {max_bytes} bytes");
        assert_eq!(fetched[0].more, count < 5);
    }
}

/// Several lanes are answered one for one, also those that nobody knows.
pub async fn each_ask_is_answered(trial: Trial) {
    trial.accept(drafts("k", "t", 0..2)).await;
    trial.accept(drafts("j", "t", 10..12)).await;
    let (one, other) = (trial.lane("k", "t").await, trial.lane("j", "t").await);
    let stranger = LaneId::new(255, 9999);
    let asks = vec![ask(other.id, 0, 1), ask(stranger, 0, 5), ask(one.id, 0, 5)];
    let fetched = trial.store.fetch(asks).await.expect("fetched");
    let lanes: Vec<LaneId> = fetched.iter().map(|fetched| fetched.lane).collect();
    assert_eq!(lanes, [other.id, stranger, one.id]);
    let found: Vec<Vec<u64>> = fetched.iter().map(|fetched| labels(&fetched.records)).collect();
    assert_eq!(found, [vec![10], vec![], vec![0, 1]]);
}

/// A blocked lane can be read.
pub async fn blocked_lanes_are_read(trial: Trial) {
    trial.accept(drafts("k", "t", 0..2)).await;
    let lane = trial.lane("k", "t").await;
    trial.block(&lane, Block::Absent).await;
    assert_eq!(trial.labels(&lane).await, [0, 1]);
}

/// The store does not hide what is claimed.
pub async fn claimed_records_are_read(trial: Trial) {
    trial.accept(drafts("k", "t", 0..2)).await;
    let lane = trial.lane("k", "t").await;
    let records = trial.read(&lane).await;
    trial.claim(&records).await;
    assert_eq!(trial.labels(&lane).await, [0, 1]);
}

/// The lanes of one key do not mix, nor those of one topic.
pub async fn lanes_are_apart(trial: Trial) {
    let names = [("a", "s"), ("a", "t"), ("b", "s"), ("a/b", "t"), ("a", "b/t")];
    let batch = names.iter().zip(0..).map(|((key, topic), label)| draft(key, topic, label));
    trial.accept(batch.collect()).await;
    assert_eq!(trial.walk().await.len(), names.len());
    for ((key, topic), label) in names.into_iter().zip(0..) {
        let lane = trial.lane(key, topic).await;
        assert_eq!(trial.labels(&lane).await, [label]);
    }
}
