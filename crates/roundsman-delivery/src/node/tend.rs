//! What runs beside the stages: hints carried over, time told, what is due promoted.

use crate::feed::{Feed, Happening};
use crate::metrics::Metrics;
use crate::source::SourceInfo;
use roundsman::{Reason, StageRef};
use roundsman_store::{Clock, DeadFilter, Hints, State, Store, StoreError, Sweep};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often the source looks for overdue acknowledgements and idle lanes.
const TICK: Duration = Duration::from_millis(100);
/// A lap over the store's lanes is walked once in so many ticks, for safety.
const LAP: u32 = 600;
/// How often the store is asked to promote what is due, at the most and at the least often.
const PROMOTE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// Carries hints from the store to the source.
pub(super) async fn hints(mut hints: Hints, source: StageRef<SourceInfo>) {
    while let Some(hint) = hints.recv().await {
        if source.info(SourceInfo::Hint(hint)).is_err() {
            return;
        }
    }
}

/// Tells the source that time has passed.
pub(super) async fn clock(source: StageRef<SourceInfo>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0u32;
    loop {
        ticks.tick().await;
        count = count.wrapping_add(1);
        let lap = count.is_multiple_of(LAP);
        if source.info(SourceInfo::Tick).is_err() || (lap && source.info(SourceInfo::Lap).is_err())
        {
            return;
        }
    }
}

/// Has the store promote what is due. The store goes by its own clock; this only wakes it.
pub(super) async fn promote(
    store: Arc<dyn Store>,
    source: StageRef<SourceInfo>,
    metrics: Arc<Metrics>,
    feed: Arc<Feed>,
) {
    loop {
        let pause = match store.promote().await {
            Ok(promoted) => {
                metrics.expired.fetch_add(promoted.expired, Ordering::Relaxed);
                if promoted.expired > 0 && feed.is_watched() {
                    tell_expired(&store, &feed).await;
                }
                if !promoted.lanes.is_empty()
                    && source.info(SourceInfo::Lanes(promoted.lanes)).is_err()
                {
                    return;
                }
                if promoted.again { PROMOTE.0 } else { PROMOTE.1 }
            }
            Err(StoreError::Closed | StoreError::Unusable(_)) => return,
            Err(error @ StoreError::Locked(_)) => {
                // It was taken over from, and nothing here is true any more.
                source.stop(Reason::failed(error));
                return;
            }
            Err(_) => PROMOTE.1,
        };
        tokio::time::sleep(pause).await;
    }
}

/// The store says how many expired where they waited, not which: those that somebody watches are
/// looked up.
async fn tell_expired(store: &Arc<dyn Store>, feed: &Feed) {
    for id in feed.overdue() {
        match store.find(&id).await {
            Ok(Some(seen)) if seen.state != State::Expired => {}
            Ok(_) => feed.expired(id),
            Err(_) => return,
        }
    }
}

/// How often a lap over the dead letters is made, at the most and at the least often.
const DEAD_LAP: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(1));

/// Drops dead letters that were kept for long enough: a lap over all of them every so often, step
/// by step. Nothing indexes when they died; that would cost each of them, and this costs few.
pub(super) async fn forget_dead(
    store: Arc<dyn Store>,
    (kept, clock): (Option<Duration>, Arc<dyn Clock>),
    metrics: Arc<Metrics>,
    feed: Arc<Feed>,
) {
    let Some(kept) = kept else { return };
    let pause = (kept / 100).clamp(DEAD_LAP.0, DEAD_LAP.1);
    let mut after = 0;
    loop {
        let until = Some(clock.now().before(kept));
        let filter = DeadFilter { until, ..DeadFilter::default() };
        let sweep = Sweep { filter, after, limit: Sweep::CHANGED };
        let next = match store.drop_dead(sweep).await {
            Ok(swept) => {
                metrics.dead_dropped.fetch_add(swept.done.len() as u64, Ordering::Relaxed);
                feed.operated(&swept, &Happening::DeadDropped);
                swept.next
            }
            Err(StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::StandsBy(_)) => None,
            Err(_) => return,
        };
        after = next.unwrap_or(0);
        tokio::time::sleep(if next.is_some() { PROMOTE.0 } else { pause }).await;
    }
}
