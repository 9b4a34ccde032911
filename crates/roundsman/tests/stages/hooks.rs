//! What stages are told, what they answer, and subscriptions that take the place of others.

use roundsman::{
    Asker, Cancel, Consumer, Emitter, Mode, Parting, Producer, Reason, StageRef, Subscribe,
    SubscribeError, SubscriptionId, Transform,
    testing::{Script, Seen},
};
use tokio::sync::oneshot;

use crate::play::{Told, demand, manual, probe, script, taking};

/// Rows 49, 65 and 76: ids differ, and the hook sees the terms.
#[tokio::test]
async fn each_subscription_has_an_id_of_its_own() {
    let (producer, mut saw) = script::<u64>();
    let (consumer, mut took) = probe();
    let terms = demand(10, 5);
    let first = consumer.inlet.subscribe(&producer.outlet, terms).unwrap();
    let second = consumer.inlet.subscribe(&producer.outlet, terms).unwrap();
    assert_ne!(first, second);
    assert_eq!((took.subscription().await, took.subscription().await), (first, second));
    assert_ne!(saw.subscription().await, saw.subscription().await);
    assert_eq!((terms.max(), terms.min(), terms.on_cancel()), (10, 5, Cancel::Permanent));
}

/// Row 50.
#[tokio::test]
async fn a_consumer_that_ended_cannot_be_subscribed() {
    let (producer, _saw) = script::<u64>();
    let (consumer, _took) = probe();
    consumer.stage.stop(Reason::Normal);
    consumer.stage.ended().await;
    let refused = consumer.inlet.subscribe(&producer.outlet, demand(10, 5));
    assert_eq!(refused, Err(SubscribeError::ConsumerEnded));
}

/// Rows 56, 57, 58 and 59: a fresh id, the hook runs again, the old one ends for the reason given
/// and ends nobody; an unknown old one is no error, contradicting terms are.
#[tokio::test]
async fn a_subscription_takes_the_place_of_another() {
    let (producer, mut saw) = script::<u64>();
    let (consumer, mut took) = taking(&producer.outlet, demand(10, 5));
    let old = took.subscription().await;
    saw.subscription().await;
    let why = Reason::failed("better terms");
    let wrong = consumer.inlet.resubscribe(old, why.clone(), &producer.outlet, demand(0, 0));
    assert_eq!(wrong, Err(SubscribeError::NoDemand));
    let new =
        consumer.inlet.resubscribe(old, why.clone(), &producer.outlet, demand(20, 5)).unwrap();
    assert_eq!(took.subscription().await, new);
    assert_eq!(took.next().await, Some(Seen::Parted(old, Parting::Cancelled(why.clone()))));
    assert_eq!(saw.parting().await, Parting::Cancelled(why.clone()));
    // Ten were asked for on the old one; they are owed still, and serve the new one.
    assert_eq!(saw.demand().await, 10);
    producer.stage.emit(0..20);
    assert_eq!(took.events(20).await.len(), 20);
    assert_eq!(consumer.stage.reason(), None);

    let again = consumer.inlet.resubscribe(old, why, &producer.outlet, demand(3, 1)).unwrap();
    assert_eq!(took.subscription().await, again);
    consumer.stage.sync().await;
    assert_eq!(consumer.stage.counts().producers, 2);
}

