//! Order inside lanes: what was looked up leaves as it came, whatever the order of answers. Pure.

use roundsman_store::LaneId;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// The number of one message in the stage.
pub(super) type Ticket = u64;

/// What waits, by lane. A message outside of any order is in no lane, and leaves when it is ready.
#[derive(Debug)]
pub(super) struct Order<M> {
    waiting: FxHashMap<Ticket, Waiting<M>>,
    lanes: FxHashMap<LaneId, VecDeque<Ticket>>,
    /// Lanes of which something was handed back: what comes behind it is handed back as well, up
    /// to this sequence, until the lane has been read again from where it was.
    broken: FxHashMap<LaneId, (u64, Instant)>,
    next: Ticket,
}

#[derive(Debug)]
struct Waiting<M> {
    lane: Option<LaneId>,
    message: M,
    ready: bool,
}

/// Broken lanes that are remembered before those are let go that long ago broke.
const MANY_BROKEN: usize = 10_000;
/// A lane that has not come again for so long comes from its beginning when it does.
const LONG_AGO: Duration = Duration::from_secs(60);

impl<M> Order<M> {
    pub(super) fn new() -> Self {
        let (waiting, lanes) = (FxHashMap::default(), FxHashMap::default());
        Self { waiting, lanes, broken: FxHashMap::default(), next: 0 }
    }

    /// Whether a message of `lane` has to wait for others of it, ready as it may be.
    pub(super) fn is_behind(&self, lane: LaneId) -> bool {
        self.lanes.contains_key(&lane)
    }

    /// Takes in a message, in `lane` where that has an order.
    pub(super) fn enter(&mut self, lane: Option<LaneId>, message: M, ready: bool) -> Ticket {
        let ticket = self.next;
        self.next += 1;
        if let Some(lane) = lane {
            self.lanes.entry(lane).or_default().push_back(ticket);
        }
        self.waiting.insert(ticket, Waiting { lane, message, ready });
        ticket
    }

    /// A message is ready; `change` makes of it what it has become. Gives out whatever can leave
    /// now, in order.
    pub(super) fn ready(
        &mut self,
        ticket: Ticket,
        change: impl FnOnce(&mut M),
        leave: &mut Vec<M>,
    ) {
        let Some(waiting) = self.waiting.get_mut(&ticket) else { return };
        change(&mut waiting.message);
        waiting.ready = true;
        match waiting.lane {
            Some(lane) => self.advance(lane, leave),
            None => leave.extend(self.waiting.remove(&ticket).map(|waiting| waiting.message)),
        }
    }

    fn advance(&mut self, lane: LaneId, leave: &mut Vec<M>) {
        let Some(tickets) = self.lanes.get_mut(&lane) else { return };
        while let Some(ticket) = tickets.front() {
            if self.waiting.get(ticket).is_some_and(|waiting| !waiting.ready) {
                return;
            }
            leave.extend(self.waiting.remove(ticket).map(|waiting| waiting.message));
            tickets.pop_front();
        }
        self.lanes.remove(&lane);
    }

    /// The message `seq` of `lane` is handed back: all that is behind it comes out too, and what
    /// still comes is [`is_broken`](Self::is_broken).
    pub(super) fn hand_back(&mut self, lane: LaneId, seq: u64, now: Instant) -> Vec<M> {
        if self.broken.len() >= MANY_BROKEN {
            self.broken.retain(|_, (_, since)| now.duration_since(*since) < LONG_AGO);
        }
        let mark = self.broken.entry(lane).or_insert((seq, now));
        mark.0 = mark.0.max(seq);
        let tickets = self.lanes.remove(&lane).unwrap_or_default();
        tickets
            .iter()
            .filter_map(|ticket| self.waiting.remove(ticket))
            .map(|it| it.message)
            .collect()
    }

    /// Whether `seq` of `lane` comes behind something that was handed back, and has to be handed
    /// back too. What was picked before the source knew comes with ever higher sequences; the first
    /// that is not higher says that the lane is read again from where it was.
    pub(super) fn is_broken(&mut self, lane: LaneId, seq: u64) -> bool {
        let Some((highest, _)) = self.broken.get_mut(&lane) else { return false };
        if seq > *highest {
            *highest = seq;
            return true;
        }
        self.broken.remove(&lane);
        false
    }

    /// Messages in the stage.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the order of answers, each lane's messages leave in the order they came, and
        /// none stays.
        #[test]
        fn lanes_keep_their_order(
            messages in prop::collection::vec((0u64..4, any::<bool>()), 1..60),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 60),
        ) {
            let (mut order, mut open, mut left) = (Order::new(), Vec::new(), Vec::new());
            for (number, (lane, ready)) in messages.iter().enumerate() {
                let id = LaneId(*lane);
                if *ready && !order.is_behind(id) {
                    left.push((*lane, number));
                    continue;
                }
                let ticket = order.enter(Some(id), (*lane, number), *ready);
                if !ready {
                    open.push(ticket);
                }
            }
            for pick in picks {
                if open.is_empty() {
                    break;
                }
                let ticket = open.swap_remove(pick.index(open.len()));
                order.ready(ticket, |_| {}, &mut left);
            }
            prop_assert_eq!(left.len(), messages.len());
            prop_assert_eq!(order.len(), 0);
            for lane in 0..4 {
                let numbers: Vec<_> = left.iter().filter(|(of, _)| *of == lane).collect();
                prop_assert!(numbers.is_sorted());
            }
        }
    }

    #[test]
    fn what_is_behind_something_handed_back_is_handed_back_until_it_comes_again() {
        let (mut order, now) = (Order::new(), Instant::now());
        let lane = LaneId(1);
        for seq in [5u64, 6, 7] {
            order.enter(Some(lane), seq, false);
        }
        assert_eq!(order.hand_back(lane, 5, now), [5, 6, 7]);
        assert!(order.is_broken(lane, 8), "picked before the source knew");
        assert!(!order.is_broken(lane, 6), "the lane is read again");
        assert!(!order.is_broken(lane, 7));
        assert!(!order.is_behind(lane));
    }
}
