//! Stages that are made anew when they fail, until that is too often.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio::{
    sync::watch,
    time::{Duration, Instant, sleep},
};

use crate::{Pipeline, Reason};

/// How often, and after what time, failed stages are made anew.
///
/// Three times within five seconds, after 100 ms, doubled each time up to 10 s, unless told
/// otherwise.
///
/// ```
/// use roundsman::Restarts;
/// use std::time::Duration;
///
/// let patient = Restarts::default()
///     .intensity(10, Duration::from_secs(60))
///     .back_off(Duration::from_millis(50), Duration::from_secs(5));
/// assert_ne!(patient, Restarts::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restarts {
    most: usize,
    within: Duration,
    first: Duration,
    longest: Duration,
}

impl Default for Restarts {
    fn default() -> Self {
        Self {
            most: 3,
            within: Duration::from_secs(5),
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
        }
    }
}

impl Restarts {
    /// Gives up when it would be more than `most` times `within` that time.
    #[must_use]
    pub fn intensity(self, most: usize, within: Duration) -> Self {
        Self { most, within, ..self }
    }

    /// Waits `first` before the first restart and twice as long before each that follows, up to
    /// `longest`. A run that lasted longer than `within` begins with `first` again.
    #[must_use]
    pub fn back_off(self, first: Duration, longest: Duration) -> Self {
        Self { first, longest, ..self }
    }

    fn pause(&self, row: u32) -> Duration {
        self.first.saturating_mul(1 << row.min(31)).min(self.longest)
    }
}

/// Runs what `make` makes, and makes it anew when a stage of it fails.
///
/// All stages of one run end together: the others are killed when one fails. What a worker needs
/// for itself is set up in `make` and let go with it, or in its `terminate`: each run has its own. A run whose stages
/// all ended in an orderly way is the end, and so is one too many that failed: then
/// [`Kept::ended`] says so, which whoever keeps the keeper may answer in turn.
///
/// # Panics
/// Outside a tokio runtime.
///
/// ```
/// use roundsman::{Pipeline, Reason, Restarts, keep, testing::Script};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let restarts = Restarts::default().back_off(Duration::ZERO, Duration::ZERO);
/// let kept = keep(restarts, || {
///     let (script, _saw) = Script::<u64>::new();
///     let broken = roundsman::producer(script).spawn();
///     broken.stage.stop(Reason::failed("no connection"));
///     Pipeline::new().source("broken", &broken)
/// });
/// let reason = kept.ended().await;
/// assert_eq!(reason.to_string(), "failed more than 3 times within 5s, lastly: no connection");
/// # }
/// ```
pub fn keep(restarts: Restarts, make: impl FnMut() -> Pipeline + Send + 'static) -> Kept {
    let (end, ended) = watch::channel(None);
    let (stop, stopped) = watch::channel(false);
    let count = Arc::new(AtomicU64::new(0));
    let keeper = Keeper { restarts, row: 0, failures: VecDeque::new(), count: Arc::clone(&count) };
    tokio::spawn(async move {
        let reason = keeper.run(make, stopped).await;
        end.send_replace(Some(reason));
    });
    Kept { ended, stop: Arc::new(stop), count }
}

/// What is held of stages that are kept. Clones are the same. Dropping it lets them run on.
#[derive(Clone)]
pub struct Kept {
    ended: watch::Receiver<Option<Reason>>,
    stop: Arc<watch::Sender<bool>>,
    count: Arc<AtomicU64>,
}

impl Kept {
    /// Waits for the end: orderly, told to stop, or given up.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    pub async fn ended(&self) -> Reason {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(Reason::Killed),
            Err(_) => Reason::Killed,
        }
    }

    /// Kills the run that is under way, and makes no other.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// How often it was made anew.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.count.load(Relaxed)
    }
}

struct Keeper {
    restarts: Restarts,
    /// Failures in a row.
    row: u32,
    failures: VecDeque<Instant>,
    count: Arc<AtomicU64>,
}

impl Keeper {
    async fn run(
        mut self,
        mut make: impl FnMut() -> Pipeline + Send,
        mut stopped: watch::Receiver<bool>,
    ) -> Reason {
        loop {
            let (pipeline, began) = (make(), Instant::now());
            let reason = tokio::select! {
                reason = pipeline.failed_or_ended() => reason,
                () = told(&mut stopped) => Reason::Shutdown,
            };
            pipeline.kill();
            pipeline.ended().await;
            if reason.is_orderly() {
                return reason;
            }
            if let Err(end) = self.count(began, &reason) {
                return end;
            }
            tokio::select! {
                () = sleep(self.restarts.pause(self.row - 1)) => {}
                () = told(&mut stopped) => return Reason::Shutdown,
            }
        }
    }

    /// Counts a failure.
    ///
    /// # Errors
    /// It was one too many.
    fn count(&mut self, began: Instant, reason: &Reason) -> Result<(), Reason> {
        let Restarts { most, within, .. } = self.restarts;
        let now = Instant::now();
        self.row = if now.duration_since(began) > within { 1 } else { self.row.saturating_add(1) };
        self.failures.push_back(now);
        while self.failures.front().is_some_and(|at| now.duration_since(*at) > within) {
            self.failures.pop_front();
        }
        if self.failures.len() > most {
            return Err(Reason::failed(format_args!(
                "failed more than {most} times within {within:?}, lastly: {reason}"
            )));
        }
        self.count.fetch_add(1, Relaxed);
        tracing::warn!(%reason, "stages are made anew");
        Ok(())
    }
}

/// Waits until told to stop; for ever if nobody can say so any more.
async fn told(stopped: &mut watch::Receiver<bool>) {
    if stopped.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("restarts", &self.restarts()).finish_non_exhaustive()
    }
}
