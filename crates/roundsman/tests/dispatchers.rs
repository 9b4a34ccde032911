//! Dispatchers by themselves: plain state, no stage around them.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use roundsman::{
    Broadcast, ByDemand, ByPartition, Dispatcher, Reason, SubscriptionId,
    dispatch::{Joining, Park, Place, StageId, by_hash},
};

/// A dispatcher, and what it has delivered.
struct Bench<D> {
    dispatcher: D,
    delivered: Vec<(u64, Vec<u64>)>,
}

impl<D: Dispatcher<u64>> Bench<D> {
    fn new(dispatcher: D) -> Self {
        Self { dispatcher, delivered: Vec::new() }
    }

    fn join(&mut self, number: u64, place: Place<u64>) -> Result<(), Reason> {
        self.dispatcher.subscribe(&Joining {
            subscription: SubscriptionId::from_number(number),
            consumer: StageId::from_number(number as usize),
            max_demand: 100,
            place,
        })
    }

    fn joined(mut self, numbers: impl IntoIterator<Item = u64>) -> Self {
        for number in numbers {
            let place = Place { partition: Some((number as usize).into()), selector: None };
            assert_eq!(self.join(number, place), Ok(()));
        }
        self
    }

    fn ask(&mut self, number: u64, n: usize) -> usize {
        let Self { dispatcher, delivered } = self;
        let deliver = &mut |to, events| delivered.push((number_of(to), events));
        dispatcher.ask(SubscriptionId::from_number(number), n, deliver);
        self.dispatcher.wanted()
    }

    fn cancel(&mut self, number: u64) -> usize {
        self.dispatcher.cancel(SubscriptionId::from_number(number));
        self.dispatcher.wanted()
    }

    fn wanted(&self) -> usize {
        self.dispatcher.wanted()
    }

    /// What was delivered since this was last called, with what `events` brought.
    fn dispatch(&mut self, events: impl IntoIterator<Item = u64>) -> Vec<(u64, Vec<u64>)> {
        let Self { dispatcher, delivered } = self;
        let deliver = &mut |to, events| delivered.push((number_of(to), events));
        dispatcher.dispatch(events.into_iter().collect(), deliver);
        std::mem::take(&mut self.delivered)
    }
}

fn number_of(subscription: SubscriptionId) -> u64 {
    (0..10).find(|n| SubscriptionId::from_number(*n) == subscription).unwrap_or(99)
}

/// Rows 105 and 107.
#[test]
fn by_demand_forgets_one_that_leaves_and_keeps_the_other() {
    let mut bench = Bench::new(ByDemand::new()).joined([1, 2]);
    assert_eq!(bench.cancel(1), 0);
    bench.join(1, Place::default()).expect("there is room");
    assert_eq!((bench.ask(1, 3), bench.ask(2, 5), bench.cancel(1)), (3, 8, 5));
    assert_eq!(bench.dispatch(0..5), [(2, vec![0, 1, 2, 3, 4])]);
    assert_eq!((bench.cancel(2), bench.cancel(2)), (0, 0));
}

/// Rows 108, 109 and 110.
#[test]
fn by_demand_serves_the_hungriest_and_rotates_equals() {
    let mut bench = Bench::new(ByDemand::new()).joined([1, 2, 3]);
    assert_eq!((bench.ask(1, 4), bench.ask(2, 2), bench.ask(3, 4)), (4, 6, 10));
    assert_eq!(bench.dispatch([0]), [(1, vec![0])]);
    assert_eq!(bench.dispatch([1]), [(3, vec![1])]);
    assert_eq!(bench.dispatch([2]), [(1, vec![2])]);
    assert_eq!(bench.dispatch(3..6), [(3, vec![3, 4, 5])]);
    assert_eq!((bench.ask(2, 1), bench.dispatch([6, 7, 8])), (5, vec![(2, vec![6, 7, 8])]));
    assert_eq!(bench.dispatch([9, 10]), [(1, vec![9, 10])]);
    assert_eq!(bench.wanted(), 0);
}

/// Row 111: some seed begins with each, every seed shuffles once, and most demand stays first.
#[test]
fn a_shuffle_happens_once_before_the_first_dispatch() {
    let order = |seed| {
        let mut bench = Bench::new(ByDemand::shuffled(seed)).joined([1, 2, 3]);
        for _ in 0..2 {
            for n in 1..=3 {
                bench.ask(n, 1);
            }
        }
        let first: Vec<u64> = (0..3).map(|n| bench.dispatch([n])[0].0).collect();
        let again: Vec<u64> = (0..3).map(|n| bench.dispatch([n])[0].0).collect();
        assert_eq!(first, again, "equals go on in turn");
        first
    };
    for begins in 1..=3 {
        assert!((0..100).any(|seed| order(seed)[0] == begins));
    }
    assert_eq!(order(7), order(7));
    let mut bench = Bench::new(ByDemand::shuffled(7)).joined([1, 2, 3]);
    for n in 1..=3 {
        bench.ask(n, n as usize);
    }
    assert_eq!(bench.dispatch([0])[0].0, 3);
}

