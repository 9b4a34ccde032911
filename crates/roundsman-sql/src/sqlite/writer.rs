//! The thread that writes: takes every call that waits, performs them in one transaction, commits,
//! and only then tells anybody.

use super::call::Command;
use super::error::store_error;
use super::ledger::{Ledger, Place};
use super::lock::Lock;
use super::mover::Mover;
use super::open;
use roundsman_store::HintSender;
use roundsman_store::StoreError;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// A call on its way to the writer.
pub(super) type Write = Box<dyn Command<Ledger>>;

/// So many calls at most share a commit: those behind them must not wait for ever.
const GROUP: usize = 256;

/// Everything that the thread owns.
pub(super) struct Writer {
    pub(super) place: Place,
    /// `None` after a failure, until it could be opened anew.
    pub(super) ledger: Option<Ledger>,
    pub(super) inbox: Receiver<Write>,
    pub(super) hints: HintSender,
    pub(super) mover: Mover,
    /// Those who read and the one who moves: ended before the lock is let go.
    pub(super) others: Vec<JoinHandle<()>>,
    pub(super) lock: Lock,
    /// Told at the very end.
    pub(super) ended: oneshot::Sender<Result<(), StoreError>>,
}

impl Writer {
    /// Runs until there is nobody left who could call.
    pub(super) fn run(mut self) {
        let mut last_claim = 0;
        while let Some(group) = gather(&self.inbox) {
            let fate = self.perform(group, &mut last_claim);
            if let Err(error) = fate {
                if let StoreError::Full(_) = error {
                    self.place.reserve.give();
                }
                tracing::error!(%error, "a commit failed; the store is opened anew");
                self.ledger = None;
            }
        }
        self.end();
    }

    /// Performs a group and answers each of its calls.
    fn perform(&mut self, mut group: Vec<Write>, last_claim: &mut u64) -> Result<(), StoreError> {
        if self.ledger.is_none() {
            match Ledger::reopen(&self.place, *last_claim) {
                Ok(ledger) => self.ledger = Some(ledger),
                Err(error) => {
                    group.into_iter().for_each(|call| call.answer(Err(error.clone())));
                    return Err(error);
                }
            }
            // A commit that failed may have been one all the same.
            self.hints.walk();
        }
        let fate = match &mut self.ledger {
            Some(ledger) => commit(ledger, &mut group, last_claim, &mut self.hints),
            None => Err(StoreError::Closed),
        };
        for call in group {
            call.answer(fate.clone());
        }
        if fate.is_ok() {
            self.tidy();
        }
        fate
    }

    /// Keeps the WAL short, once those who waited for the commit have their answers.
    fn tidy(&mut self) {
        let Some(ledger) = &self.ledger else { return };
        if let Err(error) = self.mover.committed(&ledger.connection) {
            tracing::debug!(%error, "the WAL could not be moved");
        }
    }

    fn end(self) {
        let Self { place, mut ledger, mover, others, lock, ended, .. } = self;
        drop(mover);
        for thread in others {
            // One that panicked has nothing left to end.
            let _ = thread.join();
        }
        let checkpointed = match &mut ledger {
            Some(ledger) => ledger
                .catch_up()
                .and_then(|()| open::checkpoint(&ledger.connection, "TRUNCATE").map(drop)),
            None => Ok(()),
        };
        drop(ledger);
        place.reserve.end();
        drop(lock);
        let _ = ended.send(checkpointed.map_err(|error| store_error(&place.path, &error)));
    }
}

/// Waits for a call, and takes along those that wait behind it.
fn gather(inbox: &Receiver<Write>) -> Option<Vec<Write>> {
    let mut group = vec![inbox.recv().ok()?];
    group.extend(inbox.try_iter().take(GROUP - 1));
    Some(group)
}

fn commit(
    ledger: &mut Ledger,
    group: &mut [Write],
    last_claim: &mut u64,
    hints: &mut HintSender,
) -> Result<(), StoreError> {
    let path = ledger.place.path.clone();
    let fate = (|| {
        ledger.begin()?;
        for call in group {
            call.perform(ledger)?;
        }
        ledger.commit()
    })();
    *last_claim = (*last_claim).max(ledger.claims.last());
    let fresh = fate.map_err(|error| store_error(&path, &error))?;
    if !fresh.is_empty() {
        hints.announce(fresh);
    }
    Ok(())
}
