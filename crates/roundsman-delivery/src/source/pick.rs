//! Picking: the keys say whose turn it is; within every bound of its lane, its messages go. Pure.

use super::lane::{Out, OutState};
use super::lanes::Lanes;
use super::parking::bar;
use crate::rule::{Ack, Rule, To};
use crate::settle::Closing;
use crate::target::Message;
use roundsman::fair::Account;
use roundsman_store::{LaneId, Outcome, Record, Timestamp};
use std::sync::atomic::Ordering;

/// What was picked, in the order of turns.
#[derive(Debug, Default)]
pub(crate) struct Picked {
    /// Each message with the number of its rule.
    pub(crate) messages: Vec<(Message, usize)>,
    /// The one message goes alone.
    pub(crate) alone: bool,
    /// No more fits, by bytes.
    pub(crate) is_full: bool,
}

/// What is to be done with the record at the head of a lane's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// Its turn.
    Due,
    /// Its turn, with nothing else in flight.
    Alone,
    /// It is out already.
    Skip,
    /// Too old.
    Expired,
    /// Too much is in flight, by bytes.
    Full,
    /// No room in its topic's window, or it is being taken back: parked until something of the
    /// topic is settled, or somebody joins or leaves, or the store has answered.
    Parked,
    /// There is none.
    None,
}

