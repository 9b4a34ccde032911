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
#[path = "../../tests/fair/start_time.rs"]
mod start_time;
mod table;
#[allow(dead_code)]
#[path = "../../tests/fair/world.rs"]
mod world;

use table::Table;

fn main() {
    let only: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut table = Table::new(only);
    scenarios::quiet::quiet_only(&mut table);
    scenarios::quiet::one_noisy(&mut table);
    scenarios::shares::zipf(&mut table);
    scenarios::quiet::ten_heavy(&mut table);
    scenarios::quiet::churn(&mut table);
    scenarios::shares::weights(&mut table);
    scenarios::limits::slow_tenant(&mut table);
    scenarios::shares::bursts(&mut table);
    scenarios::quiet::more_and_more(&mut table);
    scenarios::shares::sybil(&mut table);
    scenarios::shares::trickle(&mut table);
    scenarios::limits::blocked(&mut table);
    scenarios::limits::prefetch(&mut table);
    pick::costs(&mut table);
    table.end();
}
