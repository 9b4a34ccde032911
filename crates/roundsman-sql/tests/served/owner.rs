//! One owner at a time: a second is refused, a lost connection is made again, a silent owner is
//! taken over from and can write nothing more.

use crate::kind::{Kind, on_both};
use roundsman_store::{
    AcceptError, Ask, Bound, Bounds, Claim, Claimed, Draft, Fingerprint, Hint, Outcome, Record,
    Refusal, SHARDS, Settled, Settlement, Store, StoreError, Which,
};
use std::time::Duration;

pub(crate) fn draft(number: u32) -> Draft {
    Draft::new("user:42", format!("{{\"n\":{number}}}")).unwrap()
}

async fn oldest(store: &dyn Store) -> Record {
    let lane = store.walk(None, 10).await.unwrap().remove(0);
    let ask = Ask { lane: lane.id, after: 0, limit: 1, max_bytes: 1000 };
    store.fetch(vec![ask]).await.unwrap().remove(0).records.remove(0)
}

/// Claims the oldest message, and answers how its delivery would be settled.
async fn claim(store: &dyn Store) -> Settlement {
    let record = oldest(store).await;
    let (lane, seq, attempt) = (record.lane.id, record.seq, record.next_attempt());
    let members = vec![Claimed { lane, seq, attempt }];
    let claim = store.claim(Claim { members, alone: false }).await.unwrap();
    let which = Which::At { lane, seq, attempt };
    Settlement { which, claim: Some(claim), outcome: Outcome::Delivered }
}

/// A call again and again for as long as the store is not available.
async fn until_back<T>(call: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    loop {
        match call().await {
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            answer => return answer,
        }
    }
}

/// A second opening is refused while the first lives, and not once it is closed.
async fn a_second_opening(kind: Kind) {
    let name = crate::new_name();
    let store = kind.open(&name).await.unwrap();
    let Err(StoreError::Locked(why)) = kind.open(&name).await else { panic!("it is locked") };
    assert!(why.contains("another Roundsman"), "{why}");
    store.close().await.unwrap();
    kind.open(&name).await.unwrap().close().await.unwrap();
    kind.remove(&name).await;
}

/// A connection that is cut is made again: what was accepted is there, what was under way still is.
async fn a_cut(kind: Kind) {
    let name = crate::new_name();
    let store = kind.open(&name).await.unwrap();
    store.accept(vec![draft(1), draft(2)], Bounds::NONE).await.unwrap();
    let settlement = claim(&*store).await;
    let epoch = store.ownership().epoch;
    kind.cut(&name).await;
    let sent = Settlement { outcome: Outcome::Sent, ..settlement.clone() };
    let settled = until_back(async || store.settle(vec![sent.clone()]).await).await.unwrap();
    assert!(matches!(settled[..], [Settled::Done { .. }]), "{settled:?}");
    // The process lives: its attempts were not cut off.
    let history = oldest(&*store).await.history.unwrap();
    assert_eq!((history.attempts, history.cuts), (1, 0));
    let settled = store.settle(vec![settlement]).await.unwrap();
    assert!(matches!(settled[..], [Settled::Done { .. }]), "{settled:?}");
    assert_eq!(store.counts().await.unwrap().backlog, 1);
    assert_eq!(store.ownership().epoch, epoch);
    let accepted = until_back(async || {
        store.accept(vec![draft(3)], Bounds::NONE).await.map_err(|error| match error {
            AcceptError::Store(error) => error,
            refused @ AcceptError::Refused(_) => panic!("{refused}"),
        })
    });
    accepted.await.unwrap();
    assert_eq!(store.counts().await.unwrap().backlog, 2);
    store.close().await.unwrap();
    kind.remove(&name).await;
}

