//! How far from the best that can be: every scenario on virtual time, measured beside its bound.
//!
//! `cargo bench -p roundsman --bench fairness` prints, for each scenario, what was measured, what
//! the closed form says is the best that a scheduler can do which does not interrupt, and the
//! ratio; beside it first in first out, plain round robin, and the rule of SQS fair queues. Then
//! what a pick costs and what a key weighs. Seeds are fixed: each run prints the same, but for
//! the nanoseconds.
#![allow(clippy::print_stdout)]

mod bounds;
mod others;
mod pick;
mod scenarios;
mod table;
#[allow(dead_code)]
#[path = "../../tests/fair/world.rs"]
mod world;

use table::Table;

fn main() {
    let only: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut table = Table::new(only);
    scenarios::quiet_only(&mut table);
    scenarios::one_noisy(&mut table);
    scenarios::zipf(&mut table);
    scenarios::ten_heavy(&mut table);
    scenarios::churn(&mut table);
    scenarios::weights(&mut table);
    scenarios::slow_tenant(&mut table);
    scenarios::bursts(&mut table);
    scenarios::more_and_more(&mut table);
    scenarios::sybil(&mut table);
    scenarios::trickle(&mut table);
    scenarios::blocked(&mut table);
    scenarios::prefetch(&mut table);
    pick::costs(&mut table);
    table.end();
}
