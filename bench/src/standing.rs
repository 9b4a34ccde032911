//! What stands still: idle clients, and a backlog that nobody takes.

use crate::Error;
use crate::audience::{Audience, Tally};
use crate::process::Which;
use crate::run::Plan;
use crate::scenario::{Load, Scenario};
use crate::senders::Sender;
use std::fs;
use std::time::{Duration, Instant};

/// Memory of each client that joined and does nothing.
pub(crate) async fn idle(plan: &Plan) -> Result<String, Error> {
    let clients = scaled(5000, plan.scale);
    need_files(clients)?;
    let mut rows = String::new();
    for which in [Which::Bare, Which::Roundsman] {
        eprintln!("idle: {}", which.name());
        let folder = plan.scratch()?;
        let server = plan.start(which, "sqlite", folder.path())?;
        tokio::time::sleep(QUIET).await;
        let empty = server.memory("VmRSS")?;
        let audience = Audience::join(&server.address, clients, clients, &Tally::new()?).await?;
        tokio::time::sleep(QUIET).await;
        let full = server.memory("VmRSS")?;
        #[allow(clippy::cast_precision_loss)]
        let each = (full - empty) / clients as f64;
        let (name, empty, full) = (which.name(), empty / 1024.0, full / 1024.0);
        rows += &format!("| {name} | {clients} | {empty:.1} | {full:.1} | {each:.1} |\n");
        drop(audience);
        server.stop()?;
    }
    Ok(format!(
        "### idle: {}\n\n| server | clients | MiB before | MiB after | KiB each |\n\
         | --- | ---: | ---: | ---: | ---: |\n{rows}\nAim: at most 12 KiB each.\n",
        Scenario::Idle.sentence()
    ))
}

/// Memory of a backlog that nobody takes, and the start on the file that holds it.
pub(crate) async fn backlog(plan: &Plan) -> Result<String, Error> {
    let load = Load {
        store: "sqlite",
        clients: 0,
        topics: 1000,
        senders: 4,
        batch: 1000,
        messages: 1_000_000,
        pace: None,
    };
    let load = load.scaled(plan.scale);
    eprintln!("backlog: roundsman");
    let folder = plan.scratch()?;
    let server = plan.start(Which::Roundsman, load.store, folder.path())?;
    tokio::time::sleep(QUIET).await;
    let empty = server.memory("VmRSS")? / 1024.0;
    let tally = Tally::new()?;
    let began = Instant::now();
    let mut senders = Vec::new();
    for index in 0..load.senders {
        senders.push(Sender::connect(&server.address, &load, index).await?);
    }
    let each = load.messages / load.batch / load.senders;
    let sent = senders.iter_mut().map(|sender| sender.send(each, None, &tally));
    for result in futures_util::future::join_all(sent).await {
        result?;
    }
    let took = began.elapsed().as_secs_f64();
    tokio::time::sleep(QUIET).await;
    let (full, peak) = (server.memory("VmRSS")? / 1024.0, server.memory("VmHWM")? / 1024.0);
    server.stop()?;
    let size = size_of_store(folder.path())?;

    let again = plan.start(Which::Roundsman, load.store, folder.path())?;
    let start = again.ready_after.as_secs_f64();
    tokio::time::sleep(QUIET).await;
    let restarted = again.memory("VmRSS")? / 1024.0;
    again.stop()?;
    Ok(format!(
        "### backlog: {}\n\n| messages | accepted in, s | file, MiB | MiB empty | MiB full | MiB at most | \
         start on it, s | MiB after that start |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n\
         | {} | {took:.1} | {size:.0} | {empty:.1} | {full:.1} | {peak:.1} | {start:.2} | {restarted:.1} |\n\n\
         Aim: at most 100 MiB above empty (reached: {:.1}), start within 2 s (reached: {start:.2}).\n",
        Scenario::Backlog.sentence(),
        load.messages,
        full - empty,
    ))
}

fn size_of_store(folder: &std::path::Path) -> Result<f64, Error> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    #[allow(clippy::cast_precision_loss)]
    Ok(bytes as f64 / 1_048_576.0)
}

/// Both ends of every client are files, of one process each.
fn need_files(clients: usize) -> Result<(), Error> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)).unwrap_or("0");
    match soft.parse::<usize>() {
        Ok(soft) if soft < clients + 200 => {
            Err(format!("{soft} open files are too few: ulimit -n {}", clients + 200).into())
        }
        _ => Ok(()),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn scaled(count: usize, scale: f64) -> usize {
    ((count as f64 * scale) as usize).max(1)
}

/// After so long a server has done what it does by itself.
const QUIET: Duration = Duration::from_secs(1);
