//! The clerk: carries out what the source asks of lanes at the store, blocks and releases, in order.
//!
//! The order is what keeps a join from being lost: a lane that was blocked because nobody was
//! there, and released by a join a moment later, must not end up blocked. The same goes for a lane
//! whose endpoint was parked and answers again.

use super::info::SourceInfo;
use crate::patience::{Pause, until_answered};
use futures_util::future::join_all;
use roundsman::StageRef;
use roundsman_store::{Block, LaneId, Release, Store};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What the clerk is asked to do.
#[derive(Debug)]
pub(crate) enum Errand {
    /// These lanes have to wait.
    Block(Vec<(LaneId, Block)>),
    /// What these waited for is there.
    Release(Release),
}

/// How long the clerk waits before it tries the store again.
const PAUSE: Pause =
    Pause { first: Duration::from_millis(100), longest: Duration::from_millis(100) };

/// Carries out errands until there is nobody left to send any.
pub(crate) async fn clerk(
    store: Arc<dyn Store>,
    mut errands: mpsc::UnboundedReceiver<Errand>,
    source: StageRef<SourceInfo>,
) {
    let mut waiting = Vec::new();
    while errands.recv_many(&mut waiting, 1024).await > 0 {
        let mut blocks = Vec::new();
        let mut releases = Vec::new();
        for errand in waiting.drain(..) {
            match errand {
                Errand::Block(lanes) => {
                    release(&store, &mut releases, &source).await;
                    blocks.extend(lanes);
                }
                Errand::Release(which) => {
                    block(&store, &mut blocks).await;
                    releases.push(which);
                }
            }
        }
        block(&store, &mut blocks).await;
        release(&store, &mut releases, &source).await;
    }
}

async fn block(store: &Arc<dyn Store>, lanes: &mut Vec<(LaneId, Block)>) {
    if lanes.is_empty() {
        return;
    }
    // The sort is stable: of several blocks of a lane the last one asked for is written.
    lanes.reverse();
    lanes.sort_by_key(|(lane, _)| *lane);
    lanes.dedup_by_key(|(lane, _)| *lane);
    let batch = std::mem::take(lanes);
    let _ = until_answered("a block", PAUSE, || store.block(batch.clone())).await;
}

async fn release(
    store: &Arc<dyn Store>,
    releases: &mut Vec<Release>,
    source: &StageRef<SourceInfo>,
) {
    let batch = std::mem::take(releases);
    let released = join_all(batch.into_iter().map(|which| async move {
        until_answered("a release", PAUSE, || store.release(which.clone())).await
    }));
    for lanes in released.await.into_iter().flatten() {
        if !lanes.is_empty() && source.info(SourceInfo::Lanes(lanes)).is_err() {
            return;
        }
    }
}
