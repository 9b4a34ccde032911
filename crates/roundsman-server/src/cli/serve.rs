//! `roundsman serve`: runs the server until it is asked to stop.

use super::args::Serve;
use super::failure::Failure;
use crate::config::StoreUrl;
use crate::shutdown::{Asked, Signals};
use crate::{Server, Stopped, log};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Write, stdout};
use std::time::Duration;

pub(super) async fn run(serve: Serve) -> Result<(), Failure> {
    log::start(&serve.log)
        .map_err(|why| Failure::Usage(format!("--log or ROUNDSMAN_LOG: {why}")))?;
    let config = serve.configuration.load()?;
    let in_memory = config.store == StoreUrl::Memory;
    let mut signals = Signals::new()?;
    take_files();
    let server = tokio::select! {
        server = Server::start(config) => server.map_err(|error| Failure::failed(error.to_string()))?,
        () = signals.stop() => return Ok(()),
    };
    writeln!(stdout(), "roundsman is listening on {}", server.url())?;
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Reload => reload(&serve, &server),
                Asked::Stop => break,
            },
            // Nothing is delivered any more: to be started anew is better than to look alive.
            (stage, reason) = server.ended() => {
                return Err(Failure::failed(format!("the {stage} stage has ended: {reason}")));
            }
        }
    }
    let within = Duration::from_secs(serve.drain_seconds);
    tracing::info!(seconds = serve.drain_seconds, "draining");
    tokio::select! {
        stopped = server.stop(within) => say(stopped, in_memory),
        () = signals.stop() => return Err(Failure::failed("asked to stop a second time: cut off")),
    }
    Ok(())
}

/// Takes as many open files as it may: a socket is one, and the usual soft limit of 1,024 is there
/// for programs that cannot count further, which this one can.
fn take_files() {
    let most = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit { current: most, maximum: most };
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        tracing::warn!(%error, "the limit of open files stays as it was");
    }
}

fn reload(serve: &Serve, server: &Server) {
    let changed = match serve.configuration.load() {
        Ok(config) => server.reload(&config).map_err(|error| error.to_string()),
        Err(fault) => Err(fault.to_string()),
    };
    match changed {
        Err(why) => tracing::error!("the configuration stays as it was: {why}"),
        Ok(left) if left.is_empty() => tracing::info!("the configuration was read again"),
        Ok(left) => tracing::warn!(
            "the configuration was read again; these differ and need a restart: {}",
            left.join(", ")
        ),
    }
}

fn say(stopped: Stopped, in_memory: bool) {
    let Stopped { cut, kept } = stopped;
    if cut > 0 {
        tracing::warn!(cut, "attempts were cut off at the deadline");
    }
    match (in_memory, kept) {
        (true, 1..) => tracing::warn!("{kept} messages in memory are discarded"),
        _ => tracing::info!(kept, "drained"),
    }
}
