//! What is logged, and what is not. Apart from the other tests: whether a warning is looked at is
//! decided once for the whole process, and those that count none must not be the ones to decide.

#![allow(clippy::unwrap_used)]

#[path = "stages/play.rs"]
#[allow(dead_code)]
mod play;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use roundsman::{
    Broadcast, Emitter, Keep, Mode, Producer, Reason,
    stage::ProducerPlan,
    testing::{Probe, Script},
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

use crate::play::{Told, demand, manual, taking};

/// Counts warnings.
struct Warnings(Arc<AtomicUsize>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, SeqCst);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// How many warnings `scene` writes. It has a runtime of its own, on this thread.
fn warnings(scene: impl Future<Output = ()>) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let subscriber = Warnings(Arc::clone(&count));
    tracing::subscriber::with_default(subscriber, || runtime.block_on(scene));
    count.load(SeqCst)
}

/// Emits three events as often as it is told to, and says nothing of those it loses.
struct Silent;

impl Producer for Silent {
    type Event = u64;
    type Info = tokio::sync::oneshot::Sender<()>;

    async fn handle_demand(&mut self, _: usize, _: &mut Emitter<'_, u64>) -> Result<(), Reason> {
        Ok(())
    }

    async fn handle_info(
        &mut self,
        done: Self::Info,
        out: &mut Emitter<'_, u64>,
    ) -> Result<(), Reason> {
        out.extend(0..3);
        out.flush();
        done.send(()).map_err(|()| Reason::failed("nobody waits"))
    }

    fn handle_discarded(&mut self, _: usize) -> bool {
        false
    }
}

async fn overflow(plan: impl FnOnce(ProducerPlan<Script<u64>>) -> ProducerPlan<Script<u64>>) {
    let (script, _saw) = Script::new();
    let producer = plan(roundsman::producer(script)).spawn();
    producer.stage.emit(0..10);
    producer.stage.sync().await;
}

/// Rows 24, 25, 26, 28 and 29: one warning for each emit that loses events, unless the hook says
/// not to.
#[test]
fn an_overflow_warns_once_unless_told_not_to() {
    assert_eq!(warnings(overflow(|plan| plan.buffer(3).keep(Keep::First))), 1);
    assert_eq!(warnings(overflow(|plan| plan.buffer(3).keep(Keep::Last))), 1);
    assert_eq!(warnings(overflow(ProducerPlan::unbounded)), 0);
    let silence = async {
        let producer = roundsman::producer(Silent).buffer(1).spawn();
        let (done, emitted) = tokio::sync::oneshot::channel();
        producer.stage.info(done).unwrap();
        emitted.await.unwrap();
        tokio::task::yield_now().await;
        assert_eq!(producer.stage.counts().discarded, 2);
    };
    assert_eq!(warnings(silence), 0);
}

/// Row 113.
#[test]
fn an_ask_above_the_usual_warns() {
    let greedy = async {
        let (script, mut saw) = Script::new();
        let producer = roundsman::producer(script).spawn();
        for max in [10, 10, 11] {
            let (_consumer, _took) = taking::<u64>(&producer.outlet, demand(max, 0));
            assert_eq!(saw.demand().await, max);
        }
    };
    assert_eq!(warnings(greedy), 1);
}

/// Row 124.
#[test]
fn a_second_subscription_to_a_broadcast_warns() {
    let twice = async {
        let (script, _saw) = Script::new();
        let producer = roundsman::producer(script).dispatcher(Broadcast::new()).spawn();
        let (probe, mut took) = Probe::<u64>::new(Mode::Manual);
        let consumer = roundsman::consumer(probe).spawn();
        consumer.inlet.subscribe(&producer.outlet, demand(1, 0)).unwrap();
        consumer.inlet.subscribe(&producer.outlet, demand(1, 0)).unwrap();
        took.parting().await;
    };
    assert_eq!(warnings(twice), 1);
}

/// An excess over what an automatic subscription asked for is told; a manual one keeps no books.
#[test]
fn an_excess_warns() {
    /// Gives three too many to the first ask, and nothing after.
    #[derive(Default)]
    struct Pushy(bool);
    impl roundsman::Dispatcher<u64> for Pushy {
        fn subscribe(&mut self, _: &roundsman::dispatch::Joining<u64>) -> Result<(), Reason> {
            Ok(())
        }
        fn cancel(&mut self, _: roundsman::SubscriptionId) {}
        fn ask(
            &mut self,
            who: roundsman::SubscriptionId,
            n: usize,
            deliver: roundsman::dispatch::Deliver<'_, u64>,
        ) {
            if !std::mem::replace(&mut self.0, true) {
                deliver(who, vec![0; n + 3]);
            }
        }
        fn wanted(&self) -> usize {
            0
        }
        fn dispatch(&mut self, _: Vec<u64>, _: roundsman::dispatch::Deliver<'_, u64>) {}
    }
    let pushed = async {
        let (script, _saw) = Script::new();
        let producer = roundsman::producer(script).dispatcher(Pushy::default()).spawn();
        let (_consumer, mut took) = taking(&producer.outlet, demand(4, 2));
        assert_eq!(took.events(7).await.len(), 7);
    };
    assert_eq!(warnings(pushed), 1);
    let manually = async {
        let (script, _saw) = Script::new();
        let producer = roundsman::producer(script).dispatcher(Pushy::default()).spawn();
        let (consumer, mut took, subscription) = manual(&producer.outlet, demand(4, 2)).await;
        consumer.inlet.ask(subscription, 4);
        assert_eq!(took.batch().await.len(), 7);
    };
    assert_eq!(warnings(manually), 0);
}
