//! Histories: what callers may do to a store, one step after the other, drawn at random.

use proptest::prelude::*;

/// The lanes of all histories: keys and topics that share parts.
pub(super) const LANES: [(&str, &str); 4] = [("a", "s"), ("a", "t"), ("b/c", "t"), ("b", "u")];

/// One step. Lanes are numbers of [`LANES`], spans are seconds, and a pick is taken modulo what
/// there is to pick from.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Accept { lane: usize, count: u64, delay: Option<u64>, lives: Option<u64> },
    AcceptNamed { lane: usize, name: u8 },
    Begin { lane: usize, pick: usize },
    End { lane: usize, pick: usize, end: End },
    Acknowledge { lane: usize, pick: usize },
    Block { lane: usize, wait: Wait },
    Join { lane: usize },
    Release { lane: usize },
    TakeBack { lane: usize, pick: usize },
    Replay { limit: usize },
    DropDead { limit: usize },
    Pass { seconds: u64 },
    Crash,
}

/// How an attempt ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Delivered,
    Sent,
    Released,
    RetryInPlace(u64),
    RetryElsewhere(u64),
    Dead,
    Expired,
    Dropped,
}

/// What a lane is blocked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wait {
    Absent,
    Parked,
    Until(u64),
}

/// Histories of up to 40 steps, with crashes if the store survives them.
pub(super) fn histories(with_crashes: bool) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(u32::from(with_crashes)), 1..40)
}

fn step(crashes: u32) -> impl Strategy<Value = Step> {
    let lane = || 0..LANES.len();
    let pick = || 0_usize..8;
    let accept = (lane(), 1_u64..6, prop::option::weighted(0.2, 1_u64..60)).prop_flat_map(
        |(lane, count, delay)| {
            let lives = prop::option::weighted(0.3, 1_u64..120);
            lives.prop_map(move |lives| Step::Accept { lane, count, delay, lives })
        },
    );
    let crash = Just(Step::Crash).boxed();
    let quiet = Just(Step::Pass { seconds: 0 }).boxed();
    prop_oneof![
        6 => accept,
        2 => (lane(), 0_u8..6).prop_map(|(lane, name)| Step::AcceptNamed { lane, name }),
        3 => (lane(), pick()).prop_map(|(lane, pick)| Step::Begin { lane, pick }),
        8 => (lane(), pick(), end()).prop_map(|(lane, pick, end)| Step::End { lane, pick, end }),
        2 => (lane(), pick()).prop_map(|(lane, pick)| Step::Acknowledge { lane, pick }),
        2 => (lane(), wait()).prop_map(|(lane, wait)| Step::Block { lane, wait }),
        1 => lane().prop_map(|lane| Step::Join { lane }),
        1 => lane().prop_map(|lane| Step::Release { lane }),
        2 => (lane(), pick()).prop_map(|(lane, pick)| Step::TakeBack { lane, pick }),
        1 => (1_usize..4).prop_map(|limit| Step::Replay { limit }),
        1 => (1_usize..4).prop_map(|limit| Step::DropDead { limit }),
        4 => (0_u64..60).prop_map(|seconds| Step::Pass { seconds }),
        1 => if crashes > 0 { crash } else { quiet },
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        4 => Just(End::Delivered),
        2 => Just(End::Sent),
        1 => Just(End::Released),
        2 => (0_u64..60).prop_map(End::RetryInPlace),
        2 => (0_u64..60).prop_map(End::RetryElsewhere),
        2 => Just(End::Dead),
        1 => Just(End::Expired),
        1 => Just(End::Dropped),
    ]
}

fn wait() -> impl Strategy<Value = Wait> {
    prop_oneof![
        3 => Just(Wait::Absent),
        1 => Just(Wait::Parked),
        1 => (0_u64..60).prop_map(Wait::Until),
    ]
}
