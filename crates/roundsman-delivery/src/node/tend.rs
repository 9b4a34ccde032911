//! What runs beside the stages: hints carried over, time told, what is due promoted.

use crate::metrics::Metrics;
use crate::source::SourceInfo;
use roundsman::StageRef;
use roundsman_store::{Hints, Store, StoreError};
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
) {
    loop {
        let pause = match store.promote().await {
            Ok(promoted) => {
                metrics.expired.fetch_add(promoted.expired, Ordering::Relaxed);
                if !promoted.lanes.is_empty()
                    && source.info(SourceInfo::Lanes(promoted.lanes)).is_err()
                {
                    return;
                }
                if promoted.again { PROMOTE.0 } else { PROMOTE.1 }
            }
            Err(StoreError::Closed | StoreError::Unusable(_)) => return,
            Err(_) => PROMOTE.1,
        };
        tokio::time::sleep(pause).await;
    }
}
