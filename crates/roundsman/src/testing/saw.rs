//! What a stage under test reports, and how the test reads it.

use std::fmt;

use tokio::sync::mpsc;

use crate::{Parting, Reason, SubscriptionId};

/// One thing that happened to a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<E> {
    /// It was asked for so many events.
    Demand(usize),
    /// It was given these, in one call.
    Batch(SubscriptionId, Vec<E>),
    /// A subscription began.
    Subscribed(SubscriptionId),
    /// A subscription ended.
    Parted(SubscriptionId, Parting),
    /// It was told [`Step::Note`](super::Step::Note).
    Note(u64),
    /// Its buffer gave up so many events.
    Discarded(usize),
    /// It ended.
    Terminated(Reason),
}

/// The test's end: what the stage saw, in order.
#[derive(Debug)]
pub struct Saw<E> {
    seen: mpsc::UnboundedReceiver<Seen<E>>,
}

impl<E: fmt::Debug> Saw<E> {
    pub(super) fn pair() -> (mpsc::UnboundedSender<Seen<E>>, Self) {
        let (report, seen) = mpsc::unbounded_channel();
        (report, Self { seen })
    }

    /// Waits for the next thing; nothing once the stage is gone and all was read.
    pub async fn next(&mut self) -> Option<Seen<E>> {
        self.seen.recv().await
    }

    /// All that is there already.
    pub fn so_far(&mut self) -> Vec<Seen<E>> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }

    /// Waits for the next demand, passing over everything else.
    ///
    /// # Panics
    /// The stage ended first.
    pub async fn demand(&mut self) -> usize {
        self.find(|seen| if let Seen::Demand(n) = seen { Some(n) } else { None }).await
    }

    /// Waits for the next batch, passing over everything else.
    ///
    /// # Panics
    /// The stage ended first.
    pub async fn batch(&mut self) -> Vec<E> {
        self.find(|seen| if let Seen::Batch(_, events) = seen { Some(events) } else { None }).await
    }

    /// Waits until `n` events have come, in however many batches; returns them in order.
    ///
    /// # Panics
    /// The stage ended first.
    pub async fn events(&mut self, n: usize) -> Vec<E> {
        let mut events = Vec::with_capacity(n);
        while events.len() < n {
            events.append(&mut self.batch().await);
        }
        events
    }

    /// Waits for the next subscription, passing over everything else.
    ///
    /// # Panics
    /// The stage ended first.
    pub async fn subscription(&mut self) -> SubscriptionId {
        self.find(|seen| if let Seen::Subscribed(id) = seen { Some(id) } else { None }).await
    }

    /// Waits for the next end of a subscription, passing over everything else.
    ///
    /// # Panics
    /// The stage ended first.
    pub async fn parting(&mut self) -> Parting {
        self.find(|seen| if let Seen::Parted(_, how) = seen { Some(how) } else { None }).await
    }

    /// Waits for the first thing that `pick` picks, passing over everything else.
    ///
    /// # Panics
    /// The stage ended first.
    #[expect(clippy::panic, reason = "a test's expectation that cannot be met any more")]
    pub async fn find<T>(&mut self, mut pick: impl FnMut(Seen<E>) -> Option<T>) -> T {
        while let Some(seen) = self.next().await {
            if let Some(found) = pick(seen) {
                return found;
            }
        }
        panic!("the stage ended before it saw what the test waits for")
    }
}
