//! Runs a scenario: the servers alternately, each run on a fresh process and a fresh store.

use crate::audience::{Audience, Tally};
use crate::fair::{self, Play};
use crate::figures::Figures;
use crate::process::{Server, Which, cpu_of};
use crate::scenario::{Load, Scenario};
use crate::senders::{Beat, Sender};
use crate::{Error, report, standing, webhook};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::spawn_local;

/// How everything is run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The binary under test.
    pub(crate) binary: PathBuf,
    /// Runs of each server.
    pub(crate) runs: usize,
    /// Share of the usual load.
    pub(crate) scale: f64,
    /// Where stores go; a scratch folder where it is `None`.
    pub(crate) folder: Option<PathBuf>,
}

/// Runs one scenario and reports on it in Markdown.
pub(crate) async fn run(plan: &Plan, scenario: Scenario) -> Result<String, Error> {
    let Some(load) = scenario.load() else {
        return match scenario {
            Scenario::Idle => standing::idle(plan).await,
            Scenario::Webhook => webhook::rate(plan, "sqlite", 0.6).await,
            Scenario::WebhookMemory => webhook::rate(plan, "memory", 0.75).await,
            Scenario::Hanging => webhook::hanging(plan).await,
            Scenario::Fair => fair::run(plan, Play::noisy("sqlite")).await,
            Scenario::FairMemory => fair::run(plan, Play::noisy("memory")).await,
            Scenario::FairPaths => fair::run(plan, Play::sybil()).await,
            Scenario::FairTeams => fair::run(plan, Play::teams()).await,
            Scenario::FairWeights => fair::run(plan, Play::weights()).await,
            Scenario::FairRestart => fair::run(plan, Play::restart()).await,
            _ => standing::backlog(plan).await,
        };
    };
    let load = load.scaled(plan.scale);
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=plan.runs {
        for (which, figures) in [(Which::Bare, &mut bare), (Which::Roundsman, &mut ours)] {
            eprintln!("{}: {} {round}/{}", scenario.name(), which.name(), plan.runs);
            figures.push(measure(plan, which, &load).await?);
        }
    }
    Ok(report::loads(scenario, &load, &bare, &ours))
}

impl Plan {
    /// A folder for one run, empty.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir, Error> {
        match &self.folder {
            Some(folder) => Ok(tempfile::tempdir_in(folder)?),
            None => Ok(tempfile::tempdir()?),
        }
    }

    /// Starts a server on a store of `scheme` in this folder.
    pub(crate) fn start(&self, which: Which, scheme: &str, folder: &Path) -> Result<Server, Error> {
        let store = match scheme {
            "memory" => "memory:".into(),
            _ => format!("sqlite:{}", folder.join("bench.db").display()),
        };
        Server::start(which, &self.binary, &store, folder)
    }
}

/// One run: a tenth of the load to warm up, then the load.
async fn measure(plan: &Plan, which: Which, load: &Load) -> Result<Figures, Error> {
    let folder = plan.scratch()?;
    let server = plan.start(which, load.store, folder.path())?;
    let tally = Tally::new()?;
    let audience = Audience::join(&server.address, load.clients, load.topics, &tally).await?;
    let mut senders = Vec::with_capacity(load.senders);
    for index in 0..load.senders {
        senders.push(Sender::connect(&server.address, load, index).await?);
    }
    let warm = load.scaled(0.1);
    let (senders, _) = send(senders, &warm, &tally).await?;
    tally.wait_for(deliveries(&warm)).await;
    tokio::time::sleep(SETTLE).await;
    tally.reset();

    let (before, own_before) = (server.cpu()?, cpu_of("self")?);
    let began = Instant::now();
    let (_, accepted_in) = send(senders, load, &tally).await?;
    tally.wait_for(deliveries(load)).await;
    let delivered_in = tally.last.get().saturating_duration_since(began);
    let own = cpu_of("self")? - own_before;
    // What is done after the last arrival is part of the price too.
    tokio::time::sleep(SETTLE).await;
    let cpu = server.cpu()? - before;
    let figures = Figures {
        cpu,
        generator: own,
        peak: server.memory("VmHWM")? / 1024.0,
        ..figures(load, &tally, accepted_in, delivered_in, cpu)
    };
    if tally.lost_clients.get() > 0 {
        eprintln!("  {} clients were thrown out", tally.lost_clients.get());
    }
    drop(audience);
    server.stop()?;
    Ok(figures)
}

/// Lets every sender send its share, and says how long that took.
pub(crate) async fn send(
    senders: Vec<Sender>,
    load: &Load,
    tally: &Rc<Tally>,
) -> Result<(Vec<Sender>, Duration), Error> {
    let each = load.messages / load.batch / load.senders;
    let began = Instant::now();
    let count = u32::try_from(load.senders)?;
    let mut tasks = Vec::with_capacity(load.senders);
    for (index, mut sender) in (0u32..).zip(senders) {
        let tally = tally.clone();
        let beat = load.pace.map(|pace| {
            let gap = Duration::from_secs(1) / pace;
            Beat { first: began + gap * index, every: gap * count }
        });
        tasks.push(spawn_local(async move {
            let sent = sender.send(each, beat, &tally).await.map_err(|error| error.to_string());
            sent.map(|()| sender)
        }));
    }
    let mut back = Vec::with_capacity(tasks.len());
    for task in tasks {
        back.push(task.await??);
    }
    Ok((back, began.elapsed()))
}

fn deliveries(load: &Load) -> u64 {
    (load.messages * load.subscribers()) as u64
}

#[allow(clippy::cast_precision_loss)] // counts far below 2^52
pub(crate) fn figures(
    load: &Load,
    tally: &Tally,
    accepted: Duration,
    delivered: Duration,
    cpu: f64,
) -> Figures {
    let received = tally.received.get();
    let latency = tally.latency.borrow();
    let at = |share: f64| latency.value_at_quantile(share) as f64 / 1000.0;
    Figures {
        accepted: load.messages as f64 / accepted.as_secs_f64(),
        delivered: received as f64 / delivered.as_secs_f64(),
        latency: [at(0.5), at(0.99), at(0.999)],
        cpu_each: cpu * 1e6 / (received.max(1) as f64),
        lost: deliveries(load).saturating_sub(received),
        disordered: tally.disordered.get(),
        ..Figures::default()
    }
}

/// After so long nothing is left to do for what has arrived.
const SETTLE: Duration = Duration::from_millis(500);
