//! What a message costs its key: an estimate when it goes, what it really took once that is known. Pure.

use super::keys::{Keys, moment};
use crate::dispatch::Charge;
use roundsman::fair::Account;
use roundsman_store::{Key, Timestamp};
use std::time::Duration;

/// What was charged for a message that is with its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fare {
    account: Account,
    charged: u64,
    since: Timestamp,
    /// When its service is thought to begin: it may have been picked ahead of its slot.
    begins: Timestamp,
}

impl Keys {
    /// A message of a key, of so many bytes, goes to its target.
    pub(crate) fn start(
        &mut self,
        (account, key): (Account, &Key),
        bytes: usize,
        now: Timestamp,
    ) -> Fare {
        let charged = self.turns.start(account, self.charge.before(bytes), moment(now));
        self.bound(|bounds, bar| bounds.start(key.as_str(), moment(now), bar));
        Fare { account, charged, since: now, begins: now }
    }

    /// The target is done with a message of a key; `took` where it is known how long that was.
    pub(crate) fn settle(&mut self, key: &Key, fare: Fare, took: Option<u64>, now: Timestamp) {
        let cost = match self.charge {
            Charge::Time => took.unwrap_or_else(|| micros(fare.since, now)),
            Charge::Bytes | Charge::Count => fare.charged,
        };
        self.turns.settle(fare.account, fare.charged, cost, moment(now));
        self.bound(|bounds, bar| bounds.end(key.as_str(), moment(now), bar));
    }

    /// When a message will have taken what was charged for it, where that is time.
    pub(crate) fn due(&self, fare: Fare) -> Option<Timestamp> {
        let span = Duration::from_micros(fare.charged);
        (self.charge == Charge::Time).then(|| fare.begins.after(span))
    }

    /// A message is still with its target: once it has taken what was charged for it, it is charged
    /// on. Answers when to look at it again, where it was.
    pub(crate) fn run_on(&mut self, fare: &mut Fare, now: Timestamp) -> Option<Timestamp> {
        self.due(*fare).filter(|due| *due <= now)?;
        let so_far = micros(fare.begins, now);
        fare.charged = self.turns.run_on(fare.account, fare.charged, so_far);
        self.due(*fare)
    }
}

impl Fare {
    /// The same for a message that was picked so long before its slot is free: the way there is
    /// not charged while it runs.
    pub(crate) fn picked_ahead(self, span: Duration) -> Self {
        Self { begins: self.since.after(span), ..self }
    }
}

fn micros(since: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.since(since).as_micros()).unwrap_or(u64::MAX).max(1)
}
