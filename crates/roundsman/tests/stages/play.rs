//! Short words for what most tests begin with.

use std::fmt::Debug;

use roundsman::{
    Mode, Outlet, Reason, StageRef, Subscribe, SubscriptionId,
    stage::{ConsumerStage, ProducerStage},
    testing::{Probe, Saw, Script, Step},
};
use tokio::sync::oneshot;

pub(crate) type Made<E> = (ProducerStage<E, Step<E>>, Saw<E>);
pub(crate) type Taken<E> = (ConsumerStage<E, Step<E>>, Saw<E>);

pub(crate) fn script<E: Debug + Send + 'static>() -> Made<E> {
    let (script, saw) = Script::new();
    (roundsman::producer(script).spawn(), saw)
}

pub(crate) fn probe<E: Debug + Send + 'static>() -> Taken<E> {
    let (probe, saw) = Probe::new(Mode::Automatic);
    (roundsman::consumer(probe).spawn(), saw)
}

pub(crate) async fn manual<E: Debug + Send + 'static>(
    outlet: &Outlet<E>,
    terms: Subscribe,
) -> (ConsumerStage<E, Step<E>>, Saw<E>, SubscriptionId) {
    let (probe, mut saw) = Probe::new(Mode::Manual);
    let consumer = roundsman::consumer(probe).spawn();
    consumer.inlet.subscribe(outlet, terms).unwrap();
    let subscription = saw.subscription().await;
    (consumer, saw, subscription)
}

/// A probe with an automatic subscription under these terms.
pub(crate) fn taking<E: Debug + Send + 'static>(outlet: &Outlet<E>, terms: Subscribe) -> Taken<E> {
    let (consumer, saw) = probe();
    consumer.inlet.subscribe(outlet, terms).unwrap();
    (consumer, saw)
}

pub(crate) trait Told<E> {
    fn emit(&self, events: impl IntoIterator<Item = E>);
    fn end(&self, reason: Reason);
    async fn sync(&self);
}

impl<E: Debug> Told<E> for StageRef<Step<E>> {
    fn emit(&self, events: impl IntoIterator<Item = E>) {
        self.info(Step::Emit(events.into_iter().collect())).unwrap();
    }

    fn end(&self, reason: Reason) {
        self.info(Step::Return(reason)).unwrap();
    }

    /// Returns once the stage has handled everything sent to it before.
    async fn sync(&self) {
        let (done, handled) = oneshot::channel();
        self.info(Step::Sync(done)).unwrap();
        handled.await.unwrap();
    }
}

pub(crate) fn demand(max: usize, min: usize) -> Subscribe {
    Subscribe::default().max_demand(max).min_demand(min)
}
