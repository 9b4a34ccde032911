//! A lookup that answers as it is told, and counts.

use parking_lot::Mutex;
use roundsman_delivery::{Finding, Found, Lookup, Trouble, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// A source that writes down what it is asked and answers as it is told.
pub(super) struct Source {
    pub(super) asked: Mutex<Vec<(Instant, Vec<String>)>>,
    pub(super) at_once: AtomicUsize,
    pub(super) most_at_once: AtomicUsize,
    pub(super) answer: Mutex<Arc<dyn Fn(&Value) -> Answer + Send + Sync>>,
    pub(super) takes: Mutex<Duration>,
    pub(super) gate: Semaphore,
}

#[derive(Clone)]
pub(super) enum Answer {
    Found(String),
    Missing,
    Failed(Trouble),
    Never,
    Panic,
}

/// Answers `{"id": …}`.
pub(super) fn known(value: &Value) -> Answer {
    Answer::Found(format!("{{\"id\":{value}}}"))
}

struct Ask(Arc<Source>);

/// One that is there while a query is.
struct Under(Arc<Source>);

impl Drop for Under {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Lookup for Ask {
    fn look_up(&self, values: Vec<Value>) -> Finding {
        let source = self.0.clone();
        Box::pin(async move {
            let now = source.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            let under = Under(source.clone());
            source.most_at_once.fetch_max(now, Ordering::SeqCst);
            let names = values.iter().map(|value| value.to_string()).collect();
            source.asked.lock().push((Instant::now(), names));
            source.gate.acquire().await.unwrap().forget();
            let takes = *source.takes.lock();
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            source.gate.add_permits(1);
            let answer = source.answer.lock().clone();
            let mut found = Found::new();
            for value in values {
                match answer(&value) {
                    Answer::Found(it) => drop(found.insert(value, it.into())),
                    Answer::Missing => {}
                    Answer::Failed(trouble) => return Err(trouble),
                    Answer::Never => std::future::pending().await,
                    Answer::Panic => panic!("as it was told"),
                }
            }
            drop(under);
            Ok(found)
        })
    }
}

impl Source {
    /// One that knows everything.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            asked: Mutex::default(),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            answer: Mutex::new(Arc::new(known)),
            takes: Mutex::default(),
            gate: Semaphore::new(1 << 20),
        })
    }

    pub(super) fn lookup(self: &Arc<Self>) -> impl Lookup {
        Ask(self.clone())
    }

    pub(super) fn answers(&self, answer: impl Fn(&Value) -> Answer + Send + Sync + 'static) {
        *self.answer.lock() = Arc::new(answer);
    }

    pub(super) fn queries(&self) -> Vec<Vec<String>> {
        self.asked.lock().iter().map(|(_, values)| values.clone()).collect()
    }

    /// How often each value was asked for.
    pub(super) fn times(&self) -> HashMap<String, usize> {
        let mut times = HashMap::new();
        for value in self.queries().into_iter().flatten() {
            *times.entry(value).or_default() += 1;
        }
        times
    }
}
