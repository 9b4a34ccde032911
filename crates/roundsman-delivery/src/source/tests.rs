//! The lanes against a small model of a store: random histories, then what must hold of each.

use super::lane::{Ending, Told};
use super::lanes::{Lanes, Limits};
use crate::augment::Augment;
use crate::deliver::Served;
use crate::metrics::Metrics;
use crate::settle::Closing;
use crate::target::Targets;
use crate::{Ack, Dispatch, Retry, Rule, Rules};
use bytes::Bytes;
use proptest::prelude::*;
use roundsman_store::{
    Fetched, Fresh, Key, Lane, LaneId, MessageId, Outcome, Record, Timestamp, Which,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A store, a target and a clock, all in a few maps.
struct World {
    lanes: Lanes,
    now: Timestamp,
    seq: u64,
    kept: BTreeMap<LaneId, BTreeSet<u64>>,
    blocked: BTreeSet<LaneId>,
    joined: BTreeMap<u64, usize>,
    /// With the target, in the order it was handed over: lane, sequence, attempt.
    flying: Vec<(LaneId, u64, u32)>,
    /// Written and not acknowledged.
    unacknowledged: BTreeSet<(LaneId, u64, u32)>,
    /// What each lane's client saw, in order.
    seen: BTreeMap<LaneId, Vec<u64>>,
    /// Hints on their way.
    hints: VecDeque<Fresh>,
    /// Being taken back, and gone.
    fenced: Vec<(LaneId, u64)>,
    taken: BTreeSet<u64>,
    asks: bool,
    augmented: bool,
}

const LANES: u64 = 4;

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
    fn new(asks: bool, augmented: bool) -> Self {
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
            unacknowledged: BTreeSet::new(),
            seen: BTreeMap::new(),
            hints: VecDeque::new(),
            fenced: Vec::new(),
            taken: BTreeSet::new(),
            asks,
            augmented,
        }
    }

    fn accept(&mut self, number: u64) {
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
    fn hear(&mut self) {
        self.lanes.fresh(self.hints.drain(..).collect());
        self.serve();
    }

    /// A message is to be taken back, as long as it is not out.
    fn fence(&mut self, number: u64, pick: usize) {
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
    fn unfence(&mut self, are_gone: bool) {
        for (id, seq) in std::mem::take(&mut self.fenced) {
            if are_gone {
                self.kept.entry(id).or_default().remove(&seq);
                self.taken.insert(seq);
            }
            self.lanes.unfence(id, seq, are_gone);
            self.serve();
        }
    }

    fn join(&mut self, number: u64) {
        *self.joined.entry(number).or_default() += 1;
        self.lanes.joined(&lane(number).topic, self.asks);
        self.serve();
        if self.blocked.remove(&lane(number).id) {
            self.lanes.visit(&lane(number));
        }
    }

    fn leave(&mut self, number: u64) {
        let Some(count) = self.joined.get_mut(&number).filter(|count| **count > 0) else { return };
        *count -= 1;
        if *count == 0 {
            // Whatever was not written when the last one left was not written at all.
            let id = lane(number).id;
            let lost: Vec<_> = self.flying.iter().filter(|out| out.0 == id).copied().collect();
            self.lanes.left(&lane(number).topic, self.asks);
            for out in lost {
                self.end(out, Ending::Back);
            }
            self.unacknowledged.retain(|out| out.0 != id);
        } else {
            self.lanes.left(&lane(number).topic, self.asks);
        }
    }

    fn pick(&mut self, demand: usize) {
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
    fn write(&mut self, number: u64) {
        let id = lane(number).id;
        let Some(out) = self.flying.iter().find(|out| out.0 == id).copied() else { return };
        if self.joined.get(&number).is_none_or(|count| *count == 0) {
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

    fn acknowledge(&mut self, number: u64) {
        let id = lane(number).id;
        let Some(out) = self.unacknowledged.iter().find(|out| out.0 == id).copied() else { return };
        self.unacknowledged.remove(&out);
        self.kept.entry(id).or_default().remove(&out.1);
        let told =
            Told { lane: out.0, seq: out.1, attempt: None, ending: Ending::Gone, again: None };
        self.lanes.settled(told, self.now);
        self.serve();
    }

    fn end(&mut self, out: (LaneId, u64, u32), ending: Ending) {
        self.flying.retain(|other| *other != out);
        if !out.1.is_multiple_of(3) {
            // Usually the source hears that a service has ended before the outcome is durable.
            let served = Served { lane: out.0, seqs: vec![out.1], took: 1 + out.1 * 1000 % 7000 };
            self.lanes.served(&served, self.now);
        }
        let told = Told { lane: out.0, seq: out.1, attempt: Some(out.2), ending, again: None };
        self.lanes.settled(told, self.now);
        self.serve();
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.lanes.tick(self.now);
        self.lanes.run_on(self.now);
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
            close.iter().for_each(|closing| self.close(closing));
            let asks = self.lanes.asks(2);
            if asks.is_empty() && close.is_empty() {
                return;
            }
            for (ask, generation) in asks {
                let kept = self.kept.entry(ask.lane).or_default();
                let found: Vec<u64> =
                    kept.range(ask.after + 1..).take(ask.limit.min(2)).copied().collect();
                let last = found.last().copied().unwrap_or(ask.after);
                let more = kept.range(last + 1..).next().is_some();
                let number = ask.lane.number();
                let records = found.into_iter().map(|seq| record(number, seq)).collect();
                self.lanes.fetched(Fetched { lane: ask.lane, records, more }, generation);
            }
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
    fn finish(&mut self) {
        self.unfence(true);
        self.hear();
        (0..LANES).for_each(|number| self.join(number));
        for _ in 0..10_000 {
            self.pick(6 - self.flying.len());
            (0..LANES).for_each(|number| self.write(number));
            (0..LANES).for_each(|number| self.acknowledge(number));
            if self.kept.values().all(BTreeSet::is_empty) {
                return;
            }
        }
        panic!("stuck with {:?}, blocked {:?}, {:#?}", self.kept, self.blocked, self.lanes);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Accept(u64),
    Join(u64),
    Leave(u64),
    Pick(usize),
    Write(u64),
    Acknowledge(u64),
    Pass(u64),
    Hear,
    Fence(u64, usize),
    Unfence(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..LANES).prop_map(Step::Accept),
        1 => (0..LANES).prop_map(Step::Join),
        1 => (0..LANES).prop_map(Step::Leave),
        3 => (1..7usize).prop_map(Step::Pick),
        3 => (0..LANES).prop_map(Step::Write),
        2 => (0..LANES).prop_map(Step::Acknowledge),
        1 => (1..40u64).prop_map(Step::Pass),
        3 => Just(Step::Hear),
        1 => (0..LANES, 0..8usize).prop_map(|(lane, pick)| Step::Fence(lane, pick)),
        1 => any::<bool>().prop_map(Step::Unfence),
    ]
}

fn run(asks: bool, augmented: bool, steps: &[Step]) -> World {
    let mut world = World::new(asks, augmented);
    for step in steps {
        match *step {
            Step::Accept(number) => world.accept(number),
            Step::Join(number) => world.join(number),
            Step::Leave(number) => world.leave(number),
            Step::Pick(demand) => world.pick(demand.min(6 - world.flying.len())),
            Step::Write(number) => world.write(number),
            Step::Acknowledge(number) => world.acknowledge(number),
            Step::Pass(seconds) => world.pass(Duration::from_secs(seconds)),
            Step::Hear => world.hear(),
            Step::Fence(number, pick) => world.fence(number, pick),
            Step::Unfence(are_gone) => world.unfence(are_gone),
        }
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// With `sent`, every message arrives exactly once as long as nothing breaks off mid-write,
    /// and in order.
    #[test]
    fn sent_arrives_once_and_in_order(augmented: bool, steps in prop::collection::vec(step(), 0..120)) {
        let mut world = run(false, augmented, &steps);
        world.finish();
        for seen in world.seen.values() {
            prop_assert!(seen.is_sorted(), "{seen:?}");
            prop_assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "{seen:?}");
        }
        let all: usize = world.seen.values().map(Vec::len).sum();
        prop_assert_eq!((all + world.taken.len()) as u64, world.seq);
    }

    /// With `client`, every message arrives at least once, and what is seen for the first time is
    /// in order, also across disconnects, rejoins and time-outs.
    #[test]
    fn client_arrives_in_order_of_first_sight(augmented: bool, steps in prop::collection::vec(step(), 0..120)) {
        let mut world = run(true, augmented, &steps);
        world.finish();
        for seen in world.seen.values() {
            let mut first = Vec::new();
            for seq in seen {
                if !first.contains(seq) {
                    first.push(*seq);
                }
            }
            prop_assert!(first.is_sorted(), "{seen:?}");
        }
        let all: BTreeSet<u64> = world.seen.values().flatten().copied().collect();
        prop_assert!(all.len() as u64 <= world.seq);
    }

    /// When nothing is left to do, nothing is left in memory.
    #[test]
    fn an_idle_lane_costs_nothing(augmented: bool, steps in prop::collection::vec(step(), 0..60)) {
        let mut world = run(false, augmented, &steps);
        world.finish();
        world.pass(Duration::from_secs(1));
        world.pass(Duration::from_secs(1));
        prop_assert_eq!(world.lanes.resident(), 0);
        prop_assert_eq!((world.lanes.queued(), world.lanes.flying()), (0, 0));
        prop_assert!(world.lanes.keys_are_idle());
    }
}
