//! Landing: what comes back from the targets, and what it cost. Pure.

use super::lane::{Ending, Out, OutState, Told};
use super::lanes::Lanes;
use crate::deliver::Served;
use crate::{Dispatch, Wait};
use roundsman_store::Timestamp;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl Lanes {
    /// A message was settled.
    pub(crate) fn settled(&mut self, told: Told, now: Timestamp) {
        let Some(lane) = self.lanes.get_mut(&told.lane) else { return };
        (lane.idle, lane.parked) = (false, false);
        let known = lane.out.get(&told.seq).map(|out| out.attempt);
        let is_old = known.is_some() && told.attempt.is_some() && told.attempt != known;
        if is_old && told.ending != Ending::Gone {
            return;
        }
        if let Some(until) = told.again {
            self.aside.set(&lane.lane.key, Wait::Backoff { until });
        }
        if let Some(bytes) = lane.strike(told.seq) {
            self.queued -= 1;
            self.queued_bytes -= bytes;
        }
        match told.ending {
            Ending::Back => lane.go_back(told.seq),
            Ending::Blocked => {
                lane.blocked = true;
                lane.go_back(told.seq);
            }
            Ending::Gone | Ending::Unacknowledged => {}
        }
        if let Some(out) = lane.out.remove(&told.seq) {
            let seats = self.seats.of(&self.limits, lane).filter(|_| out.fare.is_some());
            self.landed(told, out, now);
            seats.into_iter().for_each(|seats| self.seat_next(seats));
        }
        self.metrics.unacknowledged.store(self.unacknowledged as u64, Ordering::Relaxed);
        self.metrics.in_flight.store(self.flying as u64, Ordering::Relaxed);
        self.poke(told.lane);
    }

    /// The target is done with a batch: its slots are free, and its key pays what it took.
    pub(crate) fn served(&mut self, served: &Served, now: Timestamp) {
        let Some(lane) = self.lanes.get_mut(&served.lane) else { return };
        for seq in &served.seqs {
            if let Some(fare) = lane.out.get_mut(seq).and_then(|out| out.fare.take()) {
                self.keys.settle(&lane.lane.key, fare, Some(served.took), now);
                self.seats.leave(&self.limits, lane);
            }
        }
        let seats = self.seats.of(&self.limits, lane);
        seats.into_iter().for_each(|seats| self.seat_next(seats));
    }

    /// Charges what is still with its target, and longer than was thought, for the time it has
    /// been there.
    pub(super) fn run_on(&mut self, now: Timestamp) {
        while let Some((id, seq)) = self.running.overdue(now) {
            let out = self.lanes.get_mut(&id).and_then(|lane| lane.out.get_mut(&seq));
            let Some(fare) = out.and_then(|out| out.fare.as_mut()) else { continue };
            if let Some(due) = self.keys.run_on(fare, now) {
                self.running.watch(due, id, seq);
            }
        }
    }

    /// Turns are dealt in another way from now on, for what waits too.
    pub(crate) fn set_dispatch(&mut self, dispatch: Dispatch) {
        self.keys.set_dispatch(&dispatch, self.now);
        self.limits.dispatch = Dispatch {
            // What is asked for was laid out when the stages were joined.
            max_in_flight: self.limits.dispatch.max_in_flight,
            ..dispatch
        };
    }

    /// A claim took so long: what is handed over ahead of slots is measured by it.
    pub(crate) fn claimed(&mut self, took: Duration) {
        self.lead.claimed(took);
        let Self { limits, keys, lead, .. } = self;
        for (number, rule) in limits.rules.iter().enumerate() {
            if let Some(service) = limits.targets.service(number, rule) {
                keys.set_ahead(number, |slots| lead.ahead(slots, service));
            }
        }
    }

    /// Books what was out as back, or as waiting for its acknowledgement.
    fn landed(&mut self, told: Told, mut out: Out, now: Timestamp) {
        let Some(lane) = self.lanes.get_mut(&told.lane) else { return };
        if let OutState::Flying { again } = out.state {
            lane.flying -= 1;
            self.flying -= 1;
            self.flying_bytes -= out.bytes;
            if let Some(fare) = out.fare.take() {
                self.keys.settle(&lane.lane.key, fare, None, now);
                self.seats.leave(&self.limits, lane);
            }
            if self.alone == Some(told.lane) && self.flying == 0 {
                self.alone = None;
            }
            if again && told.ending == Ending::Back {
                // Written before, not taken this time: it stays unacknowledged.
                out.state = OutState::Unacknowledged { since: now, again: true };
                lane.out.insert(told.seq, out);
                self.unacknowledged += 1;
                self.acking.insert(told.lane);
                return;
            }
        }
        let was_waiting = matches!(out.state, OutState::Unacknowledged { .. });
        if was_waiting && told.ending == Ending::Back {
            lane.out.insert(told.seq, out);
            return;
        }
        if told.ending == Ending::Unacknowledged && !was_waiting {
            out.state = OutState::Unacknowledged { since: now, again: false };
            lane.out.insert(told.seq, out);
            self.unacknowledged += 1;
            self.acking.insert(told.lane);
            return;
        }
        self.unacknowledged -= usize::from(was_waiting);
        let topic = lane.lane.topic.clone();
        self.audience.remove_out(&topic, 1);
        if self.audience.get(&topic).is_some_and(|topic| topic.lanes.len() > 1) {
            // Another lane of the topic may have waited for room in the window.
            self.unpark_all(&topic);
        }
    }
}
