//! Taking a log in: batch by batch, each durable in the store before the log hears of it.

use super::Intake;
use super::batch::{Batch, Fault};
use super::counts::{Counts, Intakes};
use crate::config::Limits;
use crate::http::Checks;
use roundsman_delivery::{IntakeError, Node};
use roundsman_logs::{Log, LogError, Opening, Record, Start};
use roundsman_store::{AcceptError, StoreError};
use std::convert::Infallible;
use std::fmt::Display;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// Pauses while the log is away.
const AWAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Pauses while the store is away or a bound is reached.
const FULL: (Duration, Duration) = (Duration::from_millis(16), Duration::from_millis(1024));

/// Why an intake does not go on as it was.
enum End {
    /// The server drains.
    Asked,
    /// A record is in the way.
    Fault(Fault),
    /// The log is.
    Away(LogError),
}

/// Takes one log in.
pub(super) struct Pump {
    pub(super) node: Node,
    pub(super) limits: Limits,
    pub(super) intake: Intake,
    pub(super) counts: Intakes,
    /// Which of them are its own.
    pub(super) number: usize,
    pub(super) stopping: watch::Receiver<bool>,
}

impl Pump {
    /// Goes on until it is asked to stop, or until a record is in the way.
    pub(super) async fn run(mut self) {
        let mut opening = self.intake.opening(self.counts().lag.clone());
        let (mut pause, mut said) = (AWAY.0, None);
        loop {
            let before = self.progress();
            let Err(end) = self.session(&mut opening).await;
            match end {
                End::Asked => return,
                End::Fault(Fault { spot, words }) => {
                    self.counts().stopped.store(1, Ordering::Relaxed);
                    let from = &self.intake.from;
                    tracing::error!(
                        "intake {from}: {spot} cannot be a message: {words}; nothing behind it is \
                         taken in; mend the mapping, or set on_error = \"skip\", and restart"
                    );
                    return;
                }
                End::Away(error) => {
                    if self.progress() > before {
                        (pause, said) = (AWAY.0, None);
                    }
                    let from = &self.intake.from;
                    if said.as_ref() != Some(&error) {
                        tracing::warn!("intake {from}: {error}; trying again");
                    }
                    said = Some(error);
                    if self.rest(pause).await.is_err() {
                        return;
                    }
                    pause = (pause * 2).min(AWAY.1);
                }
            }
        }
    }

    fn counts(&self) -> &Counts {
        &self.counts[self.number]
    }

    /// Grows whenever anything comes.
    fn progress(&self) -> u64 {
        let counts = self.counts();
        counts.taken.load(Ordering::Relaxed) + counts.refused.load(Ordering::Relaxed)
    }

    /// From opening the log until something is in the way.
    async fn session(&mut self, opening: &mut Opening) -> Result<Infallible, End> {
        let mut stopping = self.stopping.clone();
        let mut log = tokio::select! {
            log = Log::open(opening) => log.map_err(End::Away)?,
            () = asked(&mut stopping) => return Err(End::Asked),
        };
        tracing::info!("intake {}: open", self.intake.from);
        // Were the group lost while we are here, what comes then would be passed over.
        opening.start = Start::Oldest;
        loop {
            let records = tokio::select! {
                records = log.next() => records.map_err(End::Away)?,
                () = asked(&mut stopping) => {
                    log.close().await;
                    return Err(End::Asked);
                }
            };
            match self.take(&mut log, records).await {
                Ok(()) => {}
                Err(end @ End::Away(_)) => return Err(end),
                Err(end) => {
                    log.close().await;
                    return Err(end);
                }
            }
        }
    }

    /// Takes a batch in, up to the first record that is in the way.
    async fn take(&self, log: &mut Log, records: Vec<Record>) -> Result<(), End> {
        let mut batch = self.map(records);
        let mut pause = FULL.0;
        loop {
            self.say_skipped(&mut batch);
            if batch.is_empty() {
                break;
            }
            let drafts = batch.drafts();
            let accepted = match drafts.is_empty() {
                true => Ok(Vec::new()),
                false => self.node.accept(drafts).await,
            };
            match accepted {
                Ok(receipts) => {
                    let new = receipts.iter().filter(|receipt| !receipt.duplicate).count();
                    self.counts().taken.fetch_add(new as u64, Ordering::Relaxed);
                    log.done(&batch.accepted()).await.map_err(End::Away)?;
                    pause = FULL.0;
                }
                Err(
                    IntakeError::Draining
                    | IntakeError::Accept(AcceptError::Store(StoreError::Closed)),
                ) => return Err(End::Asked),
                Err(IntakeError::Accept(AcceptError::Store(error))) => {
                    self.wait(&mut pause, error).await?;
                }
                Err(IntakeError::Accept(AcceptError::Refused(refusals))) => {
                    if let Some(bound) = batch.refused(&refusals) {
                        self.wait(&mut pause, format!("{bound} is reached")).await?;
                    }
                }
            }
        }
        batch.fault.map_or(Ok(()), |fault| Err(End::Fault(fault)))
    }

    fn map(&self, records: Vec<Record>) -> Batch {
        let checks = Checks {
            rules: &self.node.rules(),
            limits: &self.limits,
            is_joined: &|topic| self.node.is_joined(topic),
        };
        Batch::of(records, &self.intake.mapping, self.intake.on_error, &checks)
    }

    /// Counts and logs what was passed over: the first and the last of it, since there may be many.
    fn say_skipped(&self, batch: &mut Batch) {
        let skipped = std::mem::take(&mut batch.skipped);
        let (Some(first), Some(last)) = (skipped.first(), skipped.last()) else { return };
        self.counts().refused.fetch_add(skipped.len() as u64, Ordering::Relaxed);
        let (from, Fault { spot, words }) = (&self.intake.from, first);
        tracing::warn!("intake {from}: {spot} is passed over: {words}");
        if skipped.len() > 1 {
            let more = skipped.len() - 1;
            tracing::warn!("intake {from}: and {more} more, the last of them {}", last.spot);
        }
    }

    /// Waits for the store, longer each time.
    async fn wait(&self, pause: &mut Duration, why: impl Display) -> Result<(), End> {
        if *pause == FULL.1 / 2 {
            tracing::warn!("intake {}: waits: {why}", self.intake.from);
        }
        self.rest(*pause).await?;
        *pause = (*pause * 2).min(FULL.1);
        Ok(())
    }

    /// A pause, unless it is asked to stop.
    async fn rest(&self, pause: Duration) -> Result<(), End> {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = sleep(pause) => Ok(()),
            () = asked(&mut stopping) => Err(End::Asked),
        }
    }
}

/// Done once it is asked to stop.
async fn asked(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stop| *stop).await.is_err() {
        // Its sender is gone, and with it whoever could ask.
        std::future::pending::<()>().await;
    }
}