enum Call {
    /// Emits before it answers.
    Emit(u64, oneshot::Sender<&'static str>),
    /// Answers before it emits.
    Answer(u64, oneshot::Sender<&'static str>),
    Stop(oneshot::Sender<&'static str>),
}

struct Callee;

impl Producer for Callee {
    type Event = u64;
    type Info = Call;

    async fn handle_demand(&mut self, _: usize, _: &mut Emitter<'_, u64>) -> Result<(), Reason> {
        Ok(())
    }

    async fn handle_info(&mut self, call: Call, out: &mut Emitter<'_, u64>) -> Result<(), Reason> {
        match call {
            Call::Emit(event, reply) => {
                out.emit(event);
                out.flush();
                reply.send("emitted").map_err(Reason::failed)
            }
            Call::Answer(event, reply) => {
                reply.send("will emit").map_err(Reason::failed)?;
                out.emit(event);
                Ok(())
            }
            Call::Stop(reply) => {
                reply.send("stopping").map_err(Reason::failed)?;
                Err(Reason::Shutdown)
            }
        }
    }
}

/// Rows 69, 70 and 71: an info with a sender in it is a call.
#[tokio::test]
async fn a_call_is_an_info_that_carries_where_to_answer() {
    let producer = roundsman::producer(Callee).spawn();
    let (_consumer, mut took) = taking(&producer.outlet, demand(10, 5));
    took.subscription().await;
    for (event, call, answer) in [
        (1, Call::Emit as fn(u64, oneshot::Sender<_>) -> Call, "emitted"),
        (2, Call::Answer, "will emit"),
    ] {
        let (reply, answered) = oneshot::channel();
        assert!(producer.stage.info(call(event, reply)).is_ok());
        assert_eq!(answered.await, Ok(answer));
        assert_eq!(took.batch().await, [event]);
    }
    let (reply, answered) = oneshot::channel();
    assert!(producer.stage.info(Call::Stop(reply)).is_ok());
    assert_eq!(answered.await, Ok("stopping"));
    assert_eq!(producer.stage.ended().await, Reason::Shutdown);
}

/// Refuses every subscription.
struct Refuses;

impl Consumer for Refuses {
    type Event = u64;
    type Info = ();

    async fn handle_events(
        &mut self,
        _: Vec<u64>,
        _: SubscriptionId,
        _: &mut Asker<'_>,
    ) -> Result<(), Reason> {
        Ok(())
    }

    async fn handle_subscribe(
        &mut self,
        _: SubscriptionId,
        terms: &Subscribe,
        _: &mut Asker<'_>,
    ) -> Result<Mode, Reason> {
        Err(Reason::failed(format_args!("{} is too much", terms.max())))
    }
}

/// Row 77.
#[tokio::test]
async fn a_hook_may_end_its_stage() {
    let (producer, mut saw) = script::<u64>();
    let consumer = roundsman::consumer(Refuses).spawn();
    consumer.inlet.subscribe(&producer.outlet, demand(10, 5)).unwrap();
    let reason = consumer.stage.ended().await;
    assert_eq!(reason.to_string(), "10 is too much");
    assert_eq!(saw.parting().await, Parting::Ended(reason));
}

/// Fails before it begins, as any of the three kinds.
struct Stillborn;

fn no_port() -> Result<(), Reason> {
    Err(Reason::failed("no port left"))
}

impl Producer for Stillborn {
    type Event = u64;
    type Info = ();

    async fn handle_demand(&mut self, _: usize, _: &mut Emitter<'_, u64>) -> Result<(), Reason> {
        Ok(())
    }

    async fn started(&mut self, _: &StageRef<()>) -> Result<(), Reason> {
        no_port()
    }
}

impl Consumer for Stillborn {
    type Event = u64;
    type Info = ();

    async fn handle_events(
        &mut self,
        _: Vec<u64>,
        _: SubscriptionId,
        _: &mut Asker<'_>,
    ) -> Result<(), Reason> {
        Ok(())
    }

    async fn started(&mut self, _: &StageRef<()>) -> Result<(), Reason> {
        no_port()
    }
}

impl Transform for Stillborn {
    type In = u64;
    type Out = u64;
    type Info = ();

    async fn handle_events(
        &mut self,
        _: Vec<u64>,
        _: SubscriptionId,
        _: &mut Emitter<'_, u64>,
    ) -> Result<(), Reason> {
        Ok(())
    }

    async fn started(&mut self, _: &StageRef<()>) -> Result<(), Reason> {
        no_port()
    }
}

/// Rows 64, 75 and 84.
#[tokio::test]
async fn a_stage_may_fail_to_start() {
    let producer = roundsman::producer(Stillborn).spawn();
    let transform = roundsman::transform(Stillborn).spawn();
    let consumer = roundsman::consumer(Stillborn).spawn();
    let (_probe, mut took) = taking(&producer.outlet, demand(10, 5));
    for stage in [producer.stage, transform.stage, consumer.stage] {
        assert_eq!(stage.ended().await.to_string(), "no port left");
    }
    took.find(|seen| matches!(seen, Seen::Terminated(_)).then_some(())).await;
}

/// Row 91: an ask or a cancel on a subscription that is gone harms nobody.
#[tokio::test]
async fn what_comes_for_a_subscription_that_is_gone_is_nothing() {
    let (producer, mut saw) = script::<u64>();
    let (consumer, mut took, subscription) =
        manual(&producer.outlet, demand(10, 5).cancel(Cancel::Temporary)).await;
    saw.subscription().await;
    consumer.inlet.cancel(subscription, Reason::Normal);
    consumer.inlet.ask(subscription, 5);
    consumer.inlet.cancel(subscription, Reason::Normal);
    assert_eq!(took.parting().await, Parting::Cancelled(Reason::Normal));
    consumer.inlet.ask(subscription, 5);
    consumer.stage.sync().await;
    producer.stage.sync().await;
    producer.stage.emit([1]);
    producer.stage.sync().await;
    assert!(matches!(saw.so_far()[..], [Seen::Parted(_, Parting::Cancelled(Reason::Normal))]));
    assert_eq!(producer.stage.counts().buffered, 1);
}

/// Row 30.
#[tokio::test]
async fn the_buffer_is_counted_at_each_step() {
    let (script, mut saw) = Script::new();
    let producer = roundsman::producer(script).buffer(4).spawn();
    let buffered = || producer.stage.counts().buffered;
    for (n, expected) in [(0, 0), (2, 2), (1, 3), (5, 4)] {
        producer.stage.emit(std::iter::repeat_n(0_u64, n));
        producer.stage.sync().await;
        assert_eq!(buffered(), expected);
    }
    assert_eq!(saw.so_far(), [Seen::Discarded(4)]);
    let (consumer, mut took, subscription) = manual(&producer.outlet, demand(10, 0)).await;
    consumer.inlet.ask(subscription, 3);
    assert_eq!(took.batch().await.len(), 3);
    producer.stage.sync().await;
    assert_eq!(buffered(), 1);
}
