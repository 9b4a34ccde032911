//! Pipelines that are made anew, and what comes back from those that are cut.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use roundsman::{
    Asker, Consumer, Pipeline, Reason, Restarts, Subscribe, SubscriptionId, keep,
    stage::ConsumerStage, testing::Step,
};
use tokio::time::Instant;

use crate::play::{demand, script};

/// Takes a minute for each batch.
struct Slow;

impl Consumer for Slow {
    type Event = u64;
    type Info = ();

    async fn handle_events(
        &mut self,
        _: Vec<u64>,
        _: SubscriptionId,
        _: &mut Asker<'_>,
    ) -> Result<(), Reason> {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(())
    }
}

fn slow() -> ConsumerStage<u64, ()> {
    roundsman::consumer(Slow).spawn()
}

/// What was cut and is to come back is in the report, and with the producer.
#[tokio::test(start_paused = true)]
async fn what_is_cut_goes_back_where_that_was_asked_for() {
    let (producer, _saw) = script::<u64>();
    let slow = slow();
    let terms = demand(10, 5).cancel(roundsman::Cancel::Temporary);
    slow.inlet.subscribe(&producer.outlet.redelivering(), terms).unwrap();
    producer.stage.info(Step::Emit((0..10).collect())).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let report =
        Pipeline::new().then("slow", &slow).drain(Duration::from_secs(1), Duration::ZERO).await;
    assert_eq!(report.stages[0].reason, Reason::Killed);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let counts = report.stages[0].counts;
    assert_eq!((counts.handed_back, counts.lost, counts.unfinished), (10, 0, 0));
    assert_eq!(producer.stage.counts().buffered, 10);
}

#[tokio::test(start_paused = true)]
async fn failed_stages_are_made_anew_with_growing_pauses_until_too_often() {
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    let restarts = Restarts::default()
        .intensity(3, Duration::from_secs(60))
        .back_off(Duration::from_secs(1), Duration::from_secs(3));
    let began = Instant::now();
    let kept = keep(restarts, move || {
        counted.fetch_add(1, Relaxed);
        let (producer, _saw) = script::<u64>();
        producer.stage.info(Step::Panic("on purpose".into())).unwrap();
        let sound = slow();
        sound.inlet.subscribe(&producer.outlet, Subscribe::default()).unwrap();
        Pipeline::new().source("producer", &producer).then("sound", &sound)
    });
    let reason = kept.ended().await.to_string();
    assert_eq!(reason, "failed more than 3 times within 60s, lastly: panicked: on purpose");
    assert_eq!((runs.load(Relaxed), kept.restarts()), (4, 3));
    assert_eq!(began.elapsed(), Duration::from_secs(1 + 2 + 3));
}

#[tokio::test(start_paused = true)]
async fn kept_stages_end_in_order_or_when_told() {
    let done = keep(Restarts::default(), || {
        let (producer, _saw) = script::<u64>();
        producer.stage.info(Step::Return(Reason::Normal)).unwrap();
        Pipeline::new().source("producer", &producer)
    });
    assert_eq!((done.ended().await, done.restarts()), (Reason::Normal, 0));
    let endless = keep(Restarts::default(), || {
        let (producer, _saw) = script::<u64>();
        Pipeline::new().source("producer", &producer)
    });
    endless.stop();
    assert_eq!(endless.ended().await, Reason::Shutdown);
}