/// An owner that has fallen silent is taken over from, and settles nothing that is no longer its own.
async fn a_silent_owner(kind: Kind) {
    let name = crate::new_name();
    let old = kind.open(&name).await.unwrap();
    old.accept(vec![draft(1)], Bounds::NONE).await.unwrap();
    let late = claim(&*old).await;
    kind.silence(&name).await;
    let new = kind.open(&name).await.unwrap();
    assert!(new.ownership().epoch > old.ownership().epoch);
    let refused = until_back(async || old.settle(vec![late.clone()]).await).await;
    assert!(matches!(refused, Err(StoreError::Locked(_))), "{refused:?}");
    assert_eq!(new.counts().await.unwrap().backlog, 1);
    // To the new owner that attempt was cut off, and the next one is its own.
    let settlement = claim(&*new).await;
    assert!(matches!(settlement.which, Which::At { attempt: 2, .. }));
    let settled = new.settle(vec![settlement]).await.unwrap();
    assert!(matches!(settled[..], [Settled::Done { .. }]), "{settled:?}");
    new.close().await.unwrap();
    kind.remove(&name).await;
}

/// Where all share it, the second stands by, and succeeds the first with all that it left.
async fn a_node_that_stands_by(kind: Kind) {
    let name = crate::new_name();
    let first = kind.open_shared(&name).await.unwrap();
    let second = kind.open_shared(&name).await.unwrap();
    first.accept(vec![draft(1), draft(2)], Bounds::NONE).await.unwrap();
    let settlement = claim(&*first).await;
    assert_eq!(second.salt(), first.salt());
    assert!(second.ownership().shards.is_empty());
    assert!(second.walk(None, 9).await.unwrap().is_empty());
    assert!(!second.promote().await.unwrap().again);
    let why = second.settle(vec![settlement.clone()]).await;
    assert!(matches!(why, Err(StoreError::StandsBy(_))), "{why:?}");
    let Err(StoreError::Locked(why)) = kind.open(&name).await else { panic!("it is locked") };
    assert!(why.contains("`channel`"), "{why}");

    let mut hints = second.hints().unwrap();
    drop(first);
    let hint = tokio::time::timeout(Duration::from_secs(60), hints.recv()).await.unwrap();
    assert!(matches!(hint, Some(Hint::Walk)), "{hint:?}");
    assert_eq!(second.counts().await.unwrap().backlog, 2);
    assert_eq!(second.ownership().shards.len(), usize::from(SHARDS));
    // That attempt was cut off.
    assert!(matches!(claim(&*second).await.which, Which::At { attempt: 2, .. }));
    second.close().await.unwrap();
    kind.remove(&name).await;
}

pub(crate) fn named(id: &str, payload: &str) -> Draft {
    let id = Some((id.into(), Fingerprint::of(&[payload.as_bytes()])));
    Draft { id, ..Draft::new("user:42", payload.to_owned()).unwrap() }
}

