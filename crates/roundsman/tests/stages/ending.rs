//! How stages end, and how the others learn of it.

use roundsman::{
    Cancel, Parting, Reason,
    testing::{Seen, Step},
};

use crate::play::{Told, demand, manual, script, taking};

/// Rows 78 to 82: what becomes of a consumer when its producer ends, or a subscription does.
#[tokio::test]
async fn cancel_modes_decide_whether_a_consumer_stays() {
    let failure = Reason::failed("no more paper");
    let cases = [
        (Cancel::Permanent, Reason::Shutdown, true),
        (Cancel::Permanent, failure.clone(), true),
        (Cancel::Transient, Reason::Shutdown, false),
        (Cancel::Transient, failure.clone(), true),
        (Cancel::Temporary, Reason::Shutdown, false),
        (Cancel::Temporary, failure, false),
    ];
    let both = cases.iter().flat_map(|case| [(case, true), (case, false)]);
    for ((cancel, reason, ends), explicit) in both {
        let (producer, _) = script::<u64>();
        let (consumer, mut taken) = taking(&producer.outlet, demand(10, 5).cancel(*cancel));
        let subscription = taken.subscription().await;
        let how = if explicit {
            consumer.inlet.cancel(subscription, reason.clone());
            Parting::Cancelled(reason.clone())
        } else {
            producer.stage.stop(reason.clone());
            Parting::Ended(reason.clone())
        };
        assert_eq!(taken.parting().await, how);
        if *ends {
            assert_eq!(consumer.stage.ended().await, *reason, "{cancel:?}");
        } else {
            consumer.stage.sync().await;
            assert_eq!(consumer.stage.reason(), None, "{cancel:?}");
        }
    }
}

/// Rows 53 and 54.
#[tokio::test]
async fn a_producer_that_is_gone_ends_all_but_temporary_subscribers() {
    let (producer, _) = script::<u64>();
    producer.stage.stop(Reason::Normal);
    producer.stage.ended().await;
    let (permanent, _) = taking(&producer.outlet, demand(10, 5));
    assert_eq!(permanent.stage.ended().await, Reason::NoProducer);
    let (transient, _) = taking(&producer.outlet, demand(10, 5).cancel(Cancel::Transient));
    assert_eq!(transient.stage.ended().await, Reason::NoProducer);
    let (temporary, _) = taking(&producer.outlet, demand(10, 5).cancel(Cancel::Temporary));
    temporary.stage.sync().await;
    assert_eq!(temporary.stage.reason(), None);
}

/// Rows 67, 68 and 73.
#[tokio::test]
async fn a_producer_learns_why_its_consumer_left() {
    let (producer, mut saw) = script::<u64>();
    let (consumer, _taken, subscription) =
        manual(&producer.outlet, demand(10, 5).cancel(Cancel::Temporary)).await;
    let why = Reason::failed("too loud");
    consumer.inlet.cancel(subscription, why.clone());
    assert_eq!(saw.parting().await, Parting::Cancelled(why));

    consumer.inlet.subscribe(&producer.outlet, demand(10, 5)).unwrap();
    saw.subscription().await;
    consumer.stage.stop(Reason::Shutdown);
    assert_eq!(saw.parting().await, Parting::Ended(Reason::Shutdown));
    producer.stage.stop(Reason::Normal);
    assert_eq!(saw.next().await, Some(Seen::Terminated(Reason::Normal)));
}

/// Row 101: the tail leaves before the end is told, and the end says why.
#[tokio::test]
async fn a_producer_that_is_done_lets_its_buffer_leave_first() {
    let (producer, _) = script::<u64>();
    producer.stage.emit(0..5);
    producer.stage.end(Reason::Normal);
    let (consumer, mut taken) = taking(&producer.outlet, demand(2, 0));
    assert_eq!(taken.events(5).await, [0, 1, 2, 3, 4]);
    assert_eq!(taken.parting().await, Parting::Ended(Reason::Normal));
    assert_eq!(producer.stage.ended().await, Reason::Normal);
    assert_eq!(consumer.stage.ended().await, Reason::Normal);
}

#[tokio::test]
async fn an_error_ends_a_stage_at_once() {
    let (producer, _) = script::<u64>();
    producer.stage.emit(0..5);
    producer.stage.end(Reason::failed("out of numbers"));
    assert_eq!(producer.stage.ended().await.to_string(), "out of numbers");
    assert!(producer.stage.info(Step::Note(1)).is_err());
}

#[tokio::test]
async fn a_panic_ends_one_stage_with_its_text() {
    let (producer, _) = script::<u64>();
    let (consumer, mut taken) = taking(&producer.outlet, demand(2, 0).cancel(Cancel::Temporary));
    taken.subscription().await;
    producer.stage.info(Step::Panic("ouch".into())).unwrap();
    let reason = Reason::Panicked("ouch".into());
    assert_eq!(producer.stage.ended().await, reason);
    assert_eq!(taken.parting().await, Parting::Ended(reason));
    consumer.stage.sync().await;
}

/// Draining begins at the producer and runs down; nothing that was emitted is lost.
#[tokio::test]
async fn draining_a_producer_drains_what_follows_it() {
    let counter = roundsman::producer(crate::hop::Counter(0)).spawn();
    let (consumer, mut taken) = taking(&counter.outlet, demand(10, 5));
    let mut events = taken.events(20).await;
    counter.stage.drain();
    assert_eq!(counter.stage.ended().await, Reason::Normal);
    assert_eq!(consumer.stage.ended().await, Reason::Normal);
    while let Some(seen) = taken.next().await {
        if let Seen::Batch(_, mut batch) = seen {
            events.append(&mut batch);
        }
    }
    assert_eq!(events, (0..events.len() as u64).collect::<Vec<_>>());
    assert_eq!(events.len() as u64, counter.stage.counts().emitted);
}

/// A consumer told to drain handles what was already sent to it.
#[tokio::test]
async fn draining_a_consumer_finishes_what_it_was_sent() {
    let (producer, mut saw) = script::<u64>();
    let (consumer, mut taken) = taking(&producer.outlet, demand(10, 5));
    assert_eq!(saw.demand().await, 10);
    producer.stage.emit(0..10);
    consumer.stage.drain();
    assert_eq!(taken.events(10).await, (0..10).collect::<Vec<_>>());
    assert_eq!(consumer.stage.ended().await, Reason::Normal);
    producer.stage.sync().await;
    assert_eq!(producer.stage.reason(), None);
}

#[test]
fn a_stage_whose_runtime_is_dropped_says_so() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (producer, _saw) = runtime.block_on(async { script::<u64>() });
    drop(runtime);
    assert_eq!(producer.stage.reason(), Some(Reason::Killed));
}
