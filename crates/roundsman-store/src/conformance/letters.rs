//! Dead letters by hand: looked through, replayed, dropped, in steps and by every filter.

use super::dead::kill;
use super::trial::{Trial, done, draft, drafts, label, labels, named, retry};
use crate::{
    Block, Counts, DeadFilter, DeadLetter, DeadReason, Draft, Fingerprint, Key, Outcome, Pattern,
    Place, State, Sweep,
};
use std::sync::Arc;

/// Accepts these and gives up on all of them.
async fn all_dead(trial: &Trial, batch: Vec<Draft>) -> Vec<String> {
    let receipts = trial.accept(batch).await;
    for lane in trial.walk().await {
        for record in trial.read(&lane).await {
            kill(trial, &record, DeadReason::Attempts).await;
        }
    }
    receipts.iter().map(|receipt| receipt.id.to_string()).collect()
}

fn ids(letters: &[DeadLetter]) -> Vec<String> {
    letters.iter().map(|letter| letter.sighting.id.to_string()).collect()
}

fn all() -> DeadFilter {
    DeadFilter::default()
}

fn named_ids(ids: &[&str]) -> DeadFilter {
    DeadFilter { ids: Some(ids.iter().map(|id| Arc::from(*id)).collect()), ..all() }
}

/// Letters come in the order of their cursors, page by page, none twice and none left out.
pub async fn page_by_page(trial: Trial) {
    let dead = all_dead(&trial, drafts("k", "t", 0..7)).await;
    let mut sweep = Sweep { limit: 3, ..Sweep::default() };
    let mut seen = Vec::new();
    for expected in [3, 3, 1] {
        let page = trial.store.dead(sweep.clone()).await.expect("looked through");
        assert_eq!((page.letters.len(), page.next.is_some()), (expected, seen.len() < 6));
        sweep.after = page.next.unwrap_or(sweep.after);
        seen.extend(page.letters);
    }
    assert_eq!(ids(&seen), dead);
    assert!(seen.is_sorted_by(|one, next| one.cursor < next.cursor));
    let past = Sweep { after: u64::MAX >> 1, limit: 3, ..Sweep::default() };
    assert!(trial.store.dead(past).await.expect("looked through").letters.is_empty());
}

