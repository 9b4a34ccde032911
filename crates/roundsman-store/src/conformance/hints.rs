//! Hints: news of what was committed, in the order of commits; a walk finds what they miss.

use super::trial::{Trial, done, draft, drafts, label, named};
use crate::{Block, Bounds, Draft, Fresh, Hint, Hints, Outcome};
use std::collections::HashSet;

/// All news that has come, if no walk was asked for.
fn news(hints: &mut Hints) -> Option<Vec<Fresh>> {
    let mut all = Vec::new();
    while let Ok(hint) = hints.try_recv() {
        match hint {
            Hint::Fresh(fresh) => all.extend(fresh),
            Hint::Lanes(_) | Hint::Walk => return None,
        }
    }
    Some(all)
}

/// The stream is given once.
pub async fn are_taken_once(trial: Trial) {
    assert!(trial.store.hints().is_some());
    assert!(trial.store.hints().is_none());
}

/// Each record is named once it is committed, in order, with the one before it in its lane.
pub async fn name_what_was_committed(trial: Trial) {
    let mut hints = trial.store.hints().expect("the first time");
    trial.accept(vec![named("a", "k", "t", 0), draft("j", "t", 1), draft("k", "t", 2)]).await;
    trial.accept(drafts("k", "t", 3..4)).await;
    let Some(all) = news(&mut hints) else { return };
    let found: Vec<u64> = all.iter().map(|fresh| label(&fresh.record)).collect();
    assert_eq!(found, [0, 1, 2, 3]);
    let expected = [0, 0, all[0].record.seq, all[2].record.seq];
    for (fresh, expected) in all.iter().zip(expected) {
        assert!(fresh.previous.is_none_or(|previous| previous == expected), "{fresh:?}");
    }
    let kept = trial.read(&all[0].record.lane).await;
    let seqs: Vec<u64> = kept.iter().map(|record| record.seq).collect();
    assert_eq!(seqs, [all[0].record.seq, all[2].record.seq, all[3].record.seq]);
    assert_eq!((&all[0].record.id, &all[0].record.payload), (&kept[0].id, &kept[0].payload));
}

/// The one before counts only while it is kept.
pub async fn the_one_before_is_kept(trial: Trial) {
    let mut hints = trial.store.hints().expect("the first time");
    trial.accept(drafts("k", "t", 0..2)).await;
    let lane = trial.lane("k", "t").await;
    let records = trial.read(&lane).await;
    done(trial.attempt(&records[1], Outcome::Delivered).await);
    trial.accept(drafts("k", "t", 2..3)).await;
    let Some(all) = news(&mut hints) else { return };
    let last = all.last().expect("it was named");
    assert!(last.previous.is_none_or(|previous| previous == records[0].seq), "{last:?}");
}

/// Nothing is said of duplicates, of blocked lanes, nor of what is due later.
pub async fn say_nothing_of_what_waits(trial: Trial) {
    let mut hints = trial.store.hints().expect("the first time");
    trial.accept(vec![named("a", "k", "t", 0)]).await;
    trial.block(&*trial.lane("k", "t").await, Block::Absent).await;
    let deliver_at = Some(trial.later(60));
    let later = Draft { deliver_at, ..draft("j", "t", 1) };
    trial.accept(vec![named("a", "k", "t", 0), draft("k", "t", 2), later]).await;
    trial.accept(drafts("i", "t", 3..4)).await;
    let Some(all) = news(&mut hints) else { return };
    let found: Vec<u64> = all.iter().map(|fresh| label(&fresh.record)).collect();
    assert_eq!(found, [0, 3]);
}

/// A refused batch is no news.
pub async fn say_nothing_of_the_refused(trial: Trial) {
    let mut hints = trial.store.hints().expect("the first time");
    let bounds = Bounds { backlog: 1, ..Bounds::NONE };
    assert!(trial.accept_within(drafts("k", "t", 0..2), bounds).await.is_err());
    if let Some(all) = news(&mut hints) {
        assert!(all.is_empty(), "{all:?}");
    }
}

/// Who reads late learns of everything, or that there is something to walk for.
pub async fn nothing_is_missed_unsaid(trial: Trial) {
    let mut hints = trial.store.hints().expect("the first time");
    let calls = (0..3000).map(|label| {
        let store = trial.store.clone();
        tokio::spawn(
            async move { store.accept(drafts("k", "t", label..label + 1), Bounds::NONE).await },
        )
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.expect("no panic").expect("accepted");
    }
    if let Some(all) = news(&mut hints) {
        let found: HashSet<u64> = all.iter().map(|fresh| label(&fresh.record)).collect();
        assert_eq!(found.len(), 3000);
        assert!(all.is_sorted_by_key(|fresh| fresh.record.seq));
    }
    trial.accept(drafts("j", "t", 0..1)).await;
    assert_ne!(news(&mut hints).map(|all| all.len()), Some(0), "and the stream goes on");
}
