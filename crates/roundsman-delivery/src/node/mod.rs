//! A node: one running engine. Start it, hand it messages, tell it who joined, drain it.

use crate::{IntakeError, Metrics, Retry, Rules, Snapshot, Target, To};
use roundsman_store::{Bounds, Draft, Receipt, Settled, Sighting, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// What a node runs by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Demand.
    pub dispatch: Dispatch,
    /// How much is taken in.
    pub bounds: Bounds,
    /// How failures are tried again.
    pub retry: Retry,
    /// What goes where.
    pub rules: Rules,
}

/// Demand of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// Messages in flight at most.
    pub max_in_flight: usize,
    /// Payload bytes in flight at most; one message always goes.
    pub max_bytes: usize,
    /// Messages of one key in flight at most.
    pub per_key: usize,
}

/// What was left when a node had drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Attempts that were still under way at the deadline and were cut off.
    pub cut: u64,
    /// Messages that stay in the store.
    pub kept: u64,
}

/// Builds a [`Node`].
#[derive(Debug)]
pub struct NodeBuilder;

impl NodeBuilder {
    /// With these settings in place of the defaults.
    #[must_use]
    pub fn settings(self, settings: Settings) -> Self {
        let _ = settings;
        unimplemented!()
    }

    /// With this target for what `to` names.
    #[must_use]
    pub fn target(self, to: To, target: Arc<dyn Target>) -> Self {
        let _ = (to, target);
        unimplemented!()
    }

    /// Starts the stages on the current tokio runtime.
    ///
    /// # Errors
    /// The store's hints were taken already.
    pub fn start(self) -> Result<Node, StoreError> {
        unimplemented!()
    }
}

/// The handle of a running engine; clones are the same node.
#[derive(Clone, Debug)]
pub struct Node;

impl Node {
    /// A node on this store, with every default.
    #[must_use]
    pub fn builder(store: Arc<dyn Store>) -> NodeBuilder {
        let _ = store;
        unimplemented!()
    }

    /// Takes messages in: durable on return, as far as the store promises.
    ///
    /// # Errors
    /// Draining, refused, or the store failed; see [`IntakeError`].
    ///
    /// # Cancel safety
    /// Dropped before it is done, whether the messages were accepted is unknown.
    pub async fn accept(&self, batch: Vec<Draft>) -> Result<Vec<Receipt>, IntakeError> {
        let _ = batch;
        unimplemented!()
    }

    /// A client joined `topic`; `asks` says that it will acknowledge. Call after the join was
    /// answered and the client is in the target's audience.
    pub fn joined(&self, topic: &Arc<str>, asks: bool) {
        let _ = (topic, asks);
    }

    /// A client left `topic`, as it had joined it. Call after it is out of the target's audience.
    pub fn left(&self, topic: &Arc<str>, asks: bool) {
        let _ = (topic, asks);
    }

    /// A client acknowledges messages of `topic` by their ids. Done when that is durable.
    /// Ids that are unknown, settled already, or not of this topic answer so and harm nothing.
    ///
    /// # Errors
    /// The store failed; nothing is known of the ids then.
    pub async fn acknowledge(
        &self,
        topic: &Arc<str>,
        ids: Vec<Arc<str>>,
    ) -> Result<Vec<Settled>, StoreError> {
        let _ = (topic, ids);
        unimplemented!()
    }

    /// One message by its id.
    ///
    /// # Errors
    /// The store failed, or cannot look one up.
    pub async fn find(&self, id: &str) -> Result<Option<Sighting>, StoreError> {
        let _ = id;
        unimplemented!()
    }

    /// What it holds, all at once.
    ///
    /// # Errors
    /// The store failed.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        unimplemented!()
    }

    /// What it counted so far.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        unimplemented!()
    }

    /// The rules it delivers by.
    #[must_use]
    pub fn rules(&self) -> Rules {
        unimplemented!()
    }

    /// Whether it can take messages in: the store answers and it is not draining.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        unimplemented!()
    }

    /// Refuses what comes in from now on; what is in flight goes on.
    pub fn stop_intake(&self) {}

    /// Takes nothing new, asks for nothing more, waits until what is in flight is settled or
    /// `within` has passed. The rest stays in the store.
    pub async fn drain(&self, within: Duration) -> DrainReport {
        let _ = within;
        unimplemented!()
    }
}