/// Row 113.
#[test]
fn an_unusual_ask_is_honoured() {
    let mut bench = Bench::new(ByDemand::new()).joined([1, 2]);
    assert_eq!((bench.ask(1, 10), bench.ask(2, 11)), (10, 21));
    assert_eq!(bench.dispatch(0..11), [(2, (0..11).collect())]);
}

/// Rows 114, 116, 117 and 119.
#[test]
fn a_broadcast_wants_what_all_want() {
    let mut bench = Bench::new(Broadcast::new()).joined([1]);
    assert_eq!((bench.wanted(), bench.ask(1, 10)), (0, 10));
    bench.join(2, Place::default()).expect("there is room");
    assert_eq!((bench.wanted(), bench.ask(2, 4)), (0, 4));
    assert_eq!(bench.dispatch([1, 2]), [(1, vec![1, 2]), (2, vec![1, 2])]);
    bench.join(3, Place::default()).expect("there is room");
    assert_eq!((bench.ask(3, 5), bench.ask(2, 3), bench.cancel(2)), (2, 5, 5));
    assert_eq!((bench.cancel(3), bench.cancel(1)), (8, 0));
}

/// Row 124, and that the refusal is the subscriber's alone.
#[test]
fn a_stage_is_refused_its_second_broadcast() {
    let mut bench = Bench::new(Broadcast::new()).joined([1, 2]);
    bench.ask(1, 3);
    let again = Joining {
        subscription: SubscriptionId::from_number(3),
        consumer: StageId::from_number(1),
        max_demand: 1,
        place: Place::default(),
    };
    assert_eq!(bench.dispatcher.subscribe(&again), Err(Reason::AlreadySubscribed));
    assert_eq!(bench.ask(2, 3), 3);
}

/// Rows 125 and 129: demand of one that left is gone; its events stay for the next.
#[test]
fn partitions_survive_their_consumers() {
    let mut bench =
        Bench::new(ByPartition::new(2, |n: &u64| Some((n % 2) as usize))).joined([0, 1]);
    assert_eq!((bench.ask(0, 4), bench.ask(1, 2), bench.cancel(0)), (4, 6, 2));
    assert_eq!(bench.dispatch([0, 1]), [(1, vec![1])]);
    assert_eq!(
        (bench.dispatcher.held(0), bench.dispatcher.held(1), bench.dispatcher.held(9)),
        (0, 1, 1)
    );
    let place = Place { partition: Some(0.into()), selector: None };
    assert_eq!(bench.join(5, place), Ok(()));
    bench.ask(5, 3);
    assert_eq!(bench.dispatch([2]), [(5, vec![0]), (5, vec![2])]);
}

/// A place outside, which may lose what it has.
#[derive(Default)]
struct Outside {
    queues: BTreeMap<usize, VecDeque<u64>>,
    loses: bool,
}

impl Park<u64> for Outside {
    fn put(&mut self, partition: usize, event: u64) {
        self.queues.entry(partition).or_default().push_back(event);
    }

    fn take(&mut self, partition: usize, n: usize) -> Vec<u64> {
        let queue = self.queues.entry(partition).or_default();
        // Never all at once, so that it has to be asked again.
        let n = n.min(queue.len()).min(3);
        if self.loses { Vec::new() } else { queue.drain(..n).collect() }
    }
}

#[test]
fn a_park_that_loses_events_holds_nothing_up() {
    let by = ByPartition::new(1, |_: &u64| Some(0)).waiting(2);
    let mut bench = Bench::new(by.park(Outside { loses: true, ..Outside::default() })).joined([0]);
    bench.ask(0, 1);
    assert_eq!(bench.dispatch(0..6), [(0, vec![0])]);
    assert_eq!(bench.dispatcher.held(u64::MAX), 5);
    assert_eq!(bench.ask(0, 4), 2);
    assert_eq!((bench.dispatcher.held(u64::MAX), bench.dispatcher.held(1)), (0, 0));
    assert_eq!(bench.dispatch([6]), [(0, vec![1, 2]), (0, vec![6])]);
}

