//! Times stores through the engine, beside the tool that comes with the store's server in the same run.
//!
//! `stores road|fetch|single|quiet|held [KIND]`, or all of them. It uses what `ROUNDSMAN_TEST_…_URL` name. The
//! ratio is what counts: both share machine, disk and noise.

#![allow(clippy::print_stdout)] // Its table.

mod bare;
mod held;
mod kind;
mod measure;

use kind::Kind;
use measure::Pace;

type Outcomes<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const BATCH: usize = 1000;
const SENDERS: usize = 4;
const LANES: usize = 250;

fn main() -> Outcomes {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runs = |name: &str| words.first().is_none_or(|only| only == name);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = tempfile::tempdir()?;
    for kind in [Kind::Sqlite, Kind::Postgres, Kind::Mysql, Kind::Redis, Kind::Kafka] {
        if words.get(1).is_some_and(|only| !format!("{kind:?}").eq_ignore_ascii_case(only)) {
            continue;
        }
        let Some(server) = kind.server(folder.path()) else { continue };
        if runs("road") {
            let bare = bare::rate(kind, &runtime, &server)?;
            if let Some(bare) = bare {
                println!("{kind:?}: bare                {bare:>7.0}/s");
            }
            for (pace, name) in [(Pace::InStep, "in step"), (Pace::AsItComes, "as it comes")] {
                let road = runtime.block_on(measure::road(kind, &server, pace))?;
                let ratio = bare.map_or(String::new(), |bare| format!("   {:.2}", road / bare));
                println!("{kind:?}: engine, {name:<11} {road:>7.0}/s{ratio}");
            }
        }
        if runs("fetch") {
            for ahead in [0, 10_000, 1_000_000] {
                runtime.block_on(measure::fetch(kind, &server, ahead))?;
            }
        }
        if runs("single") {
            runtime.block_on(measure::single(kind, &server))?;
        }
        if runs("quiet") {
            runtime.block_on(measure::quiet(kind, &server))?;
        }
        if runs("held") && kind.holds() {
            runtime.block_on(held::held(kind, &server))?;
        }
    }
    Ok(())
}
