//! Several producers into one consumer, with weights: what waits is handled by them.

use roundsman::{
    Cancel, Emitter, Reason, Subscribe, SubscriptionId, Transform, stage::TransformStage,
    testing::Seen,
};

use crate::play::{Told, demand, manual, script};

/// Passes on what it gets, once somebody asks; until then all waits.
struct Pass;

impl Transform for Pass {
    type In = u64;
    type Out = u64;
    type Info = ();

    async fn handle_events(
        &mut self,
        events: Vec<u64>,
        _: SubscriptionId,
        out: &mut Emitter<'_, u64>,
    ) -> Result<(), Reason> {
        out.emit_batch(events);
        Ok(())
    }
}

fn pass() -> TransformStage<u64, u64, ()> {
    roundsman::transform(Pass).spawn()
}

fn terms() -> Subscribe {
    demand(400, 200).cancel(Cancel::Temporary)
}

/// While both have events waiting, three of one are handled for each of the other; each in order.
#[tokio::test]
async fn what_waits_is_handled_by_weight() {
    let ((heavy, mut heavy_saw), (light, mut light_saw)) = (script::<u64>(), script::<u64>());
    let middle = pass();
    // The order in which they come says nothing: the light one's events are there first.
    middle.inlet.subscribe(&light.outlet, terms()).unwrap();
    middle.inlet.subscribe(&heavy.outlet, terms().weight(3)).unwrap();
    assert_eq!((light_saw.demand().await, heavy_saw.demand().await), (400, 400));
    for n in 0..40 {
        light.stage.emit([1000 + n]);
    }
    light.stage.sync().await;
    for n in 0..40 {
        heavy.stage.emit([n]);
    }
    heavy.stage.sync().await;
    let (consumer, mut took, subscription) = manual(&middle.outlet, terms()).await;
    consumer.inlet.ask(subscription, 40);
    let first = took.events(40).await;
    let (of_light, of_heavy): (Vec<_>, Vec<_>) = first.into_iter().partition(|n| *n >= 1000);
    assert_eq!((of_heavy.len(), of_light.len()), (30, 10));
    consumer.inlet.ask(subscription, 40);
    let mut all = [of_heavy, of_light].concat();
    all.extend(took.events(40).await);
    for base in [0, 1000] {
        let of_one: Vec<_> = all.iter().copied().filter(|n| n / 1000 * 1000 == base).collect();
        assert_eq!(of_one, (base..base + 40).collect::<Vec<_>>());
    }
}

/// One that has nothing waiting keeps nothing free, and has saved up nothing when it comes back.
#[tokio::test]
async fn one_alone_gets_everything_and_the_other_saves_nothing() {
    let ((heavy, mut heavy_saw), (light, mut light_saw)) = (script::<u64>(), script::<u64>());
    let middle = pass();
    middle.inlet.subscribe(&heavy.outlet, terms().weight(3)).unwrap();
    middle.inlet.subscribe(&light.outlet, terms().weight(1)).unwrap();
    assert_eq!((heavy_saw.demand().await, light_saw.demand().await), (400, 400));
    let (consumer, mut took, subscription) = manual(&middle.outlet, terms()).await;
    light.stage.emit(1000..1100);
    consumer.inlet.ask(subscription, 100);
    assert_eq!(took.events(100).await, (1000..1100).collect::<Vec<_>>());
    for n in 0..20 {
        light.stage.emit([2000 + n]);
        heavy.stage.emit([n]);
    }
    light.stage.sync().await;
    heavy.stage.sync().await;
    consumer.inlet.ask(subscription, 20);
    let of_light = took.events(20).await.into_iter().filter(|n| *n >= 2000).count();
    assert!(of_light <= 5, "of 20 the light one gets a quarter, and it had a turn: {of_light}");
}

/// A producer's end stays behind its events, whoever's turn it is.
#[tokio::test]
async fn an_end_stays_behind_the_events_before_it() {
    let ((heavy, mut heavy_saw), (light, mut light_saw)) = (script::<u64>(), script::<u64>());
    let (consumer, mut took) = crate::play::probe::<u64>();
    consumer.inlet.subscribe(&light.outlet, terms().weight(1)).unwrap();
    consumer.inlet.subscribe(&heavy.outlet, terms().weight(1000)).unwrap();
    assert_eq!((light_saw.demand().await, heavy_saw.demand().await), (400, 400));
    let subscription = took.subscription().await;
    light.stage.emit([1]);
    light.stage.emit([2]);
    light.stage.end(Reason::Normal);
    heavy.stage.emit([3]);
    light.stage.ended().await;
    heavy.stage.sync().await;
    let mut of_light = Vec::new();
    loop {
        match took.next().await {
            Some(Seen::Batch(from, events)) if from == subscription => of_light.extend(events),
            Some(Seen::Parted(from, _)) if from == subscription => break,
            Some(_) => {}
            None => panic!("the consumer ended"),
        }
    }
    assert_eq!(of_light, [1, 2]);
}
