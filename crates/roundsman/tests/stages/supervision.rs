//! The supervisor: one task an event, and when it asks again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use roundsman::{
    Cancel, Reason, SubscriptionId,
    stage::ProducerStage,
    supervisor::{Shutdown, SupervisorStage},
    testing::{Saw, Step},
};
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Duration, Instant},
};

use crate::play::{Told, demand, script};

/// Tasks that wait for a permit each.
struct Gate {
    tasks: SupervisorStage<u64>,
    permits: Arc<Semaphore>,
    producer: ProducerStage<u64, Step<u64>>,
    saw: Saw<u64>,
    subscription: SubscriptionId,
}

impl Gate {
    fn new(max: usize, min: usize) -> Self {
        let permits = Arc::new(Semaphore::new(0));
        let gate = Arc::clone(&permits);
        let tasks = roundsman::supervisor(move |n: u64| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await?.forget();
                if n == 13 { Err(Reason::failed("unlucky")) } else { Ok(()) }
            }
        })
        .spawn();
        let (producer, saw) = script();
        let subscription = tasks.inlet.subscribe(&producer.outlet, demand(max, min)).unwrap();
        Self { tasks, permits, producer, saw, subscription }
    }

    /// Lets `n` tasks end, and waits until the supervisor knows.
    async fn let_end(&self, n: usize) {
        self.producer.stage.sync().await;
        let before = self.tasks.children().await.len();
        self.permits.add_permits(n);
        while self.tasks.children().await.len() > before - n {
            tokio::task::yield_now().await;
        }
        self.producer.stage.sync().await;
    }
}

/// Max 10, min 8: asks for 8 once 8 have ended, so between 2 and 10 run. Rows 150 and 157, and D13.
#[tokio::test]
async fn asks_for_exactly_those_that_ended_once_there_are_enough() {
    let mut gate = Gate::new(10, 8);
    assert_eq!(gate.saw.demand().await, 10);
    gate.producer.stage.emit(0..10);
    gate.producer.stage.sync().await;
    assert_eq!(gate.tasks.children().await.len(), 10);
    gate.let_end(7).await;
    assert_eq!(gate.saw.so_far(), []);
    gate.let_end(1).await;
    assert_eq!(gate.saw.demand().await, 8);
    assert_eq!(gate.tasks.children().await.len(), 2);
}

/// Row 156.
#[tokio::test]
async fn of_three_with_a_minimum_of_two_never_more_than_three_run() {
    let mut gate = Gate::new(3, 2);
    assert_eq!(gate.saw.demand().await, 3);
    gate.producer.stage.emit(0..3);
    gate.let_end(1).await;
    assert_eq!(gate.saw.so_far(), []);
    gate.let_end(1).await;
    assert_eq!(gate.saw.demand().await, 2);
    gate.producer.stage.emit(3..5);
    gate.producer.stage.sync().await;
    assert_eq!(gate.tasks.children().await.len(), 3);
}

/// Row 153; and a task that fails gives its place back as any other.
#[tokio::test]
async fn one_at_a_time_waits_for_the_one_before() {
    let mut gate = Gate::new(1, 0);
    for n in [1, 13, 2] {
        assert_eq!(gate.saw.demand().await, 1);
        gate.producer.stage.emit([n]);
        gate.producer.stage.sync().await;
        assert_eq!(gate.tasks.children().await.len(), 1);
        gate.let_end(1).await;
    }
}

/// Row 155, and the supervisor's own drain.
#[tokio::test]
async fn tasks_outlive_their_producer_and_drain_waits_for_them() {
    let mut gate = Gate::new(10, 5);
    gate.saw.demand().await;
    gate.producer.stage.emit(0..4);
    gate.producer.stage.end(Reason::Normal);
    assert_eq!(gate.producer.stage.ended().await, Reason::Normal);
    assert_eq!(gate.tasks.children().await.len(), 4);
    assert_eq!(gate.tasks.reason(), None);
    gate.permits.add_permits(4);
    assert_eq!(gate.tasks.ended().await, Reason::Normal);
}

/// Rows 141 and 148: a task started by hand belongs to nobody; one that is terminated gives its place back.
#[tokio::test]
async fn tasks_are_started_and_terminated_by_hand() {
    let mut gate = Gate::new(1, 0);
    gate.saw.demand().await;
    let own = gate.tasks.start(99).await.unwrap();
    assert!(gate.tasks.terminate(own).await);
    while !gate.tasks.children().await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!gate.tasks.terminate(own).await);
    gate.producer.stage.sync().await;
    assert_eq!(gate.saw.so_far(), []);

    gate.producer.stage.emit([1]);
    gate.producer.stage.sync().await;
    let [child] = gate.tasks.children().await[..] else { panic!("one task should run") };
    assert!(gate.tasks.terminate(child).await);
    assert_eq!(gate.saw.demand().await, 1);
}