impl Lanes {
    /// Picks up to `demand` messages.
    pub(crate) fn pick(&mut self, demand: usize, now: Timestamp) -> Picked {
        let mut picked = Picked::default();
        if self.alone.is_some() && self.flying > 0 {
            return picked;
        }
        self.now = now;
        self.run_on(now);
        while picked.messages.len() < demand && !picked.alone && !picked.is_full {
            let Some((account, id)) = self.keys.next(now) else { break };
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.listed = false;
                let seats = self.seats.of(&self.limits, lane);
                self.turn(id, demand - picked.messages.len(), now, &mut picked);
                // One that was woken may have gone without, and another waits.
                seats.into_iter().for_each(|seats| self.seat_next(seats));
            }
            self.keys.rested(account);
            if self.alone.is_some() && !picked.alone {
                break;
            }
        }
        self.metrics.in_flight.store(self.flying as u64, Ordering::Relaxed);
        picked
    }

    /// Gives a lane its turn: as many messages as its key may have in a row.
    fn turn(&mut self, id: LaneId, most: usize, now: Timestamp, picked: &mut Picked) {
        let Some((account, room)) = self.room(id, most) else { return };
        let mut taken = 0;
        while taken < room && !picked.alone && self.is_seated(id) {
            match self.head(id, now) {
                Head::Skip => {
                    self.pop(id);
                }
                Head::Expired => self.expire(id),
                Head::Alone if self.flying > 0 => {
                    // Everything else lands first; nothing new is picked until then.
                    self.alone = Some(id);
                    return self.relist_first(id);
                }
                head @ (Head::Due | Head::Alone) => {
                    if head == Head::Alone {
                        self.alone = Some(id);
                        picked.alone = true;
                    }
                    if let Some(record) = self.pop(id) {
                        picked.messages.push(self.take_off(id, record, now));
                        taken += 1;
                    }
                    if !self.keys.goes_on(account, now) {
                        break;
                    }
                }
                Head::Full => {
                    picked.is_full = true;
                    return self.relist_first(id);
                }
                Head::Parked => {
                    if let Some(lane) = self.lanes.get_mut(&id) {
                        lane.parked = true;
                    }
                    break;
                }
                Head::None => break,
            }
        }
        self.poke(id);
    }

    /// What is to be done with the record at the head of a lane's queue.
    fn head(&mut self, id: LaneId, now: Timestamp) -> Head {
        let Some(lane) = self.lanes.get_mut(&id) else { return Head::None };
        let Some(record) = lane.queue.front() else { return Head::None };
        if self.fences.holds(record.seq) {
            return Head::Parked;
        }
        let (topic, rule) = (self.audience.get(&lane.lane.topic), self.limits.rules.get(lane.rule));
        let asked = rule.is_some_and(|rule| asks(rule, topic.map_or(0, |topic| topic.askers)));
        match lane.out.get_mut(&record.seq).map(|out| &mut out.state) {
            Some(OutState::Unacknowledged { again, .. }) if *again && !asked => {
                // Whoever asked has left again, and others have had it: it waits for the next
                // one who asks.
                *again = false;
                return Head::Skip;
            }
            Some(OutState::Unacknowledged { again: true, .. }) => {}
            Some(_) => return Head::Skip,
            None => {
                let window = rule.map_or(usize::MAX, |rule| rule.ack_window);
                if asked && topic.is_some_and(|topic| topic.out >= window) {
                    return Head::Parked;
                }
            }
        }
        if record.is_expired(now) {
            return Head::Expired;
        }
        let bytes = record.payload.len();
        if self.flying > 0 && self.flying_bytes + bytes > self.limits.dispatch.max_bytes {
            return Head::Full;
        }
        let alone = record.history.as_ref().is_some_and(|history| history.goes_alone());
        if alone { Head::Alone } else { Head::Due }
    }

    /// How many messages a lane may have picked now; `None` where it has to wait, and then
    /// whatever it waits for pokes it.
    fn room(&mut self, id: LaneId, most: usize) -> Option<(Account, usize)> {
        let lane = self.lanes.get_mut(&id)?;
        let rule = self.limits.rules.get(lane.rule)?;
        if lane.back_to.is_some() || lane.fenced || lane.blocked || lane.queue.is_empty() {
            return None;
        }
        lane.look(&self.limits.augments);
        let endpoints = || lane.way.endpoints(&self.sources, lane.needs);
        if bar(&self.audience, &self.parking, rule, &lane.lane, endpoints()).is_some() {
            self.poke(id);
            return None;
        }
        let alone = rule.is_serial() || self.parking.is_trying(endpoints(), id);
        let room = if alone { 1_usize.saturating_sub(lane.flying) } else { most };
        let account = lane.account;
        let room = room.min(self.seats_for(id)?);
        (room > 0).then_some((account, room))
    }

    /// Whether the next message of a lane needs what those before it needed; else its turn comes
    /// among others.
    fn is_seated(&mut self, id: LaneId) -> bool {
        let Some(lane) = self.lanes.get_mut(&id) else { return false };
        lane.look(&self.limits.augments);
        lane.needs == lane.seat
    }

    fn pop(&mut self, id: LaneId) -> Option<Record> {
        let record = self.lanes.get_mut(&id)?.queue.pop_front()?;
        self.queued -= 1;
        self.queued_bytes -= record.payload.len();
        Some(record)
    }

    fn relist_first(&mut self, id: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.look(&self.limits.augments);
            self.keys.list(id, lane, true, self.now);
        }
    }

    /// Its time is over before its turn came: told to the store, skipped here.
    fn expire(&mut self, id: LaneId) {
        let Some(record) = self.pop(id) else { return };
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let attempt = record.next_attempt();
        let out = Out {
            attempt,
            bytes: record.payload.len(),
            history: None,
            state: OutState::Closing,
            fare: None,
        };
        if lane.out.insert(record.seq, out).is_none() {
            self.audience.add_out(&lane.lane.topic, 1);
        } else {
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
        }
        self.wants.close.push(Closing::at(id, record.seq, attempt, None, Outcome::Expired));
    }

    fn take_off(&mut self, id: LaneId, record: Record, now: Timestamp) -> (Message, usize) {
        let bytes = record.payload.len();
        self.flying += 1;
        self.flying_bytes += bytes;
        let Some(lane) = self.lanes.get_mut(&id) else {
            // Its lane is resident as long as it has a queue; said for completeness.
            return (Message { attempt: record.next_attempt(), record, again: false }, 0);
        };
        let fare = self.keys.start((lane.account, &lane.lane.key), bytes, now);
        let fare = fare.picked_ahead(self.lead.before_slot()).at_least(self.keys.least(lane.rule));
        if let Some(due) = self.keys.due(fare) {
            self.running.watch(due, id, record.seq);
        }
        lane.flying += 1;
        (lane.idle, lane.had_turn) = (false, true);
        self.seats.take(&self.limits, lane);
        let mut attempt = record.next_attempt();
        let mut again = false;
        let mut history = record.history.clone();
        if let Some(before) = lane.out.remove(&record.seq) {
            attempt = attempt.max(before.attempt.saturating_add(1));
            again = true;
            // The record may have been read before its last failure was written down.
            let known = before.history.as_ref().map_or(0, |history| history.failures);
            if known > history.as_ref().map_or(0, |history| history.failures) {
                history = before.history;
            }
            self.unacknowledged -= 1;
        } else {
            self.audience.add_out(&lane.lane.topic, 1);
        }
        let state = OutState::Flying { again };
        let out = Out { attempt, bytes, history, state, fare: Some(fare) };
        lane.out.insert(record.seq, out);
        (Message { record, attempt, again }, lane.rule)
    }
}

/// Whether messages under `rule` wait for an acknowledgement while `askers` have joined.
pub(super) fn asks(rule: &Rule, askers: u32) -> bool {
    rule.to == To::Channel && (rule.ack == Ack::Client || askers > 0)
}
