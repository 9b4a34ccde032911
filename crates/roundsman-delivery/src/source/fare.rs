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
        Fare { account, charged, since: now }
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

    /// A message is still with its target, having been picked `ahead` of its slot. Once it has
    /// taken what was charged for it, it is charged on; whether it was.
    pub(crate) fn run_on(&mut self, fare: &mut Fare, ahead: Duration, now: Timestamp) -> bool {
        let is_over = self.charge == Charge::Time && fare.due(ahead) <= now;
        if is_over {
            let so_far = micros(fare.since.after(ahead), now);
            fare.charged = self.turns.run_on(fare.account, fare.charged, so_far);
        }
        is_over
    }
}

impl Fare {
    /// When the message will have taken what was charged for it.
    pub(super) fn due(self, ahead: Duration) -> Timestamp {
        self.since.after(ahead + Duration::from_micros(self.charged))
    }
}

fn micros(since: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.since(since).as_micros()).unwrap_or(u64::MAX).max(1)
}
