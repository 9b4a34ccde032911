//! Pipelines as a whole: how they ended, what was done, and what was left over.

use std::{future::pending, time::Duration};

use roundsman::{
    Asker, Cancel, Consumer, Counts, Emitter, Inlet, Outlet, Pipeline, Reason, Subscribe,
    SubscriptionId, Transform, from_iter,
};

use crate::play::{Told, demand, probe, script};

const MINUTE: Duration = Duration::from_secs(60);

/// Emits every event twice.
struct Twice;

impl Transform for Twice {
    type In = u64;
    type Out = u64;
    type Info = ();

    async fn handle_events(
        &mut self,
        events: Vec<u64>,
        _: SubscriptionId,
        out: &mut Emitter<'_, u64>,
    ) -> Result<(), Reason> {
        out.extend(events.into_iter().flat_map(|event| [event, event]));
        Ok(())
    }
}

/// Takes events until one comes at which it does as it is told.
struct Until(u64, Then);

#[derive(Clone, Copy, Debug)]
enum Then {
    Wait,
    Fail,
    Panic,
    Finish,
}

impl Consumer for Until {
    type Event = u64;
    type Info = ();

    #[expect(clippy::panic, reason = "a crash is what it plays")]
    async fn handle_events(
        &mut self,
        events: Vec<u64>,
        _: SubscriptionId,
        _: &mut Asker<'_>,
    ) -> Result<(), Reason> {
        if !events.contains(&self.0) {
            return Ok(());
        }
        match self.1 {
            Then::Wait => pending().await,
            Then::Fail => Err(Reason::failed("enough")),
            Then::Panic => panic!("enough"),
            Then::Finish => Err(Reason::Normal),
        }
    }
}

fn link<E: Send + 'static>(inlet: &Inlet<E>, outlet: &Outlet<E>, terms: Subscribe) {
    inlet.subscribe(outlet, terms).unwrap();
}

#[tokio::test]
async fn a_finite_pipeline_resolves_with_its_totals() {
    let numbers = roundsman::producer(from_iter(0..1000)).spawn();
    let twice = roundsman::transform(Twice).spawn();
    let (sink, _saw) = probe();
    let pipeline =
        Pipeline::new().source("numbers", &numbers).then("twice", &twice).then("sink", &sink);
    link(&sink.inlet, &twice.outlet, demand(10, 5));
    link(&twice.inlet, &numbers.outlet, demand(10, 5));

    let report = pipeline.ended().await;
    assert!(report.is_whole(), "{report}");
    assert_eq!(
        report.to_string(),
        "numbers: took 0, emitted 1000; done\n\
         twice: took 1000, emitted 2000; done\n\
         sink: took 2000, emitted 0; done"
    );
    assert_eq!(report, pipeline.ended().await, "it can be asked for again");
}

/// Subscriptions that survive their producers would leave the consumers; a drain takes all.
#[tokio::test(start_paused = true)]
async fn a_drain_takes_every_stage_and_leaves_nothing_behind() {
    let counter = roundsman::producer(crate::hop::Counter(0)).spawn();
    let twice = roundsman::transform(Twice).spawn();
    let (sink, mut saw) = probe();
    let terms = demand(10, 5).cancel(Cancel::Temporary);
    link(&sink.inlet, &twice.outlet, terms);
    link(&twice.inlet, &counter.outlet, terms);
    saw.events(100).await;

    let pipeline =
        Pipeline::new().source("counter", &counter).then("twice", &twice).then("sink", &sink);
    let report = pipeline.drain(MINUTE, MINUTE).await;
    assert!(report.is_whole(), "{report}");
    assert!(report.stages.iter().all(|ending| !ending.cut));
    let emitted = |name| report.get(name).unwrap().counts.emitted;
    let taken = |name| report.get(name).unwrap().counts.taken;
    assert_eq!((emitted("counter"), 2 * taken("twice")), (taken("twice"), emitted("twice")));
    assert_eq!(taken("sink"), emitted("twice"));
}

/// One that waits for ever holds up nobody beyond the deadline; what it cost is told.
#[tokio::test(start_paused = true)]
async fn a_drain_cuts_off_what_does_not_end_in_time() {
    let (producer, mut saw) = script::<u64>();
    let stuck = roundsman::consumer(Until(5, Then::Wait)).spawn();
    link(&stuck.inlet, &producer.outlet, demand(10, 8).cancel(Cancel::Temporary));
    assert_eq!(saw.demand().await, 10);
    producer.stage.emit(0..30);
    producer.stage.sync().await;

    let pipeline = Pipeline::new().source("producer", &producer).then("stuck", &stuck);
    let report = pipeline.drain(MINUTE, MINUTE).await;
    let ending = report.get("stuck").unwrap();
    assert_eq!((&ending.reason, ending.cut), (&Reason::Killed, true));
    assert_eq!((ending.counts.taken, ending.counts.unfinished, ending.counts.lost), (6, 2, 8));
    let producer = report.get("producer").unwrap();
    assert_eq!((&producer.reason, producer.cut), (&Reason::Shutdown, true));
    assert_eq!(producer.counts.lost, 16); // asked for 10, and for 2 after each of two slices
    assert_eq!(report.left_over(), 26);
    assert_eq!(
        report.to_string(),
        "producer: took 0, emitted 30, 16 lost; cut off: told to stop\n\
         stuck: took 6, emitted 0, 2 unfinished, 8 lost; cut off: dropped before it had ended"
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_is_dropped_cuts_nothing_off() {
    let (producer, mut saw) = script::<u64>();
    let (sink, mut taken) = probe::<u64>();
    link(&sink.inlet, &producer.outlet, demand(10, 5));
    saw.demand().await;
    producer.stage.emit(0..30);
    let pipeline = Pipeline::new().source("producer", &producer).then("sink", &sink);
    drop(pipeline.drain(Duration::ZERO, Duration::ZERO));
    {
        let drain = pipeline.drain(MINUTE, MINUTE);
        let mut drain = std::pin::pin!(drain);
        assert!(futures_util::poll!(&mut drain).is_pending());
    }
    assert_eq!(taken.events(30).await, (0..30).collect::<Vec<_>>());
    assert!(pipeline.ended().await.is_whole());
}

/// However a consumer ends, each event is at one place: handled, unfinished, or lost on a side.
#[tokio::test]
async fn every_event_of_a_pipeline_that_ended_is_accounted_for() {
    let kinds = [Then::Fail, Then::Panic, Then::Finish];
    for (then, at) in kinds.into_iter().flat_map(|then| (0..40).map(move |at| (then, at))) {
        let numbers = roundsman::producer(from_iter(0..100_u64)).spawn();
        let consumer = roundsman::consumer(Until(at, then)).spawn();
        link(&consumer.inlet, &numbers.outlet, demand(10, 7));
        let pipeline = Pipeline::new().source("numbers", &numbers).then("consumer", &consumer);
        consumer.stage.ended().await;
        numbers.stage.stop(Reason::Shutdown);

        let report = pipeline.ended().await;
        let Counts { emitted, lost, .. } = report.get("numbers").unwrap().counts;
        let Counts { taken, unfinished, lost: unread, waiting, .. } =
            report.get("consumer").unwrap().counts;
        assert_eq!(emitted, lost + taken + unread, "{then:?} at {at}: {report}");
        assert_eq!(waiting, 0);
        assert_eq!(unfinished > 0, !matches!(then, Then::Finish), "{then:?} at {at}: {report}");
        assert!(!report.is_whole());
    }
}
