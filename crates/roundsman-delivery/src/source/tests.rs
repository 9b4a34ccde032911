//! The lanes against a small model of a store: random histories, then what must hold of each.

use super::world::{LANES, World};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

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
    Close,
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
        2 => Just(Step::Close),
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
            Step::Close => world.close_all(),
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
