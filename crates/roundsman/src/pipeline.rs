//! Stages that belong together: watched to their end, drained under one deadline, reported on.

use std::{fmt, sync::Arc};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use tokio::time::{Duration, timeout};

use crate::{
    Counts, Reason, StageRef,
    stage::{ConsumerStage, ProducerStage, TransformStage, port::Life},
};

/// Stages of any types that end together, each by a name for the report.
///
/// It holds nothing but their handles: they run as well without it.
///
/// ```
/// use roundsman::{Pipeline, Reason, Subscribe, from_iter};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let print = roundsman::supervisor(|n: u64| async move { Ok(println!("{n}")) }).spawn();
/// let numbers = roundsman::producer(from_iter(0..100)).spawn();
/// print.inlet.subscribe(&numbers.outlet, Subscribe::default())?;
///
/// let pipeline = Pipeline::new().source("numbers", &numbers).then("print", &print);
/// let report = pipeline.ended().await; // the iterator ends, and what it began with it
/// assert!(report.is_whole());
/// assert_eq!(report.get("print").map(|print| print.counts.taken), Some(100));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    name: Arc<str>,
    stage: AnyStage,
    /// Whether it is told to drain at once, and not after those before it.
    is_source: bool,
}

/// A stage whose types no longer matter: it can be ended, and looked at.
#[derive(Clone)]
pub struct AnyStage(Arc<dyn Life>);

/// How the stages of a pipeline ended, in the order in which they were added; see [`Pipeline`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// One for each stage.
    pub stages: Vec<Ending>,
}

/// How one stage ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What the stage was called when it was added.
    pub name: Arc<str>,
    /// Why it ended.
    pub reason: Reason,
    /// Whether it ended only since the time for a drain was over.
    pub cut: bool,
    /// What it had done by then.
    pub counts: Counts,
}

impl Pipeline {
    /// One without stages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a stage where events begin.
    #[must_use]
    pub fn source(self, name: &str, stage: impl Into<AnyStage>) -> Self {
        self.with(name, stage.into(), true)
    }

    /// Adds a stage that takes events, after all those that they come from.
    #[must_use]
    pub fn then(self, name: &str, stage: impl Into<AnyStage>) -> Self {
        self.with(name, stage.into(), false)
    }

    fn with(mut self, name: &str, stage: AnyStage, is_source: bool) -> Self {
        self.parts.push(Part { name: name.into(), stage, is_source });
        self
    }

    /// Waits until every stage has ended, and says how it went.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it; it can be asked for again.
    pub async fn ended(&self) -> Report {
        self.report(&vec![false; self.parts.len()]).await
    }

    /// Waits until one has ended for a reason that is not an orderly one, or all have ended.
    pub(crate) async fn failed_or_ended(&self) -> Reason {
        let ends = |part: &Part| {
            let stage = part.stage.clone();
            async move { stage.0.shared().ended().await }
        };
        let mut open: FuturesUnordered<_> = self.parts.iter().map(ends).collect();
        while let Some(reason) = open.next().await {
            if !reason.is_orderly() {
                return reason;
            }
        }
        Reason::Normal
    }

    /// Ends what still runs.
    pub(crate) fn kill(&self) {
        for part in &self.parts {
            part.stage.0.shared().kill();
        }
    }

    /// Drains all of it, from the sources on, and says how it went.
    ///
    /// Sources are told at once; each other stage when those before it have ended, so that
    /// nothing under way is left behind, whatever their subscriptions say of each other's end.
    /// Stages that have not ended `within` that time are stopped, and those that have not come
    /// out of their handlers after another `grace` are killed. What these held is counted as
    /// [`lost`](Counts::lost) and [`unfinished`](Counts::unfinished).
    ///
    /// A handler that blocks its thread and never awaits can be neither stopped nor killed, and
    /// holds the report up as it holds up the end of its runtime.
    ///
    /// # Panics
    /// In a tokio runtime without time.
    ///
    /// # Cancel safety
    /// Dropped, it cuts nothing off; stages that were told to drain go on with it.
    pub async fn drain(&self, within: Duration, grace: Duration) -> Report {
        // Whether that was in time shows in the stages.
        let _ = timeout(within, self.drain_in_order()).await;
        let runs = |part: &Part| part.stage.0.shared().ended.get().is_none();
        let cut: Vec<bool> = self.parts.iter().map(runs).collect();
        for part in self.parts.iter().filter(|part| runs(part)) {
            part.stage.0.stop(Reason::Shutdown);
        }
        if let Ok(report) = timeout(grace, self.report(&cut)).await {
            return report;
        }
        self.kill();
        self.report(&cut).await
    }

    async fn drain_in_order(&self) {
        for source in self.parts.iter().filter(|part| part.is_source) {
            source.stage.0.drain();
        }
        for part in &self.parts {
            part.stage.0.drain();
            part.stage.0.shared().ended().await;
        }
    }

    async fn report(&self, cut: &[bool]) -> Report {
        let endings = self.parts.iter().zip(cut).map(async |(part, &cut)| {
            let shared = part.stage.0.shared();
            let reason = shared.ended().await;
            Ending { name: Arc::clone(&part.name), reason, cut, counts: shared.counts() }
        });
        Report { stages: join_all(endings).await }
    }
}

impl Report {
    /// Whether all was done: every stage ended as its work was, and none with events left over.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.stages.iter().all(|ending| {
            let Counts { lost, unfinished, discarded, .. } = ending.counts;
            ending.reason == Reason::Normal && lost + unfinished + discarded == 0
        })
    }

    /// How the stage of that name ended; the first of them, if several have it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Ending> {
        self.stages.iter().find(|ending| *ending.name == *name)
    }

    /// Events that were under way and went no further, in all: lost, unfinished, or discarded.
    #[must_use]
    pub fn left_over(&self) -> u64 {
        let counts = self.stages.iter().map(|ending| ending.counts);
        counts.map(|counts| counts.lost + counts.unfinished + counts.discarded).sum()
    }
}

/// A line for each stage: `print: took 100, emitted 0; done`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, ending) in self.stages.iter().enumerate() {
            write!(f, "{}{ending}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { taken, emitted, unfinished, lost, discarded, handed_back, .. } = self.counts;
        write!(f, "{}: took {taken}, emitted {emitted}", self.name)?;
        let rest = [
            (unfinished, "unfinished"),
            (lost, "lost"),
            (discarded, "discarded"),
            (handed_back, "handed back"),
        ];
        for (n, what) in rest.into_iter().filter(|(n, _)| *n > 0) {
            write!(f, ", {n} {what}")?;
        }
        write!(f, "; {}{}", if self.cut { "cut off: " } else { "" }, self.reason)
    }
}

impl<Info: 'static> From<&StageRef<Info>> for AnyStage {
    fn from(stage: &StageRef<Info>) -> Self {
        Self(Arc::clone(&stage.told) as _)
    }
}

impl<E, Info: 'static> From<&ProducerStage<E, Info>> for AnyStage {
    fn from(producer: &ProducerStage<E, Info>) -> Self {
        (&producer.stage).into()
    }
}

impl<In, Out, Info: 'static> From<&TransformStage<In, Out, Info>> for AnyStage {
    fn from(transform: &TransformStage<In, Out, Info>) -> Self {
        (&transform.stage).into()
    }
}

impl<E, Info: 'static> From<&ConsumerStage<E, Info>> for AnyStage {
    fn from(consumer: &ConsumerStage<E, Info>) -> Self {
        (&consumer.stage).into()
    }
}

impl fmt::Debug for AnyStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyStage").field("ended", &self.0.shared().ended.get()).finish()
    }
}
