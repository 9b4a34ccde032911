//! Acknowledgements that do not come: what is unacknowledged too long comes again, or is dead. Pure.

use super::lane::OutState;
use super::lanes::Lanes;
use super::pick::asks;
use crate::retry::Verdict;
use crate::settle::Closing;
use roundsman_store::{Failure, LaneId, Outcome, Place, Timestamp};
use std::time::Duration;

impl Lanes {
    /// Looks for acknowledgements that are overdue. Only while a client is joined that asked for
    /// them: being away is nobody's failure.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        self.seat_all();
        let waiting: Vec<LaneId> = self.acking.iter().copied().collect();
        for id in waiting {
            let Some(lane) = self.lanes.get(&id) else {
                self.acking.remove(&id);
                continue;
            };
            let Some(rule) = self.limits.rules.get(lane.rule) else { continue };
            let there = self.audience.get(&lane.lane.topic);
            let asked = there.is_some_and(|topic| topic.clients > 0 && asks(rule, topic.askers));
            let mut oldest = None;
            for out in lane.out.values() {
                if let OutState::Unacknowledged { since, again: false } = out.state {
                    oldest = Some(oldest.map_or(since, |other: Timestamp| other.min(since)));
                }
            }
            match oldest {
                None if !lane.out.values().any(is_waiting) => {
                    self.acking.remove(&id);
                }
                Some(since) if asked && now.since(since) >= rule.ack_timeout => {
                    let timeout = rule.ack_timeout;
                    self.time_out(id, timeout, now);
                }
                _ => {}
            }
        }
    }

    fn time_out(&mut self, id: LaneId, timeout: Duration, now: Timestamp) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let mut dead = 0;
        for (seq, out) in &mut lane.out {
            let OutState::Unacknowledged { since, .. } = out.state else { continue };
            if now.since(since) < timeout {
                continue;
            }
            let failure = Failure::new(now, format!("not acknowledged within {timeout:?}"));
            let history = out.history.get_or_insert_default();
            history.attempts = history.attempts.max(out.attempt);
            history.failures = history.failures.saturating_add(1);
            history.first_attempt_at.get_or_insert(since);
            let outcome = match self.limits.retry.decide_at(history, now, now) {
                Verdict::Again(at) => {
                    Outcome::Retry { at, place: Place::Keep, failure, payload: None }
                }
                Verdict::Dead(reason) => {
                    out.state = OutState::Closing;
                    dead += 1;
                    Outcome::Dead { reason, failure: Some(failure) }
                }
            };
            self.wants.close.push(Closing::at(id, *seq, out.attempt, None, outcome));
        }
        lane.come_again();
        self.unacknowledged -= dead;
        self.poke(id);
    }
}

fn is_waiting(out: &super::lane::Out) -> bool {
    matches!(out.state, OutState::Unacknowledged { .. })
}
