//! Accepting: what was given is kept as it was given, in the order it was given.

use super::trial::{Trial, draft, drafts, labels, named};
use crate::{AcceptError, Bounds, Draft, MessageId, StoreError};
use std::collections::HashSet;
use std::time::Duration;

/// Each draft is answered in order, with its own id or one that was made.
pub async fn answers_in_order(trial: Trial) {
    let batch = vec![draft("k", "t", 1), named("mine", "k", "t", 2), draft("j", "t", 3)];
    let receipts = trial.accept(batch).await;
    assert_eq!(receipts.len(), 3);
    assert_eq!(receipts[1].id, MessageId::Given("mine".into()));
    assert!(receipts.iter().all(|receipt| !receipt.duplicate));
    let ids: HashSet<String> = receipts.iter().map(|receipt| receipt.id.to_string()).collect();
    assert_eq!(ids.len(), 3);
}

/// A record has every field of its draft, byte for byte.
pub async fn keeps_every_field(trial: Trial) {
    let expires_at = Some(trial.later(60));
    let payload = "{ \"päron\" : \"🍐\", \"n\":1e3 }";
    let given = Draft {
        event: "ringed ☎".into(),
        payload: payload.into(),
        expires_at,
        ..draft("team-7/a~1b", "user:42", 0)
    };
    let receipts = trial.accept(vec![given]).await;
    let lane = trial.lane("team-7/a~1b", "user:42").await;
    let records = trial.read(&lane).await;
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!((&*record.event, &record.payload[..]), ("ringed ☎", payload.as_bytes()));
    assert_eq!((record.accepted_at, record.expires_at), (trial.now(), expires_at));
    assert_eq!((&record.lane, &record.id), (&lane, &receipts[0].id));
    assert_eq!(record.history, None);
    assert_eq!(record.next_attempt(), 1);
}

/// The longest names there may be are kept.
pub async fn keeps_long_names(trial: Trial) {
    let (part, topic) = ("p".repeat(255), "t".repeat(255));
    let key = vec![part; 8].join("/");
    let id = "i".repeat(128);
    trial.accept(vec![named(&id, &key, &topic, 1)]).await;
    let lane = trial.lane(&key, &topic).await;
    assert_eq!(trial.labels(&lane).await, [1]);
    assert!(trial.find(&id).await.is_some());
}

/// An empty batch is accepted and changes nothing.
pub async fn an_empty_batch(trial: Trial) {
    assert_eq!(trial.accept(Vec::new()).await, []);
    assert_eq!(trial.counts().await.backlog, 0);
}

/// Sequences grow with acceptance across the whole store.
pub async fn sequences_grow_across_lanes(trial: Trial) {
    let mut last = 0;
    for (label, key) in ["b", "a", "b", "c", "a"].into_iter().enumerate() {
        trial.accept(vec![draft(key, "t", label as u64)]).await;
        let lane = trial.lane(key, "t").await;
        let seq = trial.read(&lane).await.last().expect("the newest").seq;
        assert!(seq > last, "{seq} comes after {last}");
        last = seq;
    }
}

/// A made id reads back as what it is, and finds its message.
pub async fn made_ids_read_back(trial: Trial) {
    let receipts = trial.accept(drafts("k", "t", 0..3)).await;
    for receipt in receipts {
        let text = receipt.id.to_string();
        assert_eq!(MessageId::parse(&text, trial.store.salt()), receipt.id);
        let found = trial.find(&text).await.expect("it is kept");
        assert_eq!(&*found.id, text);
    }
}

/// A message that names no expiry gets the configured one, from acceptance or from `deliver_at`.
pub async fn the_configured_expiry(trial: Trial) {
    let bounds = Bounds { expires_after: Some(Duration::from_secs(100)), ..Bounds::NONE };
    let batch = vec![
        named("plain", "k", "t", 1),
        Draft { expires_at: Some(trial.later(7)), ..named("own", "k", "t", 2) },
        Draft { deliver_at: Some(trial.later(50)), ..named("later", "k", "t", 3) },
    ];
    trial.accept_within(batch, bounds).await.expect("accepted");
    for (id, expires) in [("plain", 100), ("own", 7), ("later", 150)] {
        let found = trial.find(id).await.expect("it is kept");
        assert_eq!(found.expires_at, Some(trial.later(expires)), "{id}");
    }
}

/// Batches that are accepted at the same time are all kept, each in its order.
pub async fn many_at_once(trial: Trial) {
    let calls = (0..16).map(|call| {
        let store = trial.store.clone();
        let batch = drafts("k", "t", call * 100..call * 100 + 20);
        tokio::spawn(async move { store.accept(batch, Bounds::NONE).await })
    });
    let calls: Vec<_> = calls.collect();
    let mut ids = HashSet::new();
    for call in calls {
        let receipts = call.await.expect("no panic").expect("accepted");
        ids.extend(receipts.into_iter().map(|receipt| receipt.id));
    }
    assert_eq!(ids.len(), 16 * 20);
    let lane = trial.lane("k", "t").await;
    let found = labels(&trial.read(&lane).await);
    assert_eq!(found.len(), 16 * 20);
    for call in 0..16 {
        let mine: Vec<u64> = found.iter().copied().filter(|label| label / 100 == call).collect();
        assert_eq!(mine, Vec::from_iter(call * 100..call * 100 + 20));
    }
}

/// A closed store says so, to every call.
pub async fn closed_is_closed(trial: Trial) {
    trial.accept(drafts("k", "t", 0..1)).await;
    trial.store.close().await.expect("closed");
    let answer = trial.accept_within(drafts("k", "t", 1..2), Bounds::NONE).await;
    assert_eq!(answer, Err(AcceptError::Store(StoreError::Closed)));
    assert_eq!(trial.store.walk(None, 1).await.err(), Some(StoreError::Closed));
    assert_eq!(trial.store.promote().await.err(), Some(StoreError::Closed));
}
