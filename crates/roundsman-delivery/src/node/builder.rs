//! Building a node: the stages, wired and started.

use super::handle::{Node, Shared};
use super::tend;
use crate::augment::{Augment, AugmentInfo, AugmentStage};
use crate::deliver::{DeliverStage, Ended, Turn};
use crate::feed::Feed;
use crate::metrics::{AugmentMetrics, Metrics};
use crate::settle::SettleStage;
use crate::source::{Held, Limits, Needs, SourceInfo, SourceStage, clerk};
use crate::target::{Target, Targets};
use crate::{Dispatch, Retry, Rules, To};
use roundsman::Subscribe;
use roundsman::stage::{TransformStage, consumer, producer, transform};
use roundsman_store::{Bounds, Clock, Hints, Store, StoreError, SystemClock};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

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
    /// How long dead letters are kept; `None`: until somebody drops them.
    pub dead_kept: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dispatch: Dispatch::default(),
            bounds: Bounds::NONE,
            retry: Retry::default(),
            rules: Rules::default(),
            dead_kept: None,
        }
    }
}

/// Builds a [`Node`].
pub struct NodeBuilder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    targets: Targets,
    augments: Vec<Augment>,
}

impl NodeBuilder {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        let (settings, targets) = (Settings::default(), Targets::default());
        Self { store, clock: Arc::new(SystemClock), settings, targets, augments: Vec::new() }
    }

    /// With these settings in place of the defaults.
    #[must_use]
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// With this target for what `to` names.
    #[must_use]
    pub fn target(mut self, to: To, target: Arc<dyn Target>) -> Self {
        self.targets.add(to, target);
        self
    }

    /// With this augmentation behind those there are: messages pass them in this order.
    #[must_use]
    pub fn augment(mut self, augment: Augment) -> Self {
        self.augments.push(augment);
        self
    }

    /// With this clock; it has to be the one that the store goes by.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Starts the stages on the current tokio runtime.
    ///
    /// # Errors
    /// The store's hints were taken already: one node for each opening of a store. Or there are
    /// more than 64 augmentations.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(self) -> Result<Node, StoreError> {
        let hints = self.hints()?;
        let Self { store, clock, settings, targets, augments } = self;
        let metrics = Arc::new(counting(&augments));
        let feed = Arc::new(Feed::new(clock.clone()));
        let (errands, errand_list) = mpsc::unbounded_channel();
        let (held, resting) = watch::channel(Held::default());
        let limits = Limits {
            dispatch: settings.dispatch.clone(),
            retry: settings.retry,
            rules: settings.rules.clone(),
            targets: targets.clone(),
            augments: augments.clone().into(),
        };
        let (shows, ended) = ((metrics.clone(), feed.clone()), Ended::default());
        let asks = (errands, ended.clone());
        let source = SourceStage::new(store.clone(), clock.clone(), limits, shows, asks, held);
        let source = producer(source).unbounded().spawn();
        let policy = (settings.rules.clone(), settings.retry);
        let most = settings.dispatch.max_in_flight.max(1);
        let (shows, told) = ((metrics.clone(), feed.clone()), (source.stage.clone(), ended));
        let by = (settings.rules.clone(), clock.clone());
        let road = augmenting(augments, &by, &metrics);
        let first = road.first().map(|augment| augment.stage.clone());
        let deliver = DeliverStage::new(targets, policy, clock.clone(), shows, told, first, most);
        let deliver = transform(deliver).spawn();
        let (tells, counts) = (source.stage.clone(), metrics.clone());
        let settle = SettleStage::new(store.clone(), clock.clone(), tells, counts, feed.clone());
        let at_once = most.max(SETTLE_AT_ONCE);
        let settle = consumer(settle).merge(at_once).spawn();
        let _ = source.stage.info(SourceInfo::Downstream(deliver.stage.clone()));
        // What is out when the road is full: as much again may wait to be settled, no more.
        let terms = Subscribe::default().max_demand(at_once * 2).min_demand(at_once);
        settle.inlet.subscribe(&deliver.outlet, terms).map_err(unusable)?;
        let terms = Subscribe::default().max_demand(most);
        let (mut outlet, mut augments) = (&source.outlet, Vec::new());
        for augment in &road {
            let _ = augment.stage.info(AugmentInfo::Downstream(deliver.stage.clone()));
            augment.inlet.subscribe(outlet, terms).map_err(unusable)?;
            outlet = &augment.outlet;
            augments.push(augment.stage.clone());
        }
        deliver.inlet.subscribe(outlet, terms).map_err(unusable)?;
        let keeps = (settings.dead_kept, clock.clone());
        let tasks = vec![
            tokio::spawn(clerk(store.clone(), errand_list, source.stage.clone())),
            tokio::spawn(tend::hints(hints, source.stage.clone())),
            tokio::spawn(tend::clock(source.stage.clone())),
            tokio::spawn(tend::promote(
                store.clone(),
                source.stage.clone(),
                metrics.clone(),
                feed.clone(),
            )),
            tokio::spawn(tend::forget_dead(store.clone(), keeps, metrics.clone(), feed.clone())),
        ];
        let stages = (source.stage, augments, deliver.stage, settle.stage);
        let shows = (metrics, feed);
        Ok(Node::new(Shared::new(store, settings, shows, stages, resting, tasks)))
    }

    /// The hints of the store, where the node can be built.
    fn hints(&self) -> Result<Hints, StoreError> {
        if self.augments.len() > Needs::MOST {
            return Err(unusable(format!("there are more than {} augmentations", Needs::MOST)));
        }
        let taken = || unusable("another node runs on this opening of the store");
        self.store.hints().ok_or_else(taken)
    }
}

/// What a node with these augmentations counts.
fn counting(augments: &[Augment]) -> Metrics {
    let named = |augment: &Augment| {
        let name = augment.name.clone();
        Arc::new(AugmentMetrics { name, ..AugmentMetrics::default() })
    };
    Metrics { augments: augments.iter().map(named).collect(), ..Metrics::default() }
}

/// The stages of these augmentations, in order.
fn augmenting(
    augments: Vec<Augment>,
    by: &(Rules, Arc<dyn Clock>),
    metrics: &Metrics,
) -> Vec<TransformStage<Turn, Turn, AugmentInfo>> {
    let stages = augments.into_iter().zip(&metrics.augments).enumerate();
    let spawn = |(number, (augment, metrics)): (usize, (Augment, &Arc<AugmentMetrics>))| {
        transform(AugmentStage::new(augment, by.clone(), metrics.clone(), number == 0)).spawn()
    };
    stages.map(spawn).collect()
}

/// Outcomes of one commit, where so many wait.
const SETTLE_AT_ONCE: usize = 2000;

fn unusable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unusable(error.to_string())
}

impl std::fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeBuilder")
            .field("settings", &self.settings)
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}
