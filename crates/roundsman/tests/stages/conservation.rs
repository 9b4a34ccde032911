//! Random interleavings against a model of three numbers.

use std::collections::BTreeMap;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use roundsman::{
    Cancel, Reason, SubscriptionId,
    stage::ConsumerStage,
    testing::{Saw, Seen, Step},
};

use crate::play::{Made, Told, demand, manual, script};

#[derive(Clone, Copy, Debug)]
enum Act {
    Subscribe,
    Ask(usize, usize),
    Emit(usize),
    Cancel(usize),
    Crash(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        1 => Just(Act::Subscribe),
        4 => (any::<usize>(), 0..12_usize).prop_map(|(who, n)| Act::Ask(who, n)),
        4 => (0..15_usize).prop_map(Act::Emit),
        1 => any::<usize>().prop_map(Act::Cancel),
        1 => any::<usize>().prop_map(Act::Crash),
    ];
    prop::collection::vec(act, 1..60)
}

struct Member {
    consumer: ConsumerStage<u64, Step<u64>>,
    saw: Saw<u64>,
    subscription: SubscriptionId,
    /// Asked for and not yet come.
    open: usize,
    got: Vec<u64>,
}

/// What must hold: `open` demand is met from what was emitted; the producer owes the rest once.
struct World {
    producer: Made<u64>,
    members: Vec<Member>,
    next: u64,
    buffered: usize,
    owed: usize,
    seen: BTreeMap<u64, usize>,
}

impl World {
    async fn act(&mut self, act: Act) {
        match act {
            Act::Subscribe => {
                let terms = demand(10, 0).cancel(Cancel::Temporary);
                let (consumer, saw, subscription) = manual(&self.producer.0.outlet, terms).await;
                self.members.push(Member { consumer, saw, subscription, open: 0, got: vec![] });
            }
            Act::Ask(who, n) => {
                if let Some(member) = pick(&mut self.members, who) {
                    member.consumer.inlet.ask(member.subscription, n);
                    member.consumer.stage.sync().await;
                    member.open += n;
                }
            }
            Act::Emit(n) => {
                self.producer.0.stage.emit(self.next..self.next + n as u64);
                self.next += n as u64;
                self.buffered += n;
                self.owed = self.owed.saturating_sub(n);
            }
            Act::Cancel(who) if !self.members.is_empty() => {
                let member = self.members.remove(who % self.members.len());
                member.consumer.inlet.cancel(member.subscription, Reason::Normal);
                member.consumer.stage.sync().await;
            }
            Act::Crash(who) if !self.members.is_empty() => {
                let member = self.members.remove(who % self.members.len());
                member.consumer.stage.info(Step::Panic("on purpose".into())).unwrap();
                member.consumer.stage.ended().await;
            }
            Act::Cancel(_) | Act::Crash(_) => {}
        }
        self.check().await;
    }

    async fn check(&mut self) {
        self.producer.0.stage.sync().await;
        for member in &mut self.members {
            member.consumer.stage.sync().await;
            for seen in member.saw.so_far() {
                let Seen::Batch(_, events) = seen else { continue };
                assert!(events.len() <= member.open, "more than was asked for");
                member.open -= events.len();
                self.buffered -= events.len();
                for event in &events {
                    assert_eq!(self.seen.insert(*event, 1), None, "an event came twice");
                }
                member.got.extend(events);
            }
            assert!(member.got.is_sorted(), "order broke within a subscription");
        }
        let open: usize = self.members.iter().map(|member| member.open).sum();
        assert!(open == 0 || self.buffered == 0, "events wait although somebody wants them");
        let counts = self.producer.0.stage.counts();
        assert_eq!((counts.buffered, counts.demand), (self.buffered, open));
        let asked: usize = self
            .producer
            .1
            .so_far()
            .into_iter()
            .map(|seen| if let Seen::Demand(n) = seen { n } else { 0 })
            .sum();
        assert_eq!(asked, open.saturating_sub(self.owed), "demand was lost or asked twice");
        self.owed += asked;
    }
}

fn pick(members: &mut [Member], who: usize) -> Option<&mut Member> {
    let n = members.len();
    (n > 0).then(|| &mut members[who % n])
}

/// Demand is conserved, nothing is lost or doubled, and order holds in each subscription,
/// whatever happens in whatever order: one history for each seed, on a clock that stands still.
fn play(seed: u64) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let acts = acts().new_tree(&mut runner).unwrap().current();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(async {
        let mut world = World {
            producer: script(),
            members: Vec::new(),
            next: 0,
            buffered: 0,
            owed: 0,
            seen: BTreeMap::new(),
        };
        for act in acts {
            world.act(act).await;
        }
        // Whatever is still buffered goes to whoever asks for it.
        world.act(Act::Subscribe).await;
        let last = world.members.len() - 1;
        world.act(Act::Ask(last, world.buffered)).await;
        assert_eq!(world.buffered, 0);
        assert_eq!(world.seen.len() as u64, world.next, "events were lost");
    });
}

/// `ROUNDSMAN_SEED=N` plays one history again.
#[test]
fn demand_is_conserved_in_ten_thousand_histories() {
    let one = std::env::var("ROUNDSMAN_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds = one.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    let threads = 2;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let mine = seeds.clone().skip(thread).step_by(threads);
            scope.spawn(move || {
                for seed in mine {
                    if std::panic::catch_unwind(|| play(seed)).is_err() {
                        panic!("history {seed} failed; ROUNDSMAN_SEED={seed} plays it again");
                    }
                }
            });
        }
    });
}

const SEEDS: u64 = 10_000;
