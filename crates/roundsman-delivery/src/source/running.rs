//! What is with its target, and when to charge its key on: running work is paid for as it runs. Pure.

use roundsman_store::{LaneId, Timestamp};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Messages with their targets, by when each will have taken what was charged for it: so that the
/// many that take no longer than was thought are never looked at, nor is anything but when a turn
/// is given.
#[derive(Debug, Default)]
pub(crate) struct Running(BinaryHeap<Reverse<(Timestamp, LaneId, u64)>>);

impl Running {
    pub(super) fn watch(&mut self, due: Timestamp, lane: LaneId, seq: u64) {
        self.0.push(Reverse((due, lane, seq)));
    }

    /// One whose time is over; it may have ended since.
    pub(super) fn overdue(&mut self, now: Timestamp) -> Option<(LaneId, u64)> {
        self.0.peek().filter(|Reverse((due, ..))| *due <= now)?;
        self.0.pop().map(|Reverse((_, lane, seq))| (lane, seq))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Keys;
    use super::*;
    use crate::dispatch::{Charge, Dispatch};
    use roundsman_store::Key;
    use std::time::Duration;

    const MILLI: Duration = Duration::from_millis(1);

    /// Two keys with messages enough and one slot left: the one whose message runs on pays for
    /// that before it ends, and the other has its turns meanwhile.
    fn turns_of_the_other(charge: Charge) -> usize {
        let dispatch = Dispatch { max_in_flight: 2, charge, ..Dispatch::default() };
        let mut keys = Keys::new(&dispatch, &[None], false);
        let (slow, quick) = (Key::parse("slow").unwrap(), Key::parse("quick").unwrap());
        let (a, b) = (keys.open(&slow, 0), keys.open(&quick, 0));
        let mut now = Timestamp(0);
        for (account, lane) in [(a, 1), (b, 2)] {
            keys.wait(account, LaneId(lane), false, now);
        }
        let mut running = Running::default();
        let mut slowly = None;
        let mut others = 0;
        for _ in 0..100 {
            now = now.after(MILLI);
            while let Some((_, seq)) = running.overdue(now) {
                let due = keys.run_on(slowly.as_mut().unwrap(), now);
                due.into_iter().for_each(|due| running.watch(due, LaneId(1), seq));
            }
            let Some((account, lane)) = keys.next(now) else { continue };
            let key = if account == a { &slow } else { &quick };
            let fare = keys.start((account, key), 1, now);
            keys.wait(account, lane, false, now);
            if account == a && slowly.is_none() {
                slowly = Some(fare);
                keys.due(fare).into_iter().for_each(|due| running.watch(due, lane, 1));
                continue;
            }
            others += usize::from(account == b);
            keys.settle(key, fare, Some(1000), now);
        }
        assert!(running.len() <= 1);
        others
    }

    #[test]
    fn who_has_a_slow_message_pays_while_it_runs() {
        let by_time = turns_of_the_other(Charge::Time);
        assert!(by_time >= 95, "{by_time} of 99 turns");
        let by_count = turns_of_the_other(Charge::Count);
        assert!((45..=55).contains(&by_count), "by count a turn is a turn: {by_count}");
    }

    #[test]
    fn what_takes_no_longer_than_was_thought_is_not_looked_at() {
        let mut keys = Keys::new(&Dispatch::default(), &[None], false);
        let key = Key::parse("a").unwrap();
        let account = keys.open(&key, 0);
        keys.wait(account, LaneId(1), false, Timestamp(0));
        assert!(keys.next(Timestamp(0)).is_some());
        let fare = keys.start((account, &key), 1, Timestamp(0)).picked_ahead(MILLI);
        let due = keys.due(fare).unwrap();
        let mut running = Running::default();
        running.watch(due, LaneId(1), 7);
        assert_eq!(running.overdue(Timestamp(due.0 - 1)), None);
        assert_eq!(running.overdue(due), Some((LaneId(1), 7)));
        assert_eq!(running.overdue(due), None);
        assert!(due >= Timestamp(0).after(MILLI), "the way to its slot is not charged");
    }
}
