//! The outbox: rows that are accepted leave it in the same transaction.

use super::accept::accept;
use super::ledger::{Ledger, Outcome, Step};
use roundsman_store::{AcceptError, Bounds, Draft, Receipt};

/// Accepts a batch that was read from these rows.
pub(super) fn take(
    ledger: &mut Ledger,
    (asked, rows): &mut ((Vec<Draft>, Bounds), Vec<u64>),
) -> Outcome<Vec<Receipt>, AcceptError> {
    let step = accept(ledger, asked);
    if matches!(step, Step::Done(Ok(_))) {
        ledger.changes.outbox_taken.append(rows);
    }
    step
}

/// Writes down what is wrong with rows.
pub(super) fn mark(ledger: &mut Ledger, faults: &mut Vec<(u64, String)>) -> Outcome<()> {
    ledger.changes.outbox_marked.append(faults);
    Step::Done(Ok(()))
}
