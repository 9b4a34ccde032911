//! The stage between: a consumer on one side, a producer on the other.

use roundsman::{
    Broadcast, Cancel, Emitter, Mode, Parting, Reason, Side, Subscribe, SubscriptionId, Transform,
    stage::TransformStage,
    testing::{Seen, Step},
};
use tokio::sync::mpsc;

use crate::play::{Told, demand, manual, script, taking};

/// Passes events on and reports what happens to it.
struct Reporter {
    report: mpsc::UnboundedSender<(Side, Seen<u64>)>,
    mode: Mode,
}

type Reports = mpsc::UnboundedReceiver<(Side, Seen<u64>)>;

impl Transform for Reporter {
    type In = u64;
    type Out = u64;
    type Info = Step<u64>;

    async fn handle_events(
        &mut self,
        events: Vec<u64>,
        from: SubscriptionId,
        out: &mut Emitter<'_, u64>,
    ) -> Result<(), Reason> {
        self.report.send((Side::Producer, Seen::Batch(from, events.clone())))?;
        out.extend(events.into_iter().flat_map(|n| [n, n]));
        Ok(())
    }

    async fn handle_info(
        &mut self,
        step: Step<u64>,
        out: &mut Emitter<'_, u64>,
    ) -> Result<(), Reason> {
        match step {
            Step::Ask(subscription, n) => out.ask(subscription, n),
            Step::Note(number) => self.report.send((Side::Consumer, Seen::Note(number)))?,
            Step::Sync(done) => drop(done.send(())),
            _ => {}
        }
        Ok(())
    }

    async fn handle_subscribe(
        &mut self,
        side: Side,
        subscription: SubscriptionId,
        _: &Subscribe,
        _: &mut Emitter<'_, u64>,
    ) -> Result<Mode, Reason> {
        self.report.send((side, Seen::Subscribed(subscription)))?;
        Ok(self.mode)
    }

    async fn handle_cancel(
        &mut self,
        side: Side,
        subscription: SubscriptionId,
        how: Parting,
        _: &mut Emitter<'_, u64>,
    ) -> Result<(), Reason> {
        self.report.send((side, Seen::Parted(subscription, how)))?;
        Ok(())
    }
}

fn reporter(mode: Mode) -> (TransformStage<u64, u64, Step<u64>>, Reports) {
    let (report, reports) = mpsc::unbounded_channel();
    (roundsman::transform(Reporter { report, mode }).spawn(), reports)
}

fn so_far(reports: &mut Reports) -> Vec<(Side, Seen<u64>)> {
    std::iter::from_fn(|| reports.try_recv().ok()).collect()
}

/// Rows 8 to 11: whether the consumer comes early or late, the slices are the same.
#[tokio::test]
async fn a_transform_takes_the_same_slices_early_or_late() {
    for (min, slices, late) in [
        (80, vec![20; 5], false),
        (20, vec![80, 20], false),
        (80, vec![20; 5], true),
        (20, vec![80, 20], true),
    ] {
        let (producer, mut saw) = script::<u64>();
        let (middle, mut reports) = reporter(Mode::Automatic);
        middle.inlet.subscribe(&producer.outlet, demand(100, min)).unwrap();
        assert_eq!(saw.demand().await, 100);
        let early = (!late).then(|| taking(&middle.outlet, demand(200, 100)));
        producer.stage.emit(0..100);
        producer.stage.sync().await;
        let batches = |reports: &mut Reports| -> Vec<usize> {
            let seen = so_far(reports).into_iter();
            seen.filter_map(
                |(_, s)| if let Seen::Batch(_, all) = s { Some(all.len()) } else { None },
            )
            .collect()
        };
        if late {
            assert!(batches(&mut reports).is_empty(), "nobody had asked for anything");
        }
        let (_consumer, mut took) =
            early.unwrap_or_else(|| taking(&middle.outlet, demand(200, 100)));
        let expected: Vec<u64> = (0..100).flat_map(|n| [n, n]).collect();
        assert_eq!(took.events(200).await, expected);
        assert_eq!(batches(&mut reports), slices);
    }
}

/// Rows 14 and 15: one that never asks holds up the others, until it is cancelled.
#[tokio::test]
async fn a_transform_may_broadcast() {
    let (producer, mut saw) = script::<u64>();
    let (report, _reports) = mpsc::unbounded_channel();
    let middle = roundsman::transform(Reporter { report, mode: Mode::Automatic })
        .dispatcher(Broadcast::new())
        .spawn();
    middle.inlet.subscribe(&producer.outlet, demand(10, 5)).unwrap();
    let terms = demand(4, 2).cancel(Cancel::Temporary);
    let (silent, _, silent_sub) = manual(&middle.outlet, terms).await;
    let (_one, mut one_took) = taking(&middle.outlet, terms);
    let (_two, mut two_took) = taking(&middle.outlet, terms);
    assert_eq!(saw.demand().await, 10);
    producer.stage.emit([1, 2]);
    producer.stage.sync().await;
    middle.stage.sync().await;
    assert_eq!(middle.stage.counts().waiting, 2);
    silent.inlet.cancel(silent_sub, Reason::Normal);
    assert_eq!(one_took.events(4).await, [1, 1, 2, 2]);
    assert_eq!(two_took.events(4).await, [1, 1, 2, 2]);
}

