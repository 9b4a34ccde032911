//! Draining: take nothing new, ask for nothing more, wait for what is out, keep the rest.

use super::handle::Node;
use crate::source::SourceInfo;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What was left when a node had drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Attempts that were still under way at the deadline, and acknowledgements still awaited.
    pub cut: u64,
    /// Messages that stay in the store.
    pub kept: u64,
}

impl Node {
    /// Takes nothing new, asks for nothing more, waits until what is in flight is settled or
    /// `within` has passed. The rest stays in the store.
    ///
    /// # Cancel safety
    /// Dropped, the node stays as it is: it takes nothing new and asks for nothing more.
    pub async fn drain(&self, within: Duration) -> DrainReport {
        let deadline = Instant::now() + within;
        self.stop_intake();
        let shared = self.shared();
        let _ = shared.source.info(SourceInfo::Drain);
        let mut held = shared.held.clone();
        let at_rest =
            held.wait_for(|held| held.draining && held.flying == 0 && held.unacknowledged == 0);
        // Past the deadline whatever is still out is cut off; it stays in the store.
        let _ = timeout_at(deadline, at_rest).await;
        shared.feed.end();
        let held = *shared.held.borrow();
        let kept = shared.store.counts().await.map_or(0, |counts| counts.backlog);
        DrainReport { cut: (held.flying + held.unacknowledged) as u64, kept }
    }

    /// Ends the stages and closes the store. Whatever was not settled stays in it.
    pub async fn stop(&self) {
        self.stop_intake();
        self.shared().feed.end();
        self.shared().stop().await;
    }
}
