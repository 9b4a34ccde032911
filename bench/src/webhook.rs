//! Webhooks: deliveries a second against a bare client, and what one endpoint that hangs costs.

use crate::Error;
use crate::audience::Tally;
use crate::figures::Figures;
use crate::process::{Server, cpu_of};
use crate::receiver::Receiver;
use crate::run::{Plan, figures, send};
use crate::scenario::Load;
use crate::senders::Sender;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Requests at once, of both.
const CONCURRENCY: usize = 20;
/// Signs what Roundsman posts; the bare client sends a signature made before.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Posts 256-byte payloads to a local receiver, in turns with a bare client.
pub(crate) async fn rate(plan: &Plan, store: &'static str, aim: f64) -> Result<String, Error> {
    let load = Load {
        store,
        topics: 100,
        clients: 100,
        senders: 2,
        batch: 100,
        messages: 100_000,
        pace: None,
    };
    let load = load.scaled(plan.scale);
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=plan.runs {
        eprintln!("webhook {store}: {round}/{}", plan.runs);
        bare.push(posted(&load).await?);
        ours.push(delivered(plan, &load, false).await?);
    }
    let (bare, ours) = (Figures::median(&bare), Figures::median(&ours));
    let share = ours.delivered / bare.delivered;
    let met = if share >= aim { "met" } else { "missed" };
    Ok(format!(
        "### webhook, {store}: 256-byte payloads, {CONCURRENCY} requests at once, 100 topics\n\n\
         {} messages, median of {} alternating runs.\n\n\
         | | deliveries/s | CPU µs a delivery | peak MiB | lost |\n| --- | ---: | ---: | ---: | ---: |\n\
         | bare client | {:.0} | {:.1} | | {} |\n| roundsman | {:.0} | {:.1} | {:.1} | {} |\n\n\
         - {met}: at least {aim} of the bare client's rate: {share:.2}\n",
        load.messages,
        plan.runs,
        bare.delivered,
        bare.cpu_each,
        bare.lost,
        ours.delivered,
        ours.cpu_each,
        ours.peak,
        ours.lost,
    ))
}

/// One of 1,000 endpoints hangs: what that costs the others.
pub(crate) async fn hanging(plan: &Plan) -> Result<String, Error> {
    let load = Load {
        store: "memory",
        topics: 1000,
        clients: 1000,
        senders: 8,
        batch: 1,
        messages: 15_000,
        pace: Some(1000),
    };
    let load = load.scaled(plan.scale);
    let (mut well, mut ill) = (Vec::new(), Vec::new());
    for round in 1..=plan.runs {
        eprintln!("webhook, one hangs: {round}/{}", plan.runs);
        well.push(delivered(plan, &load, false).await?);
        ill.push(delivered(plan, &load, true).await?);
    }
    let (well, ill) = (Figures::median(&well), Figures::median(&ill));
    let times = ill.latency[1] / well.latency[1];
    let met = if times <= 1.2 { "met" } else { "missed" };
    Ok(format!(
        "### webhook, one endpoint of 1,000 hangs: 1,000/s one at a time, memory store\n\n\
         {} messages, median of {} alternating runs; the others' latency, accepted to arrived.\n\n\
         | | p50 ms | p99 ms | p99.9 ms | lost |\n| --- | ---: | ---: | ---: | ---: |\n\
         | all answer | {:.2} | {:.2} | {:.2} | {} |\n| one hangs | {:.2} | {:.2} | {:.2} | {} |\n\n\
         - {met}: p99 at most 1.2 times of without it: {times:.2}\n",
        load.messages,
        plan.runs,
        well.latency[0],
        well.latency[1],
        well.latency[2],
        well.lost,
        ill.latency[0],
        ill.latency[1],
        ill.latency[2],
        ill.lost,
    ))
}

/// One run of the bare client, from the first arrival to the last.
async fn posted(load: &Load) -> Result<Figures, Error> {
    let tally = Tally::new()?;
    let receiver = Receiver::start(&tally, false).await?;
    let client = Poster::start(&format!("http://{}/", receiver.address), load.messages)?;
    while tally.received.get() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (began, before) = (Instant::now(), tally.received.get());
    tally.wait_for(load.messages as u64).await;
    let took = tally.last.get().saturating_duration_since(began);
    let cpu = cpu_of(&client.0.id().to_string())?;
    let measured = Load { messages: load.messages - usize::try_from(before)?, ..*load };
    tally.received.set(tally.received.get() - before);
    Ok(figures(&measured, &tally, took, took, cpu))
}

/// One run of Roundsman, from the first request to the last arrival.
async fn delivered(plan: &Plan, load: &Load, one_hangs: bool) -> Result<Figures, Error> {
    let tally = Tally::new()?;
    let receiver = Receiver::start(&tally, one_hangs).await?;
    // Each topic has an endpoint of its own where there are many.
    let path = if load.topics < 1000 { "" } else { "{topic}" };
    let folder = plan.scratch()?;
    std::fs::write(folder.path().join("bench.toml"), rules(&receiver, path))?;
    let server = Server::start_with(&plan.binary, load.store, folder.path(), "bench.toml")?;
    let mut senders = Vec::with_capacity(load.senders);
    for index in 0..load.senders {
        senders.push(Sender::connect(&server.address, load, index).await?);
    }
    let warm = load.scaled(0.1);
    let (senders, _) = send(senders, &warm, &tally).await?;
    tally.wait_for(expected(&warm, one_hangs)).await;
    tally.reset();
    let (before, began) = (server.cpu()?, Instant::now());
    let (_, accepted_in) = send(senders, load, &tally).await?;
    tally.wait_for(expected(load, one_hangs)).await;
    let took = tally.last.get().saturating_duration_since(began);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let cpu = server.cpu()? - before;
    let peak = server.memory("VmHWM")? / 1024.0;
    server.stop()?;
    let lost = expected(load, one_hangs).saturating_sub(tally.received.get());
    Ok(Figures { peak, lost, ..figures(load, &tally, accepted_in, took, cpu) })
}

fn rules(receiver: &Receiver, path: &str) -> String {
    let common = format!(
        "to = \"webhook\"\nsecret = \"{SECRET}\"\nallow_private = true\n\
         concurrency = {CONCURRENCY}\nper_host = {CONCURRENCY}\n"
    );
    let address = receiver.address;
    format!("[[deliver]]\nurl = \"http://{address}/{path}\"\n{common}")
}

fn expected(load: &Load, one_hangs: bool) -> u64 {
    let hang = if one_hangs { load.messages / load.topics } else { 0 };
    (load.messages - hang) as u64
}

/// The bare client, as a process of its own; dropped, it is gone.
struct Poster(Child);

impl Poster {
    fn start(url: &str, messages: usize) -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["poster", url, &messages.to_string(), &CONCURRENCY.to_string()]);
        Ok(Self(command.stdin(Stdio::null()).spawn()?))
    }
}

impl Drop for Poster {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
