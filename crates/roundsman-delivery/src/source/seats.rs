//! Seats: how much of what a rule can serve at once one of its endpoints may have. Pure.
//!
//! An endpoint that hangs holds its seats and no more: what else is for it waits in its lanes, in no
//! list that anything scans, and a seat that comes free wakes one of them. Nothing goes ahead of
//! seats: what does so for an endpoint that is about to hang would take the place of all others.

use super::lane::Resident;
use super::lanes::{Lanes, Limits};
use roundsman_store::{Endpoint, LaneId};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// The endpoints that have messages with their target, of rules that have several.
#[derive(Debug, Default)]
pub(crate) struct Seats(FxHashMap<Place, Seat>);

/// One endpoint of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    rule: usize,
    endpoint: Endpoint,
}

#[derive(Debug, Default)]
struct Seat {
    taken: usize,
    /// Lanes that have messages for it and found no room, each once.
    waiting: VecDeque<LaneId>,
}

impl Seats {
    /// Where the messages of a lane take a seat, if they need one.
    pub(super) fn of(&self, limits: &Limits, lane: &Resident) -> Option<Place> {
        let endpoint = lane.way.target()?;
        at_once(limits, lane.rule).map(|_| Place { rule: lane.rule, endpoint })
    }

    /// A message of the lane goes to its target.
    pub(super) fn take(&mut self, limits: &Limits, lane: &Resident) {
        if let Some(place) = self.of(limits, lane) {
            self.0.entry(place).or_default().taken += 1;
        }
    }

    /// The target is done with a message of the lane. Who waits is to be woken.
    pub(super) fn leave(&mut self, limits: &Limits, lane: &Resident) {
        let Some(place) = self.of(limits, lane) else { return };
        let Some(seat) = self.0.get_mut(&place) else { return };
        seat.taken -= 1;
        if seat.taken == 0 && seat.waiting.is_empty() {
            self.0.remove(&place);
        }
    }

    fn next(&mut self, place: Place) -> Option<LaneId> {
        let seat = self.0.get_mut(&place)?;
        let next = seat.waiting.pop_front();
        if seat.taken == 0 && seat.waiting.is_empty() {
            self.0.remove(&place);
        }
        next
    }
}

impl Lanes {
    /// How many seats are free for a lane; `None` where none is, and then it is woken by one.
    pub(super) fn seats_for(&mut self, id: LaneId) -> Option<usize> {
        let lane = self.lanes.get_mut(&id)?;
        let Some(place) = self.seats.of(&self.limits, lane) else { return Some(usize::MAX) };
        let free = self.free_seats(place);
        if free == 0 {
            if let Some(lane) = self.lanes.get_mut(&id).filter(|lane| !lane.unseated) {
                lane.unseated = true;
                self.seats.0.entry(place).or_default().waiting.push_back(id);
            }
            // Where others wait to become resident, it leaves.
            self.poke(id);
            return None;
        }
        Some(free)
    }

    fn free_seats(&self, place: Place) -> usize {
        let Some(at_once) = at_once(&self.limits, place.rule) else { return usize::MAX };
        let taken = self.seats.0.get(&place).map_or(0, |seat| seat.taken);
        at_once.saturating_sub(taken)
    }

    /// Wakes one of those that wait for a seat, where one is free.
    pub(super) fn seat_next(&mut self, place: Place) {
        while self.free_seats(place) > 0
            && let Some(id) = self.seats.next(place)
        {
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.unseated = false;
                self.poke(id);
            }
            if self.lanes.get(&id).is_some_and(|lane| lane.listed) {
                return;
            }
        }
    }

    /// The same for every endpoint: the key of one that was woken may be at its cap, and its turn
    /// not come while others could go.
    pub(super) fn seat_all(&mut self) {
        let waits = |(place, seat): (&Place, &Seat)| (!seat.waiting.is_empty()).then_some(*place);
        let places: Vec<Place> = self.seats.0.iter().filter_map(waits).collect();
        places.into_iter().for_each(|place| self.seat_next(place));
    }
}