/// Rows 143 to 146, 152 and 154: a restart may end in any way, and begins again until it is
/// too often; until then the task has its place.
#[tokio::test(start_paused = true)]
async fn failed_tasks_are_started_again_until_it_is_too_often() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let tasks = roundsman::supervisor(move |fails: usize| {
        let run = counted.fetch_add(1, SeqCst);
        assert!(run >= fails, "panics in the call that makes the future");
        async { Ok(()) }
    })
    .restart_failed(3, Duration::from_secs(5))
    .spawn();
    let (producer, mut saw) = script();
    tasks.inlet.subscribe(&producer.outlet, demand(1, 0)).unwrap();
    assert_eq!(saw.demand().await, 1);
    producer.stage.emit([3]);
    // Three restarts are within bounds; the place is given back only after the fourth run.
    assert_eq!(saw.demand().await, 1);
    assert_eq!(runs.load(SeqCst), 4);

    tokio::time::advance(Duration::from_secs(6)).await;
    producer.stage.emit([usize::MAX]);
    assert_eq!(tasks.ended().await.to_string(), "tasks failed more than 3 times within 5s");
    assert_eq!(runs.load(SeqCst), 8);
}

/// Row 142.
#[tokio::test]
async fn without_restarts_a_failed_task_is_gone() {
    let mut gate = Gate::new(1, 0);
    gate.saw.demand().await;
    gate.producer.stage.emit([13]);
    gate.producer.stage.sync().await;
    gate.let_end(1).await;
    assert_eq!(gate.tasks.children().await, []);
}

/// Row 147.
#[tokio::test(start_paused = true)]
async fn a_stopped_supervisor_aborts_waits_or_finishes() {
    let second = Duration::from_secs(1);
    let cases = [
        (Shutdown::Abort, Duration::ZERO, false),
        (Shutdown::Wait(second), second, false),
        (Shutdown::Wait(second * 20), second * 10, true),
        (Shutdown::Finish, second * 10, true),
    ];
    for (shutdown, takes, finishes) in cases {
        let (ended, mut end) = oneshot::channel::<()>();
        let ended = Arc::new(std::sync::Mutex::new(Some(ended)));
        let tasks = roundsman::supervisor(move |()| {
            let ended = ended.lock().unwrap().take();
            async move {
                tokio::time::sleep(second * 10).await;
                ended.map(|ended| ended.send(()));
                Ok(())
            }
        })
        .shutdown(shutdown)
        .spawn();
        tasks.start(()).await.unwrap();
        tokio::task::yield_now().await;
        let start = Instant::now();
        tasks.stop(Reason::Shutdown);
        assert_eq!(tasks.ended().await, Reason::Shutdown);
        assert_eq!(
            (start.elapsed().as_secs(), end.try_recv().is_ok()),
            (takes.as_secs(), finishes)
        );
    }
}

/// Row 149.
#[tokio::test]
async fn a_supervisor_is_subscribed_as_any_consumer() {
    let supervisor = || roundsman::supervisor(|_: u64| async { Ok(()) }).spawn();
    let (producer, _saw) = script();
    let terms = demand(5, 5);
    assert!(supervisor().inlet.subscribe(&producer.outlet, terms).is_err());
    producer.stage.stop(Reason::Normal);
    producer.stage.ended().await;
    let permanent = supervisor();
    permanent.inlet.subscribe(&producer.outlet, demand(5, 2)).unwrap();
    assert_eq!(permanent.ended().await, Reason::NoProducer);
    let temporary = supervisor();
    let terms = demand(5, 2).cancel(Cancel::Temporary);
    temporary.inlet.subscribe(&producer.outlet, terms).unwrap();
    assert_eq!(temporary.children().await, []);
    assert_eq!(temporary.reason(), None);
}

/// Row 151.
#[tokio::test]
async fn a_finite_source_is_worked_off() {
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    let tasks = roundsman::supervisor(move |n: usize| {
        let count = Arc::clone(&count);
        async move {
            count.fetch_add(n, SeqCst);
            Ok(())
        }
    })
    .spawn();
    let numbers = roundsman::producer(roundsman::from_iter(1..=1000)).spawn();
    tasks.inlet.subscribe(&numbers.outlet, demand(10, 8)).unwrap();
    assert_eq!(tasks.ended().await, Reason::Normal);
    assert_eq!(done.load(SeqCst), 500_500);
}

/// More places are asked for at once; fewer take effect as tasks end.
#[tokio::test]
async fn the_number_at_once_changes_while_tasks_run() {
    let mut gate = Gate::new(2, 0);
    let subscription = gate.subscription;
    assert!(gate.tasks.resize(subscription, 0, 0).is_err());
    assert_eq!(gate.saw.demand().await, 2);
    gate.producer.stage.emit(0..2);
    gate.tasks.resize(subscription, 5, 0).unwrap();
    assert_eq!(gate.saw.demand().await, 3);
    gate.producer.stage.emit(2..5);
    gate.producer.stage.sync().await;
    assert_eq!(gate.tasks.children().await.len(), 5);
    gate.tasks.resize(subscription, 2, 0).unwrap();
    gate.let_end(3).await;
    assert_eq!(gate.saw.so_far(), []);
    gate.let_end(1).await;
    assert_eq!(gate.saw.demand().await, 1);
}