/// Row 16 and D7: the batches come first, with the subscription they came on; then the parting.
#[tokio::test]
async fn a_producer_that_leaves_is_mourned_after_its_batches() {
    let (producer, mut saw) = script::<u64>();
    let (middle, mut reports) = reporter(Mode::Automatic);
    let terms = demand(10, 5).cancel(Cancel::Temporary);
    let subscription = middle.inlet.subscribe(&producer.outlet, terms).unwrap();
    saw.demand().await;
    producer.stage.emit([1]);
    producer.stage.emit([2]);
    producer.stage.stop(Reason::Shutdown);
    producer.stage.ended().await;
    middle.stage.sync().await;
    assert_eq!(middle.stage.counts().waiting, 2);
    let (_consumer, mut took) = taking(&middle.outlet, demand(4, 2));
    assert_eq!(took.events(4).await, [1, 1, 2, 2]);
    let seen: Vec<_> =
        so_far(&mut reports).into_iter().filter(|(side, _)| *side == Side::Producer).collect();
    let ended = Parting::Ended(Reason::Shutdown);
    let expected = [
        Seen::Subscribed(subscription),
        Seen::Batch(subscription, vec![1]),
        Seen::Batch(subscription, vec![2]),
        Seen::Parted(subscription, ended),
    ];
    assert_eq!(seen, expected.map(|seen| (Side::Producer, seen)));
}

/// Rows 42 and 43: an info comes at once with nothing queued, and behind what is queued if so.
#[tokio::test]
async fn an_info_in_order_waits_for_the_input_queue_and_the_buffer() {
    let (producer, mut saw) = script::<u64>();
    let (middle, mut reports) = reporter(Mode::Automatic);
    middle.inlet.subscribe(&producer.outlet, demand(10, 5)).unwrap();
    saw.demand().await;
    middle.stage.info_in_order(Step::Note(1)).unwrap();
    middle.stage.sync().await;
    assert!(so_far(&mut reports).contains(&(Side::Consumer, Seen::Note(1))));
    producer.stage.emit([7]);
    producer.stage.sync().await;
    middle.stage.info_in_order(Step::Note(2)).unwrap();
    let (consumer, mut took, subscription) = manual(&middle.outlet, demand(4, 0)).await;
    consumer.inlet.ask(subscription, 1);
    assert_eq!(took.batch().await, [7]);
    middle.stage.sync().await;
    assert!(!so_far(&mut reports).contains(&(Side::Consumer, Seen::Note(2))));
    consumer.inlet.ask(subscription, 1);
    assert_eq!(took.batch().await, [7]);
    middle.stage.sync().await;
    assert!(so_far(&mut reports).contains(&(Side::Consumer, Seen::Note(2))));
}

/// Rows 85, 86 and 87: both hooks run, a manual answer counts towards the producer alone.
#[tokio::test]
async fn a_transform_hears_of_both_sides() {
    let (producer, mut saw) = script::<u64>();
    let (middle, mut reports) = reporter(Mode::Manual);
    let above = middle.inlet.subscribe(&producer.outlet, demand(10, 5)).unwrap();
    let terms = demand(4, 2).cancel(Cancel::Temporary);
    let (consumer, mut took) = taking(&middle.outlet, terms);
    let below = took.subscription().await;
    middle.stage.sync().await;
    assert_eq!(reports.recv().await, Some((Side::Producer, Seen::Subscribed(above))));
    let Some((Side::Consumer, Seen::Subscribed(joined))) = reports.recv().await else {
        panic!("the consumer should have joined");
    };
    producer.stage.sync().await;
    assert!(!saw.so_far().iter().any(|seen| matches!(seen, Seen::Demand(_))));
    middle.stage.info(Step::Ask(above, 3)).unwrap();
    assert_eq!(saw.demand().await, 3);

    let why = Reason::failed("enough");
    consumer.inlet.cancel(below, why.clone());
    let parted = Seen::Parted(joined, Parting::Cancelled(why));
    assert_eq!(reports.recv().await, Some((Side::Consumer, parted)));
    consumer.inlet.subscribe(&middle.outlet, demand(4, 2)).unwrap();
    let Some((_, Seen::Subscribed(joined))) = reports.recv().await else {
        panic!("the consumer should have joined again");
    };
    consumer.stage.stop(Reason::Shutdown);
    let parted = Seen::Parted(joined, Parting::Ended(Reason::Shutdown));
    assert_eq!(reports.recv().await, Some((Side::Consumer, parted)));
}

/// Rows 88 and 89.
#[tokio::test]
async fn a_transform_obeys_the_cancel_modes() {
    let failure = Reason::failed("gone wrong");
    let cases = [
        (Cancel::Permanent, Reason::Shutdown, true),
        (Cancel::Transient, Reason::Shutdown, false),
        (Cancel::Transient, failure.clone(), true),
        (Cancel::Temporary, failure, false),
    ];
    for explicit in [false, true] {
        for (cancel, reason, ends) in cases.clone() {
            let (producer, mut saw) = script::<u64>();
            let (middle, mut reports) = reporter(Mode::Automatic);
            let terms = demand(10, 5).cancel(cancel);
            let subscription = middle.inlet.subscribe(&producer.outlet, terms).unwrap();
            saw.demand().await;
            if explicit {
                middle.inlet.cancel(subscription, reason.clone());
            } else {
                producer.stage.stop(reason.clone());
            }
            while !matches!(reports.recv().await, Some((_, Seen::Parted(..)))) {}
            if ends {
                assert_eq!(middle.stage.ended().await, reason);
            } else {
                middle.stage.sync().await;
                assert_eq!(middle.stage.reason(), None);
            }
        }
    }
}