/// A letter shows everything: what it was, why and when it died, each attempt, its payload.
pub async fn show_everything(trial: Trial) {
    trial.accept(vec![named("a", "team/user", "t", 5)]).await;
    let accepted_at = trial.now();
    let record = trial.read(&*trial.lane("team/user", "t").await).await.remove(0);
    trial.pass(1);
    done(trial.attempt(&record, retry(trial.now(), Place::Keep)).await);
    trial.pass(1);
    let record = trial.read(&record.lane).await.remove(0);
    kill(&trial, &record, DeadReason::Gone).await;
    let letter = trial.dead(all()).await.remove(0);
    assert_eq!(&letter.payload[..], br#"{"n":5}"#);
    let seen = letter.sighting;
    assert_eq!((&*seen.id, seen.state, seen.reason), ("a", State::Dead, Some(DeadReason::Gone)));
    assert_eq!((seen.key.as_str(), &*seen.topic, &*seen.event), ("team/user", "t", "message"));
    assert_eq!((seen.accepted_at, seen.settled_at), (accepted_at, Some(trial.now())));
    assert_eq!((seen.attempts.len(), seen.history.failures), (2, 2));
}

/// Each filter lets through what it says, and several only what all of them do.
pub async fn by_every_filter(trial: Trial) {
    for (id, key, topic, reason) in [
        ("a", "team", "user:1", DeadReason::Attempts),
        ("b", "team/x", "user:2", DeadReason::Refused),
        ("c", "teams", "hook:1", DeadReason::Attempts),
    ] {
        trial.accept(vec![named(id, key, topic, 0)]).await;
        let record = trial.read(&*trial.lane(key, topic).await).await.remove(0);
        trial.pass(10);
        kill(&trial, &record, reason).await;
    }
    let (first, second) = (trial.find("a").await, trial.find("b").await);
    let died = |seen: Option<crate::Sighting>| seen.expect("dead").settled_at;
    let (first, second) = (died(first), died(second));
    let key = |key: &str| Some(Key::parse(key).expect("a key"));
    let topic = |pattern: &str| Some(Pattern::new(pattern));
    for (filter, expected) in [
        (all(), "a b c"),
        (DeadFilter { key: key("team"), ..all() }, "a b"),
        (DeadFilter { key: key("team/x"), ..all() }, "b"),
        (DeadFilter { topic: topic("user:*"), ..all() }, "a b"),
        (DeadFilter { topic: topic("hook:1"), ..all() }, "c"),
        (DeadFilter { reason: Some(DeadReason::Attempts), ..all() }, "a c"),
        (DeadFilter { since: second, ..all() }, "b c"),
        (DeadFilter { until: second, ..all() }, "a"),
        (DeadFilter { since: first, until: second, ..all() }, "a"),
        (DeadFilter { key: key("team"), reason: Some(DeadReason::Refused), ..all() }, "b"),
        (DeadFilter { key: key("team"), ..named_ids(&["c", "b"]) }, "b"),
        (DeadFilter { topic: topic("nobody"), ..all() }, ""),
    ] {
        assert_eq!(ids(&trial.dead(filter.clone()).await).join(" "), expected, "{filter:?}");
    }
}

/// By id only those are found that are dead, by their senders' ids and by made ones.
pub async fn by_id(trial: Trial) {
    let dead = all_dead(&trial, vec![named("a", "k", "t", 0), draft("k", "t", 1)]).await;
    trial.accept(vec![named("alive", "k", "t", 2)]).await;
    let filter = named_ids(&[&dead[1], "alive", "nobody", "a", "a"]);
    assert_eq!(ids(&trial.dead(filter.clone()).await), dead);
    assert_eq!(trial.replay(filter.clone()).await, dead);
    assert!(trial.replay(filter).await.is_empty());
    assert_eq!(trial.counts().await, Counts { backlog: 3, ids: 2, ..Counts::default() });
}

/// A replayed letter comes behind what was accepted since, at attempt 1, and expires no more.
pub async fn a_replayed_one_comes_as_new(trial: Trial) {
    let expires_at = Some(trial.later(60));
    let accepted_at = trial.now();
    all_dead(&trial, vec![Draft { expires_at, ..draft("k", "t", 0) }]).await;
    trial.pass(100);
    trial.accept(drafts("k", "t", 1..3)).await;
    let lane = trial.lane("k", "t").await;
    let swept = trial.store.replay(Sweep { limit: 10, ..Sweep::default() }).await;
    let swept = swept.expect("replayed");
    assert_eq!((swept.done.len(), swept.lanes, swept.next), (1, vec![lane.clone()], None));
    assert_eq!(swept.done[0].1, lane);
    let records = trial.read(&lane).await;
    assert_eq!(labels(&records), [1, 2, 0]);
    let (again, newest) = (&records[2], records[1].seq);
    assert!(again.seq > newest);
    assert_eq!((again.next_attempt(), again.history.is_none()), (1, true));
    assert_eq!((again.expires_at, again.accepted_at), (None, accepted_at));
    assert_eq!(trial.promote().await.expired, 0);
    let found = trial.find(&again.id.to_string()).await.expect("kept");
    assert_eq!((found.state, found.reason, found.settled_at), (State::Ready, None, None));
    assert!(found.attempts.is_empty());
    assert_eq!((trial.counts().await.dead, trial.counts().await.backlog), (0, 3));
}

/// It keeps its id, its sender's or a made one, and can die and be replayed again under it.
pub async fn a_replayed_one_keeps_its_id(trial: Trial) {
    let dead = all_dead(&trial, vec![draft("k", "t", 0), named("a", "k", "t", 1)]).await;
    for round in 0..3 {
        assert_eq!(trial.replay(all()).await, dead, "round {round}");
        let records = trial.read(&*trial.lane("k", "t").await).await;
        assert_eq!(labels(&records), [0, 1]);
        for (record, id) in records.iter().zip(&dead) {
            assert_eq!(record.id.to_string(), *id);
            let found = trial.find(id).await.expect("kept");
            assert_eq!(found.place, Some((record.lane.id, record.seq)));
            kill(&trial, record, DeadReason::Refused).await;
        }
    }
    trial.replay(all()).await;
    for record in trial.read(&*trial.lane("k", "t").await).await {
        done(trial.attempt(&record, Outcome::Sent).await);
    }
    for id in &dead {
        done(trial.settle_by_id(id, "t", Outcome::Delivered).await);
    }
    assert_eq!(trial.counts().await, Counts { ids: 1, ..Counts::default() });
    assert_eq!(trial.find("a").await.expect("remembered").state, State::Delivered);
    assert_eq!(trial.find(&dead[0]).await, None);
}

/// A replayed letter's id is taken all along.
pub async fn a_replay_is_no_duplicate(trial: Trial) {
    all_dead(&trial, vec![named("a", "k", "t", 0)]).await;
    trial.pass(48 * 3600);
    trial.replay(all()).await;
    trial.promote().await;
    assert!(trial.accept(vec![named("a", "k", "t", 0)]).await[0].duplicate);
    let other = Some(("a".into(), Fingerprint::of(&[b"other"])));
    let conflict = trial
        .accept_within(vec![Draft { id: other, ..draft("k", "t", 1) }], crate::Bounds::NONE)
        .await;
    assert!(conflict.is_err());
}

/// What is under way in the lane goes on undisturbed.
pub async fn a_replay_into_a_busy_lane(trial: Trial) {
    all_dead(&trial, vec![draft("k", "t", 0)]).await;
    trial.accept(drafts("k", "t", 1..3)).await;
    let lane = trial.lane("k", "t").await;
    let records = trial.read(&lane).await;
    let claim = trial.claim(&records[..1]).await;
    trial.replay(all()).await;
    done(trial.settle(&records[0], Some(claim), Outcome::Delivered).await);
    let records = trial.read(&lane).await;
    assert_eq!(labels(&records), [2, 0]);
    for record in &records {
        done(trial.attempt(record, Outcome::Delivered).await);
    }
    assert_eq!(trial.counts().await.backlog, 0);
}

/// It waits with a lane that waits, and is counted with it.
pub async fn a_replay_into_a_blocked_lane(trial: Trial) {
    all_dead(&trial, vec![draft("k", "t", 0)]).await;
    trial.accept(drafts("k", "t", 1..2)).await;
    let lane = trial.lane("k", "t").await;
    trial.block(&lane, Block::Absent).await;
    let sweep = Sweep { limit: 10, ..Sweep::default() };
    let swept = trial.store.replay(sweep).await.expect("replayed");
    assert!(swept.lanes.is_empty());
    assert!(trial.walk().await.is_empty());
    assert_eq!(trial.counts().await.held, 2);
    trial.release_topic("t").await;
    assert_eq!(trial.labels(&lane).await, [1, 0]);
}

/// However many there are, a step takes a bounded number, and steps end although what was
/// replayed dies again.
pub async fn replayed_step_by_step(trial: Trial) {
    let many = 2 * Sweep::CHANGED as u64 + 7;
    all_dead(&trial, drafts("k", "t", 0..many)).await;
    trial.pass(1);
    let filter = DeadFilter { until: Some(trial.now()), ..all() };
    let mut sweep = Sweep { filter, after: 0, limit: usize::MAX };
    let mut seen = Vec::new();
    loop {
        let swept = trial.store.replay(sweep.clone()).await.expect("replayed");
        assert!(swept.done.len() <= Sweep::CHANGED);
        for record in trial.read(&*trial.lane("k", "t").await).await {
            seen.push(label(&record));
            kill(&trial, &record, DeadReason::Refused).await;
        }
        match swept.next {
            Some(next) => sweep.after = next,
            None => break,
        }
        assert_eq!(trial.counts().await.dead, many);
    }
    assert_eq!(seen, Vec::from_iter(0..many));
    assert_eq!((trial.counts().await.dead, trial.counts().await.backlog), (many, 0));
}

/// A dropped letter is gone for good, and no other.
pub async fn dropped_for_good(trial: Trial) {
    let dead = all_dead(&trial, vec![draft("k", "t", 0), named("a", "j", "t", 1)]).await;
    let filter = DeadFilter { key: Some(Key::parse("j").expect("a key")), ..all() };
    let sweep = Sweep { filter, after: 0, limit: 10 };
    let swept = trial.store.drop_dead(sweep.clone()).await.expect("dropped");
    assert_eq!((swept.done.len(), swept.lanes.len(), swept.next), (1, 0, None));
    assert_eq!((&*swept.done[0].0, swept.done[0].1.key.as_str()), ("a", "j"));
    assert_eq!(trial.store.drop_dead(sweep).await.expect("dropped").done.len(), 0);
    assert_eq!(trial.find("a").await, None);
    assert_eq!(ids(&trial.dead(all()).await), dead[..1]);
    let sweep = Sweep { filter: named_ids(&[&dead[0]]), after: 0, limit: 10 };
    assert_eq!(trial.store.drop_dead(sweep).await.expect("dropped").done.len(), 1);
    assert_eq!(trial.find(&dead[0]).await, None);
    assert_eq!(trial.counts().await, Counts { ids: 1, ..Counts::default() });
    assert!(trial.replay(all()).await.is_empty());
}

/// A second sending stays harmless for a day after its letter was dropped.
pub async fn a_dropped_id_is_known_for_a_day(trial: Trial) {
    all_dead(&trial, vec![named("a", "k", "t", 0)]).await;
    trial.pass(48 * 3600);
    let sweep = Sweep { limit: 10, ..Sweep::default() };
    trial.store.drop_dead(sweep).await.expect("dropped");
    trial.pass(24 * 3600 - 1);
    trial.promote().await;
    assert!(trial.accept(vec![named("a", "k", "t", 0)]).await[0].duplicate);
    trial.pass(1);
    trial.promote().await;
    assert_eq!(trial.counts().await.ids, 0);
    assert!(!trial.accept(vec![named("a", "k", "t", 0)]).await[0].duplicate);
}
