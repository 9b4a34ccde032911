//! Looking in: the counts of one key, which are kept as things change.

use super::ledger::{Ledger, Outcome, Step};
use roundsman_store::{Key, KeyCounts};

/// The counts of one key, from memory: the rows are a little behind.
pub(super) fn key_counts(ledger: &mut Ledger, key: &mut Key) -> Outcome<KeyCounts> {
    if !ledger.accounts.is_at_hand(key, &mut ledger.wants) {
        return Step::Load;
    }
    let account = ledger.accounts.of(key);
    Step::Done(Ok(KeyCounts { backlog: account.backlog, held: account.held }))
}
