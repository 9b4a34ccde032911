//! Tasks with workers of their own: set up once, used by many, torn down at the end.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use roundsman::{
    Cancel, Pipeline, Reason, Subscribe, from_iter,
    supervisor::{Shutdown, SupervisorStage, Worker, workers},
};
use tokio::time::Duration;

use crate::play::demand;

/// What happened to all workers.
#[derive(Default)]
struct Tally {
    set_up: AtomicUsize,
    torn_down: AtomicUsize,
    dropped: AtomicUsize,
    worked: AtomicUsize,
}

impl Tally {
    fn read(&self) -> [usize; 4] {
        [&self.set_up, &self.torn_down, &self.dropped, &self.worked].map(|n| n.load(SeqCst))
    }
}

struct Counting {
    tally: Arc<Tally>,
    /// One that is at work is nobody else's.
    at_work: bool,
}

impl Worker for Counting {
    type Event = u32;

    #[expect(clippy::panic, reason = "the test asked for it")]
    async fn work(&mut self, event: u32) -> Result<(), Reason> {
        assert!(!std::mem::replace(&mut self.at_work, true), "two tasks share a worker");
        tokio::task::yield_now().await;
        match event {
            FAILS => return Err(Reason::failed("no luck")),
            PANICS => panic!("worse luck"),
            STAYS => std::future::pending().await,
            _ => {}
        }
        self.at_work = false;
        self.tally.worked.fetch_add(1, SeqCst);
        Ok(())
    }

    async fn tear_down(self) {
        self.tally.torn_down.fetch_add(1, SeqCst);
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.tally.dropped.fetch_add(1, SeqCst);
    }
}

const FAILS: u32 = 1001;
const PANICS: u32 = 1002;
const STAYS: u32 = 1003;

/// Workers of which the first `broken` cannot be set up.
fn counting(broken: usize) -> (SupervisorStage<u32>, Arc<Tally>) {
    let tally = Arc::new(Tally::default());
    let known = Arc::clone(&tally);
    let plan = workers(move || {
        let tally = Arc::clone(&known);
        async move {
            tokio::task::yield_now().await;
            if tally.set_up.fetch_add(1, SeqCst) < broken {
                return Err(Reason::failed("nobody answers"));
            }
            Ok(Counting { tally, at_work: false })
        }
    });
    let tasks = plan.restart_failed(100, Duration::from_secs(5)).shutdown(Shutdown::Abort).spawn();
    (tasks, tally)
}

#[tokio::test]
async fn workers_are_set_up_once_and_torn_down_at_the_end() {
    let (tasks, tally) = counting(0);
    let numbers = roundsman::producer(from_iter(0..1000)).spawn();
    tasks.inlet.subscribe(&numbers.outlet, demand(4, 0)).unwrap();
    assert_eq!(tasks.ended().await, Reason::Normal);
    let [set_up, torn_down, dropped, worked] = tally.read();
    assert_eq!(worked, 1000);
    assert!((1..=4).contains(&set_up), "{set_up}");
    assert_eq!((torn_down, dropped), (set_up, set_up));
}

/// One that cannot be set up is a task that failed, and is tried again with the same event.
#[tokio::test]
async fn a_set_up_that_fails_is_tried_again() {
    let (tasks, tally) = counting(3);
    let numbers = roundsman::producer(from_iter(0..10)).spawn();
    tasks.inlet.subscribe(&numbers.outlet, demand(1, 0)).unwrap();
    assert_eq!(tasks.ended().await, Reason::Normal);
    assert_eq!(tally.read(), [4, 1, 1, 10]);
}

/// It is not used again, and the others notice nothing.
#[tokio::test]
async fn a_worker_that_failed_or_panicked_is_replaced() {
    let tally = Arc::new(Tally::default());
    let known = Arc::clone(&tally);
    let tasks = workers(move || {
        known.set_up.fetch_add(1, SeqCst);
        let tally = Arc::clone(&known);
        async move { Ok(Counting { tally, at_work: false }) }
    })
    .spawn();
    let events = [1, 2, FAILS, 3, PANICS, 4];
    let source = roundsman::producer(from_iter(events)).spawn();
    tasks.inlet.subscribe(&source.outlet, demand(1, 0)).unwrap();
    assert_eq!(tasks.ended().await, Reason::Normal);
    // The one that panicked was dropped without a word.
    assert_eq!(tally.read(), [3, 2, 3, 4]);
}

/// What runs is aborted and its worker dropped; those that were idle are torn down.
#[tokio::test]
async fn a_supervisor_that_is_stopped_tears_its_workers_down() {
    let (tasks, tally) = counting(0);
    let source = roundsman::producer(from_iter([1, 2, STAYS])).spawn();
    let terms = Subscribe::default().max_demand(3).cancel(Cancel::Temporary);
    tasks.inlet.subscribe(&source.outlet, terms).unwrap();
    while tally.worked.load(SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    let report = Pipeline::new()
        .then("tasks", &tasks)
        .drain(Duration::from_millis(1), Duration::from_secs(60))
        .await;
    assert!(report.stages[0].cut, "{report}");
    let [set_up, torn_down, dropped, _] = tally.read();
    assert_eq!((dropped, torn_down), (set_up, set_up - 1));
}
