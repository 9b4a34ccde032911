//! Drives the release binary and a bare server over real sockets, and prints both.
//!
//! ```text
//!  senders ── POST /v1/messages ──► server under test ── WebSocket ──► audience
//!     └────────── one process, one thread, one clock: latency needs no agreement ──────┘
//! ```
//!
//! Machines drift, so the two servers run alternately in one invocation and what counts is the
//! ratio. `cargo run --release -p roundsman-bench -- --help` lists the scenarios.

// A program whose product is what it prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod audience;
mod bare;
mod fair;
mod figures;
mod frames;
mod payload;
mod poster;
mod process;
mod receiver;
mod report;
mod run;
mod scenario;
mod senders;
mod standing;
mod webhook;

use clap::{Parser, Subcommand};
use scenario::Scenario;
use std::path::PathBuf;

/// Measures Roundsman against a bare server on this machine.
#[derive(Parser, Debug)]
struct Options {
    /// What to measure; everything where left out.
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// How often each server runs each scenario; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Share of the usual number of messages or clients.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// The binary to measure; built and found where left out.
    #[arg(long)]
    roundsman: Option<PathBuf>,
    /// Lasting files go here; a scratch folder where left out.
    #[arg(long)]
    folder: Option<PathBuf>,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What else this program can be.
#[derive(Subcommand, Debug)]
enum Role {
    /// The bare server, as a process of its own.
    #[command(hide = true)]
    Bare,
    /// The bare client of webhooks, as a process of its own.
    #[command(hide = true)]
    Poster { url: String, messages: usize, concurrency: usize },
}

fn main() -> Result<(), Error> {
    let options = Options::parse();
    match options.role {
        Some(Role::Bare) => return Ok(bare::serve()?),
        Some(Role::Poster { url, messages, concurrency }) => {
            return poster::post(&url, messages, concurrency);
        }
        None => {}
    }
    let plan = run::Plan {
        binary: options.roundsman.map_or_else(process::build, Ok)?,
        runs: options.runs.max(1),
        scale: options.scale,
        folder: options.folder,
    };
    let all = Scenario::ALL.to_vec();
    let scenarios = if options.scenarios.is_empty() { all } else { options.scenarios };
    println!("{}", report::machine());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for scenario in scenarios {
        let local = tokio::task::LocalSet::new();
        println!("{}", runtime.block_on(local.run_until(run::run(&plan, scenario)))?);
    }
    Ok(())
}

/// A benchmark that cannot go on ends; what went wrong is for the person at the terminal.
type Error = Box<dyn std::error::Error>;
