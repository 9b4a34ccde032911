//! Dead letters as a filter sees them, and one step through them.

use roundsman_store::{DeadReason, IdSalt, Key, Lane, MessageId, Sweep, Timestamp};
use std::sync::Arc;

/// A dead letter without its history and payload.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) seq: u64,
    pub(crate) lane: Arc<Lane>,
    pub(crate) accepted: Timestamp,
    /// `None`: made here, and it died where its id says.
    pub(crate) id: Option<Arc<str>>,
    pub(crate) reason: Option<DeadReason>,
    pub(crate) died: Timestamp,
    /// Of its payload.
    pub(crate) bytes: usize,
}

impl Letter {
    /// Its id as text, wherever it lay.
    pub(crate) fn id(&self, salt: IdSalt) -> Arc<str> {
        match &self.id {
            Some(id) => id.clone(),
            None => {
                let made = MessageId::Made { salt, lane: self.lane.id, seq: self.seq };
                made.to_string().into()
            }
        }
    }

    fn passes(&self, sweep: &Sweep) -> bool {
        let name: (&Key, &str) = (&self.lane.key, &self.lane.topic);
        self.reason.is_some_and(|reason| sweep.filter.matches(name, reason, self.died))
    }
}

/// Of letters in the order of their sequences, at most `limit` that pass, and where to go on.
pub(crate) fn step(
    letters: impl Iterator<Item = Letter>,
    sweep: &Sweep,
    limit: usize,
) -> (Vec<Letter>, Option<u64>) {
    let (mut picked, mut bytes, mut last) = (Vec::new(), 0, sweep.after);
    for (looked, letter) in letters.enumerate() {
        let is_enough = picked.len() >= limit.max(1) || bytes >= Sweep::BYTES;
        if is_enough || looked == Sweep::LOOKED_AT {
            return (picked, Some(last));
        }
        last = letter.seq;
        if letter.passes(sweep) {
            bytes += letter.bytes;
            picked.push(letter);
        }
    }
    (picked, None)
}
