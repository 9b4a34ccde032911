//! A small model of a store, a target and a clock, on which histories of the lanes are played.

use super::lane::{Ending, Told};
use super::lanes::{Lanes, Limits};
use crate::augment::Augment;
use crate::deliver::Served;
use crate::metrics::Metrics;
use crate::settle::Closing;
use crate::target::Targets;
use crate::{Ack, Dispatch, Retry, Rule, Rules};
use bytes::Bytes;
use roundsman_store::{
    Fetched, Fresh, History, Key, Lane, LaneId, MessageId, Outcome, Record, Timestamp, Which,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A store, a target and a clock, all in a few maps.
pub(super) struct World {
    pub(super) lanes: Lanes,
    now: Timestamp,
    pub(super) seq: u64,
    kept: BTreeMap<LaneId, BTreeSet<u64>>,
    blocked: BTreeSet<LaneId>,
    joined: BTreeMap<u64, usize>,
    /// With the target, in the order it was handed over: lane, sequence, attempt.
    pub(super) flying: Vec<(LaneId, u64, u32)>,
    /// Of those, what will not be written: whoever it was for has left.
    lost: BTreeSet<(LaneId, u64, u32)>,
    /// Ends that the lanes have told, on their way through the store.
    closings: VecDeque<Closing>,
    /// The attempts of a message that the store knows to be over.
    tried: BTreeMap<u64, u32>,
    /// Written and not acknowledged.
    unacknowledged: BTreeSet<(LaneId, u64, u32)>,
    /// What each lane's client saw, in order.
    pub(super) seen: BTreeMap<LaneId, Vec<u64>>,
    /// Hints on their way.
    hints: VecDeque<Fresh>,
    /// Being taken back, and gone.
    fenced: Vec<(LaneId, u64)>,
    pub(super) taken: BTreeSet<u64>,
    asks: bool,
    augmented: bool,
}

pub(super) const LANES: u64 = 4;

fn lane(number: u64) -> Arc<Lane> {
    let key = Key::from_parts([format!("key-{}", number % 2)]).unwrap();
    Arc::new(Lane { id: LaneId::new(0, number), key, topic: format!("topic-{number}").into() })
}

fn record(number: u64, seq: u64) -> Record {
    let id = MessageId::Given(format!("{seq}").into());
    Record {
        lane: lane(number),
        seq,
        id,
        event: "message".into(),
        payload: Bytes::from_static(if needs_lookup(seq) { b"{\"id\":1}" } else { b"{}" }),
        accepted_at: Timestamp(0),
        expires_at: None,
        history: None,
    }
}

/// Some messages need a lookup, where there is one.
fn needs_lookup(seq: u64) -> bool {
    seq % 5 < 2
}

impl World {
    pub(super) fn new(asks: bool, augmented: bool) -> Self {
        let ack = if asks { Ack::Client } else { Ack::Sent };
        let rule = Rule { ack, ack_window: 3, ..Rule::channel("*") };
        let dispatch =
            Dispatch { max_in_flight: 6, max_bytes: 1 << 20, per_key: 4, ..Dispatch::default() };
        let rules = Rules::new(vec![rule]);
        let targets = Targets::default();
        let nothing = |_: Vec<crate::Value>| Ok(crate::Found::new());
        let augment = || Augment::new("it", "/id", "/it", nothing).unwrap();
        let augments = augmented.then(augment).into_iter().collect();
        let limits = Limits { dispatch, retry: Retry::default(), rules, targets, augments };
        Self {
            lanes: Lanes::new(limits, Arc::new(Metrics::default())),
            now: Timestamp(0),
            seq: 0,
            kept: BTreeMap::new(),
            blocked: BTreeSet::new(),
            joined: BTreeMap::new(),
            flying: Vec::new(),
            lost: BTreeSet::new(),
            tried: BTreeMap::new(),
            closings: VecDeque::new(),
            unacknowledged: BTreeSet::new(),
            seen: BTreeMap::new(),
            hints: VecDeque::new(),
            fenced: Vec::new(),
            taken: BTreeSet::new(),
            asks,
            augmented,
        }
    }

    pub(super) fn accept(&mut self, number: u64) {
        self.seq += 1;
        let id = lane(number).id;
        let kept = self.kept.entry(id).or_default();
        let previous = Some(kept.last().copied().unwrap_or(0));
        kept.insert(self.seq);
        if !self.blocked.contains(&id) {
            self.hints.push_back(Fresh { previous, record: record(number, self.seq) });
        }
    }

    /// The hints so far arrive, later than a walk or a reading may have told the same.
    pub(super) fn hear(&mut self) {
        self.lanes.fresh(self.hints.drain(..).collect());
        self.serve();
    }

    /// A message is to be taken back, as long as it is not out.
    pub(super) fn fence(&mut self, number: u64, pick: usize) {
        let id = lane(number).id;
        let kept = self.kept.entry(id).or_default();
        let Some(pick) = pick.checked_rem(kept.len()) else { return };
        let Some(seq) = kept.iter().nth(pick).copied() else { return };
        if self.lanes.fence(id, seq) {
            assert!(!self.flying.iter().any(|out| (out.0, out.1) == (id, seq)), "it is out");
            self.fenced.push((id, seq));
        }
    }

    /// The store has answered for those that are to be taken back.
    pub(super) fn unfence(&mut self, are_gone: bool) {
        for (id, seq) in std::mem::take(&mut self.fenced) {
            if are_gone {
                self.kept.entry(id).or_default().remove(&seq);
                self.taken.insert(seq);
            }
            self.lanes.unfence(id, seq, are_gone);
            self.serve();
        }
    }

    pub(super) fn join(&mut self, number: u64) {
        *self.joined.entry(number).or_default() += 1;
        self.lanes.joined(&lane(number).topic, self.asks);
        self.serve();
        if self.blocked.remove(&lane(number).id) {
            self.lanes.visit(&lane(number));
        }
    }

    pub(super) fn leave(&mut self, number: u64) {
        let Some(count) = self.joined.get_mut(&number).filter(|count| **count > 0) else { return };
        *count -= 1;
        if *count == 0 {
            // Whatever was not written when the last one left is not written at all, and the lanes
            // may hear of that when somebody is there again.
            let id = lane(number).id;
            self.lost.extend(self.flying.iter().filter(|out| out.0 == id));
            self.lanes.left(&lane(number).topic, self.asks);
            self.unacknowledged.retain(|out| out.0 != id);
        } else {
            self.lanes.left(&lane(number).topic, self.asks);
        }
    }

    pub(super) fn pick(&mut self, demand: usize) {
        for (message, _) in self.lanes.pick(demand, self.now).messages {
            let (id, seq) = (message.record.lane.id, message.record.seq);
            assert!(
                !self.flying.iter().any(|out| (out.0, out.1) == (id, seq)),
                "handed out twice at once"
            );
            let is_fenced = self.fenced.contains(&(id, seq)) || self.taken.contains(&seq);
            assert!(!is_fenced, "handed out although taken back");
            self.unacknowledged.retain(|out| (out.0, out.1) != (id, seq));
            self.flying.push((id, seq, message.attempt));
        }
        assert!(self.flying.len() <= 6, "more in flight than allowed");
        let looked_up = |seq| self.augmented && needs_lookup(seq);
        let waiting = self.flying.iter().filter(|out| looked_up(out.1)).count();
        assert!(waiting <= 4, "more than three quarters of all slots wait for lookups");
        for (key, needs) in [(0, false), (0, true), (1, false), (1, true)] {
            let is_one =
                |out: &&(LaneId, u64, u32)| out.0.number() % 2 == key && looked_up(out.1) == needs;
            let of_key = self.flying.iter().filter(is_one).count();
            assert!(of_key <= 4, "more of one key than allowed");
        }
        self.serve();
    }

    /// The target writes the oldest that flies of a lane.
    pub(super) fn write(&mut self, number: u64) {
        let id = lane(number).id;
        let Some(out) = self.flying.iter().find(|out| out.0 == id).copied() else { return };
        let is_absent = self.joined.get(&number).is_none_or(|count| *count == 0);
        if self.lost.remove(&out) || is_absent {
            return self.end(out, Ending::Back);
        }
        self.seen.entry(id).or_default().push(out.1);
        if self.asks {
            self.end(out, Ending::Unacknowledged);
            self.unacknowledged.insert(out);
        } else {
            self.kept.entry(id).or_default().remove(&out.1);
            self.end(out, Ending::Gone);
        }
    }

    pub(super) fn acknowledge(&mut self, number: u64) {
        let id = lane(number).id;
        let Some(out) = self.unacknowledged.iter().find(|out| out.0 == id).copied() else { return };
        self.close_all();
        self.unacknowledged.remove(&out);
        self.kept.entry(id).or_default().remove(&out.1);
        let told =
            Told { lane: out.0, seq: out.1, attempt: None, ending: Ending::Gone, again: None };
        self.lanes.settled(told, self.now);
        self.serve();
    }

    fn end(&mut self, out: (LaneId, u64, u32), ending: Ending) {
        // What was told before has taken the same road.
        self.close_all();
        self.flying.retain(|other| *other != out);
        self.tried.insert(out.1, out.2);
        if !out.1.is_multiple_of(3) {
            // Usually the source hears that a service has ended before the outcome is durable.
            let served = Served { lane: out.0, seqs: vec![out.1], took: 1 + out.1 * 1000 % 7000 };
            self.lanes.served(&served, self.now);
        }
        let told = Told { lane: out.0, seq: out.1, attempt: Some(out.2), ending, again: None };
        self.lanes.settled(told, self.now);
        self.serve();
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.lanes.tick(self.now);
        self.lanes.sweep();
        self.serve();
    }

    /// Does what the lanes want, as the stage and the store would.
    fn serve(&mut self) {
        loop {
            let wants = self.lanes.wants();
            let (close, block) =
                (std::mem::take(&mut wants.close), std::mem::take(&mut wants.block));
            for (id, _) in block {
                if self.kept.get(&id).is_some_and(|kept| !kept.is_empty()) {
                    self.blocked.insert(id);
                }
            }
            self.closings.extend(close);
            let asks = self.lanes.asks(2);
            if asks.is_empty() {
                return;
            }
            for (ask, generation) in asks {
                let kept = self.kept.entry(ask.lane).or_default();
                let found: Vec<u64> =
                    kept.range(ask.after + 1..).take(ask.limit.min(2)).copied().collect();
                let last = found.last().copied().unwrap_or(ask.after);
                let more = kept.range(last + 1..).next().is_some();
                let number = ask.lane.number();
                let read = |seq| Record { history: self.history(seq), ..record(number, seq) };
                let records = found.into_iter().map(read).collect();
                self.lanes.fetched(Fetched { lane: ask.lane, records, more }, generation);
            }
        }
    }

    /// What the store has written down of a message's attempts.
    fn history(&self, seq: u64) -> Option<Box<History>> {
        let attempts = *self.tried.get(&seq)?;
        Some(Box::new(History { attempts, ..History::default() }))
    }

    /// The store has what the lanes have told so far.
    pub(super) fn close_all(&mut self) {
        for closing in std::mem::take(&mut self.closings) {
            self.close(&closing);
            self.serve();
        }
    }

    fn close(&mut self, closing: &Closing) {
        let Which::At { lane, seq, attempt } = closing.settlement.which else { return };
        let ending = match closing.settlement.outcome {
            Outcome::Retry { .. } => Ending::Back,
            _ => {
                self.kept.entry(lane).or_default().remove(&seq);
                self.unacknowledged.retain(|out| (out.0, out.1) != (lane, seq));
                Ending::Gone
            }
        };
        let told = Told { lane, seq, attempt: Some(attempt), ending, again: None };
        self.lanes.settled(told, self.now);
    }

    /// Everybody joins, everything is written and acknowledged.
    pub(super) fn finish(&mut self) {
        self.unfence(true);
        self.hear();
        (0..LANES).for_each(|number| self.join(number));
        for _ in 0..10_000 {
            self.pick(6 - self.flying.len());
            (0..LANES).for_each(|number| self.write(number));
            (0..LANES).for_each(|number| self.acknowledge(number));
            self.close_all();
            if self.kept.values().all(BTreeSet::is_empty) {
                return;
            }
        }
        panic!("stuck with {:?}, blocked {:?}, {:#?}", self.kept, self.blocked, self.lanes);
    }
}