/// What is wanted of a partition is what its consumer asked for and is not on its way.
#[test]
fn each_partition_wants_what_its_consumer_asked_for() {
    let mut bench =
        Bench::new(ByPartition::new(2, |n: &u64| Some((n % 2) as usize))).joined([0, 1]);
    bench.ask(0, 3);
    bench.ask(1, 5);
    let on_the_way = [2, 1, 3];
    let wanted = |partition| bench.dispatcher.wanted_of(partition, &mut on_the_way.iter());
    assert_eq!((wanted(0), wanted(1), wanted(2)), (2, 3, 0));
    let mut all = Bench::new(ByDemand::new()).joined([0]);
    all.ask(0, 4);
    assert_eq!(all.dispatcher.wanted_of(9, &mut on_the_way.iter()), 1);
}

#[test]
fn equal_events_hash_to_the_same_partition_and_all_are_used() {
    let mut bench = Bench::new(by_hash(4)).joined([0, 1, 2, 3]);
    for n in 0..4 {
        bench.ask(n, 1000);
    }
    let once = bench.dispatch(0..100);
    assert_eq!(once.len(), 4);
    assert_eq!(bench.dispatch(0..100), once);
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Join(u64),
    Leave(u64),
    Ask(u64, usize),
    Dispatch(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    prop::collection::vec(
        prop_oneof![
            (0..4_u64).prop_map(Act::Join),
            (0..4_u64).prop_map(Act::Leave),
            (0..4_u64, 0..9_usize).prop_map(|(who, n)| Act::Ask(who, n)),
            (0..9_usize).prop_map(Act::Dispatch),
        ],
        0..80,
    )
}

/// Plays the acts; checks that nobody gets more than asked, in order, and returns what came.
fn play<D: Dispatcher<u64>>(dispatcher: D, acts: Vec<Act>) -> (Vec<Vec<u64>>, u64, usize) {
    let mut bench = Bench::new(dispatcher);
    let (mut next, mut open, mut got) = (0, [None::<usize>; 4], vec![Vec::new(); 4]);
    for act in acts {
        match act {
            Act::Join(who) => {
                if open[who as usize].is_none() {
                    let place = Place { partition: Some((who as usize).into()), selector: None };
                    bench.join(who, place).expect("nobody else is there");
                    open[who as usize] = Some(0);
                }
            }
            Act::Leave(who) => {
                bench.cancel(who);
                open[who as usize] = None;
            }
            Act::Ask(who, n) => {
                if let Some(open) = &mut open[who as usize] {
                    *open += n;
                    bench.ask(who, n);
                }
            }
            Act::Dispatch(n) => {
                let n = n.min(bench.wanted());
                bench.dispatcher.dispatch((next..next + n as u64).collect(), &mut |to, events| {
                    bench.delivered.push((number_of(to), events));
                });
                next += n as u64;
            }
        }
        for (who, events) in std::mem::take(&mut bench.delivered) {
            let open = open[who as usize].as_mut().expect("one that left got events");
            *open = open.checked_sub(events.len()).expect("more came than was asked for");
            got[who as usize].extend(events);
        }
    }
    assert!(got.iter().all(|events| events.is_sorted()), "order broke");
    (got, next, bench.dispatcher.held(u64::MAX))
}

proptest! {
    #[test]
    fn by_demand_gives_each_event_once(acts in acts()) {
        let (got, dispatched, _) = play(ByDemand::new(), acts);
        let mut all: Vec<u64> = got.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..dispatched).collect::<Vec<_>>());
    }

    #[test]
    fn partitions_give_or_keep_each_event(
        acts in acts(), waiting in 1..20_usize, parks in any::<bool>(),
    ) {
        let by = ByPartition::new(4, |n: &u64| Some((n % 4) as usize)).waiting(waiting);
        let by = if parks { by.park(Outside::default()) } else { by };
        let (got, dispatched, held) = play(by, acts);
        for (partition, events) in got.iter().enumerate() {
            prop_assert!(events.iter().all(|n| *n as usize % 4 == partition));
            let all = (0..dispatched).filter(|n| *n as usize % 4 == partition);
            prop_assert!(all.zip(events).all(|(due, came)| due == *came), "a gap");
        }
        prop_assert_eq!(got.concat().len() + held, dispatched as usize);
    }

    #[test]
    fn a_broadcast_leaves_no_gap_while_one_stays(acts in acts()) {
        let stay = acts.into_iter().filter(|act| !matches!(act, Act::Leave(_))).collect();
        let (got, dispatched, _) = play(Broadcast::new(), stay);
        for events in got.iter().filter(|events| !events.is_empty()) {
            prop_assert_eq!(events.clone(), (events[0]..dispatched).collect::<Vec<_>>());
        }
    }
}
