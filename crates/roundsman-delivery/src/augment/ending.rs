//! What the end of a query means for those who waited for it, and for its source.

use super::add::fault;
use super::desk::Query;
use super::lookup::{Found, Value};
use super::order::Ticket;
use super::settings::Augment;
use super::stage::{AugmentStage, Ended, Held};
use crate::deliver::{DeliverInfo, Turn};
use crate::target::{Fate, Trouble};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// A query that was given up on keeps its place for as long again, up to this.
const STILL_AT_IT: Duration = Duration::from_secs(1);

impl AugmentStage {
    /// A query has ended: everybody who waited for it is told, or it is asked again in parts.
    pub(super) fn ended(&mut self, ended: Ended, leave: &mut Vec<Held>) {
        let Ended { query, answer, late, took } = ended;
        let now = Instant::now();
        self.metrics.seconds.observe(took, 1);
        let late = late.then(|| now + self.augment.timeout.min(STILL_AT_IT));
        match answer {
            Ok(found) => {
                let asked = self.desk.done(query, now, late);
                self.answered(asked, found, now, leave);
            }
            Err(why) => {
                self.metrics.failed.fetch_add(1, Ordering::Relaxed);
                let is_one = query.values.len() == 1 || why.not_before.is_some();
                if !is_one && self.circuit.may_be_a_values() {
                    return self.desk.split(query, self.circuit.answers(), now, late);
                }
                self.troubled(query, &why, now, late, leave);
            }
        }
    }

    fn answered(
        &mut self,
        asked: Vec<(Value, Vec<Ticket>)>,
        mut found: Found,
        now: Instant,
        leave: &mut Vec<Held>,
    ) {
        self.it_answers();
        for (value, tickets) in asked {
            let found = found.remove(&value);
            let fault = found.as_ref().and_then(fault);
            if fault.is_none() {
                self.answers.keep(&value, found.as_ref(), now);
            }
            self.tell(tickets, leave, |augment, turn| match &fault {
                Some(why) => augment.failed(turn, why),
                None => augment.add(turn, &value, found.as_ref()),
            });
        }
    }

    /// The source is there: whoever waited for it goes on.
    fn it_answers(&mut self) {
        if self.circuit.answered()
            && let Some(deliver) = &self.deliver
        {
            tracing::info!(augment = &*self.augment.name, "its source answers again");
            let _ = deliver.info(DeliverInfo::Open(self.augment.endpoint()));
        }
    }

    fn troubled(
        &mut self,
        query: Query,
        why: &Trouble,
        now: Instant,
        late: Option<Instant>,
        leave: &mut Vec<Held>,
    ) {
        let (since, is_one) = (query.part_since, query.values.len() == 1);
        let asked = self.desk.done(query, now, late);
        let tickets = asked.into_iter().flat_map(|(_, tickets)| tickets).collect();
        let answers_others = since.is_some_and(|since| self.circuit.answers() > since);
        if is_one && why.not_before.is_none() {
            // What is read and refused is answered; what alone fails of several is at fault itself.
            let is_read = speaks_of_it(why);
            if is_read {
                self.it_answers();
            }
            if is_read || answers_others && !self.circuit.is_open() {
                return self.tell(tickets, leave, |augment, turn| augment.failed(turn, why));
            }
        }
        let until = why.not_before.map(|until| now + until.since(self.clock.now()));
        let was_open = self.circuit.is_open();
        self.circuit.failed(since.is_some(), now, until, rand::random());
        let alone = self.circuit.left_alone_until().map(|until| self.timestamp(until, now));
        match alone {
            // A source that is left alone is no fault of what was asked.
            Some(until) => {
                self.tell(tickets, leave, |augment, turn| augment.left_alone(turn, until));
            }
            None => self.tell(tickets, leave, |augment, turn| augment.failed(turn, why)),
        }
        if let Some(until) = alone.filter(|_| !was_open) {
            tracing::warn!(
                augment = &*self.augment.name,
                why = &*why.what,
                "its source is left alone"
            );
            let waiting = self.desk.clear();
            self.tell(waiting, leave, |augment, turn| augment.left_alone(turn, until));
        }
    }

    fn tell(
        &mut self,
        tickets: Vec<Ticket>,
        leave: &mut Vec<Held>,
        fate: impl Fn(&Augment, &mut Turn) -> Option<Fate>,
    ) {
        for ticket in tickets {
            let became = |held: &mut Held| held.fate = fate(&self.augment, &mut held.turn);
            self.order.ready(ticket, became, leave);
        }
    }
}

/// Whether a status speaks of the request that it answers, and not of whoever answers.
fn speaks_of_it(why: &Trouble) -> bool {
    matches!(
        why.status,
        Some(400 | 402 | 405 | 406 | 409 | 410..=418 | 422..=424 | 426 | 431 | 451)
    )
}
