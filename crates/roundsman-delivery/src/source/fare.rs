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
    /// What it costs however short its service is.
    least: u64,
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
        Fare { account, charged, least: 0, since: now, begins: now }
    }

    /// What a message under this rule costs at least, where that is time.
    ///
    /// So many slots are not what is scarce while services are shorter than this: handling a message
    /// is, which takes the node as long for each. And so short a time says more of when the machine
    /// let us look at the clock than of any receiver: a key that was unlucky once would wait for
    /// thousands of turns of others.
    pub(crate) fn least(&self, rule: usize) -> u64 {
        /// Of one message, in microseconds.
        const HANDLING: u64 = 5;
        match self.charge {
            Charge::Time => u64::from(self.slots(rule)) * HANDLING,
            Charge::Bytes | Charge::Count => 0,
        }
    }

    /// The target is done with a message of a key; `took` where it is known how long that was.
    pub(crate) fn settle(&mut self, key: &Key, fare: Fare, took: Option<u64>, now: Timestamp) {
        let cost = match self.charge {
            Charge::Time => took.unwrap_or_else(|| micros(fare.since, now)).max(fare.least),
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

    /// The same for one that costs so much at [`least`](Keys::least).
    pub(crate) fn at_least(self, least: u64) -> Self {
        Self { least, ..self }
    }
}

fn micros(since: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.since(since).as_micros()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::Dispatch;
    use roundsman_store::LaneId;

    const NOW: Timestamp = Timestamp(5);

    /// Turns of two keys under a rule with so many slots, where every hundredth message of the first
    /// takes a thousand times as long.
    fn turns(slots: usize, short: u64) -> [usize; 2] {
        let mut keys = Keys::new(&Dispatch::default(), &[Some(slots)], false);
        let both = ["a", "b"].map(|name| Key::parse(name).unwrap());
        let accounts = [0, 1].map(|at| keys.open(&both[at], 0));
        let mut turns = [0_usize; 2];
        for (at, account) in accounts.into_iter().enumerate() {
            keys.wait(account, LaneId(at as u64), false, NOW);
        }
        for _ in 0..2_000 {
            let (account, lane) = keys.next(NOW).unwrap();
            let at = usize::from(account == accounts[1]);
            turns[at] += 1;
            let fare = keys.start((account, &both[at]), 1, NOW).at_least(keys.least(0));
            keys.wait(account, lane, false, NOW);
            let is_long = at == 0 && turns[at].is_multiple_of(100);
            keys.settle(&both[at], fare, Some(if is_long { 1_000 * short } else { short }), NOW);
        }
        turns
    }

    #[test]
    fn what_is_shorter_than_slots_can_be_scarce_costs_what_handling_does() {
        let [unlucky, other] = turns(1_000, 5);
        assert!(other < unlucky + 40, "five milliseconds once are no thousand turns: {unlucky}");
    }

    #[test]
    fn where_slots_are_scarce_time_is_what_counts() {
        let [slow, other] = turns(20, 10_000);
        assert!(other > 8 * slow, "eleven times as slow on average: {slow} turns");
    }
}
