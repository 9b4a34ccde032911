//! The outbox: rows that are accepted leave it in the same transaction.
//!
//! They were read by another connection than the one that writes, perhaps before a commit of which
//! nobody heard was decided. So whoever writes looks first whether they are still there.

use super::accept::accept;
use super::ledger::{Ledger, Outcome, Step};
use roundsman_store::{AcceptError, Bounds, Draft, Receipt, StoreError};

/// A batch, and the rows that it was read from.
#[derive(Debug)]
pub(super) struct Taken {
    asked: (Vec<Draft>, Bounds),
    rows: Vec<u64>,
    are_there: bool,
}

impl Taken {
    pub(super) fn new(batch: Vec<Draft>, bounds: Bounds, rows: Vec<u64>) -> Self {
        Self { asked: (batch, bounds), rows, are_there: false }
    }
}

/// Accepts a batch, if all of its rows are still there.
pub(super) fn take(ledger: &mut Ledger, taken: &mut Taken) -> Outcome<Vec<Receipt>, AcceptError> {
    if !taken.are_there {
        let Some(there) = ledger.outbox.take() else {
            ledger.wants.outbox.clone_from(&taken.rows);
            return Step::Load;
        };
        if there != taken.rows.len() {
            let what = "rows of the outbox have left it since they were read";
            return Step::Done(Err(StoreError::Unavailable(what.to_owned()).into()));
        }
        taken.are_there = true;
    }
    let step = accept(ledger, &mut taken.asked);
    if matches!(step, Step::Done(Ok(_))) {
        ledger.changes.outbox_taken.append(&mut taken.rows);
    }
    step
}

/// Writes down what is wrong with rows.
pub(super) fn mark(ledger: &mut Ledger, faults: &mut Vec<(u64, String)>) -> Outcome<()> {
    ledger.changes.outbox_marked.append(faults);
    Step::Done(Ok(()))
}