/// What is accepted at either node lies in one lane in the order of the answers, and is answered alike.
async fn accepting_at_either(kind: Kind) {
    let name = crate::new_name();
    let first = kind.open_shared(&name).await.unwrap();
    let second = kind.open_shared(&name).await.unwrap();
    let nodes = [&first, &second];
    let mut ids = Vec::new();
    for number in 0..20 {
        let draft = draft(number);
        let receipts = nodes[number as usize % 2].accept(vec![draft], Bounds::NONE).await.unwrap();
        assert!(!receipts[0].duplicate);
        ids.push(receipts[0].id.to_string());
    }
    let batch = vec![named("a", "{}"), named("b", "{}"), named("a", "{}")];
    for (node, known) in
        [(&second, [false, false, true]), (&first, [true; 3]), (&second, [true; 3])]
    {
        let receipts = node.accept(batch.clone(), Bounds::NONE).await.unwrap();
        assert_eq!(receipts.iter().map(|it| it.duplicate).collect::<Vec<_>>(), known);
        assert_eq!(receipts[1].id.to_string(), "b");
    }
    let batch = vec![draft(20), named("b", r#"{"n":2}"#)];
    let taken = second.accept(batch.clone(), Bounds::NONE).await;
    assert_eq!(taken, first.accept(batch, Bounds::NONE).await);
    assert!(
        matches!(&taken, Err(AcceptError::Refused(one)) if one[..] == [Refusal { index: 1, bound: None }])
    );
    let few = Bounds { backlog_per_key: 22, ..Bounds::NONE };
    let refused = second.accept(vec![draft(21)], few).await;
    let Err(AcceptError::Refused(why)) = refused else { panic!("{refused:?}") };
    assert_eq!(why[0].bound, Some(Bound::BacklogPerKey));

    let records = records(&*first, "user:42").await;
    let seen: Vec<_> = records[..20].iter().map(|record| record.id.to_string()).collect();
    assert_eq!((seen, records.len()), (ids, 22));

    // What comes while there is no owner waits for the next one, which it is itself.
    drop(first);
    let receipts = second.accept(vec![named("late", "{}")], Bounds::NONE).await.unwrap();
    assert!(!receipts[0].duplicate);
    assert_eq!(second.counts().await.unwrap().backlog, 23);
    second.close().await.unwrap();
    kind.remove(&name).await;
}

/// All that lies in the lane of a topic.
pub(crate) async fn records(store: &dyn Store, topic: &str) -> Vec<Record> {
    let lanes = store.walk(None, 9).await.unwrap();
    let lane = lanes.iter().find(|lane| &*lane.topic == topic).unwrap().id;
    let ask = Ask { lane, after: 0, limit: 99, max_bytes: usize::MAX };
    store.fetch(vec![ask]).await.unwrap().remove(0).records
}

/// A batch that is too large for one row is whole all the same, among others and beside the owner's.
async fn a_large_batch(kind: Kind) {
    let name = crate::new_name();
    let first = kind.open_shared(&name).await.unwrap();
    let second = kind.open_shared(&name).await.unwrap();
    let large = (0..12).map(|n| {
        let payload = format!("{{\"n\":{n},\"x\":\"{}\"}}", "x".repeat(250_000));
        Draft::new("user:large", payload).unwrap()
    });
    let large: Vec<_> = large.collect();
    let small = async |number| second.accept(vec![draft(number)], Bounds::NONE).await.unwrap();
    let (all, ..) = tokio::join!(
        second.accept(large.clone(), Bounds::NONE),
        small(1),
        small(2),
        first.accept(vec![draft(3)], Bounds::NONE)
    );
    assert_eq!(all.unwrap().len(), 12);
    assert_eq!(records(&*first, "user:42").await.len(), 3);
    let kept = records(&*first, "user:large").await;
    assert!(kept.iter().map(|record| &record.payload).eq(large.iter().map(|draft| &draft.payload)));
    second.close().await.unwrap();
    first.close().await.unwrap();
    kind.remove(&name).await;
}

/// One that opened it alone lets nobody stand by, and one that stands by leaves when such a one comes.
async fn one_that_is_alone(kind: Kind) {
    let name = crate::new_name();
    let alone = kind.open(&name).await.unwrap();
    let Err(StoreError::Locked(why)) = kind.open_shared(&name).await else { panic!("it is alone") };
    assert!(why.contains("`channel`"), "{why}");
    alone.close().await.unwrap();
    let first = kind.open_shared(&name).await.unwrap();
    let second = kind.open_shared(&name).await.unwrap();
    drop(first);
    let alone = kind.open(&name).await.unwrap();
    let left = async {
        while !matches!(second.promote().await, Err(StoreError::Locked(_))) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), left).await.unwrap();
    alone.close().await.unwrap();
    kind.remove(&name).await;
}

/// What a newer version has made is left alone.
async fn a_newer_version(kind: Kind) {
    let name = crate::new_name();
    kind.open(&name).await.unwrap().close().await.unwrap();
    let table = if matches!(kind, Kind::Postgres) { "state" } else { "roundsman_state" };
    kind.run(&name, &format!("UPDATE {table} SET version = 99")).await;
    let Err(StoreError::Unusable(why)) = kind.open(&name).await else { panic!("it is newer") };
    assert!(why.contains("version 99") && why.contains("newer Roundsman"), "{why}");
    kind.remove(&name).await;
}

on_both!(
    a_second_opening,
    a_cut,
    a_silent_owner,
    a_node_that_stands_by,
    accepting_at_either,
    a_large_batch,
    one_that_is_alone,
    a_newer_version
);