fn at_once(limits: &Limits, number: usize) -> Option<usize> {
    limits.targets.endpoint_capacity(number, limits.rules.get(number)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::Served;
    use crate::metrics::Metrics;
    use crate::source::lane::{Ending, Told};
    use crate::target::{Batch, Target, Targets};
    use crate::{Dispatch, Order, Retry, Rule, Rules, To};
    use proptest::prelude::*;
    use roundsman_store::{Fresh, Key, Lane, MessageId, Record, Timestamp};
    use std::sync::Arc;

    /// Four slots, one of them for each endpoint; topics of the same parity share one.
    struct Hooks;

    const TO: To = To::Target(1);

    impl Target for Hooks {
        fn deliver(&self, _: Batch) {}

        fn capacity(&self, _: usize) -> Option<usize> {
            Some(4)
        }

        fn endpoint_capacity(&self, _: usize) -> Option<usize> {
            Some(1)
        }

        fn endpoint(&self, _: usize, topic: &str) -> Option<Endpoint> {
            Some(Endpoint::of(if topic.ends_with(['0', '2', '4']) { "even" } else { "odd" }))
        }
    }

    fn lanes(order: Order) -> Lanes {
        let mut targets = Targets::default();
        targets.add(TO, Arc::new(Hooks));
        let rule = Rule { to: TO, order, ..Rule::channel("*") };
        let limits = Limits {
            dispatch: Dispatch { per_key: 2, ..Dispatch::default() },
            retry: Retry::default(),
            rules: Rules::new(vec![rule]),
            targets,
            augments: Arc::from([]),
        };
        Lanes::new(limits, Arc::new(Metrics::default()))
    }

    /// A message of one of six lanes, of three keys.
    fn fresh(number: u64, previous: u64, seq: u64) -> Fresh {
        let key = Key::parse(&format!("key-{}", number % 3)).unwrap();
        let topic = format!("topic-{number}").into();
        let record = Record {
            lane: Arc::new(Lane { id: LaneId::new(0, number), key, topic }),
            seq,
            id: MessageId::Given(format!("{seq}").into()),
            event: "message".into(),
            payload: "{}".into(),
            accepted_at: Timestamp(0),
            expires_at: None,
            history: None,
        };
        Fresh { previous: Some(previous), record }
    }

    proptest! {
        /// Whatever comes and ends in whatever order: no endpoint has more than its seats, whoever
        /// can go goes, and everything has gone in the end.
        #[test]
        fn seats_are_kept_and_given_on(
            ordered: bool,
            steps in prop::collection::vec((0..4u8, 0..6u64), 1..300),
        ) {
            let mut lanes = lanes(if ordered { Order::Topic } else { Order::None });
            let (mut last, mut seq, mut out) = ([0; 6], 0, Vec::new());
            let now = Timestamp(1);
            let mut gone = 0;
            for (step, number) in steps.into_iter().chain((0..2000).map(|n: u16| (1 + (n % 2) as u8, 0))) {
                match step {
                    0 => {
                        seq += 1;
                        let previous = std::mem::replace(&mut last[number as usize], seq);
                        lanes.fresh(vec![fresh(number, previous, seq)]);
                    }
                    1 => out.extend(lanes.pick(10, now).messages.into_iter().map(|it| it.0)),
                    2 if !out.is_empty() => {
                        let message = out.swap_remove(number as usize % out.len());
                        let (lane, seq) = (message.record.lane.id, message.record.seq);
                        if !seq.is_multiple_of(3) {
                            lanes.served(&Served { lane, seqs: vec![seq], took: 100 }, now);
                        }
                        let attempt = Some(message.attempt);
                        lanes.settled(Told { lane, seq, attempt, ending: Ending::Gone, again: None }, now);
                        gone += 1;
                    }
                    2 => {}
                    _ => lanes.tick(now),
                }
                for parity in 0..2 {
                    let of = out.iter().filter(|it| it.record.lane.id.number() % 2 == parity);
                    prop_assert!(of.count() <= 1, "one at a time of each endpoint");
                }
            }
            prop_assert_eq!(gone, seq, "nothing waits for ever");
            prop_assert!(lanes.seats.0.is_empty(), "an endpoint without messages costs nothing");
        }
    }
}
