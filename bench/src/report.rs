//! The report: Markdown tables, ratios, and each aim with what was reached.

use crate::figures::Figures;
use crate::scenario::{Aim, Load, Scenario};
use std::fs;

/// The machine, in one line.
pub(crate) fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} cores of {model}, Linux {}\n", kernel.trim())
}

/// A scenario that both servers ran.
pub(crate) fn loads(scenario: Scenario, load: &Load, bare: &[Figures], ours: &[Figures]) -> String {
    let (bare, ours, runs) = (Figures::median(bare), Figures::median(ours), bare.len());
    let mut text = format!(
        "### {}: {}\n\n{} messages, median of {runs} alternating runs.\n\n| server | accepted/s | delivered/s | p50 ms | \
         p99 ms | p99.9 ms | CPU s | CPU µs a delivery | peak MiB | lost | out of order | load generator CPU s |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        scenario.name(),
        scenario.sentence(),
        load.messages,
    );
    text += &row("bare", &bare);
    text += &row("roundsman", &ours);
    text += &format!(
        "| ratio | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | | | |\n\n",
        ours.accepted / bare.accepted,
        ours.delivered / bare.delivered,
        ours.latency[0] / bare.latency[0],
        ours.latency[1] / bare.latency[1],
        ours.latency[2] / bare.latency[2],
        ours.cpu / bare.cpu,
        ours.cpu_each / bare.cpu_each,
        ours.peak / bare.peak,
    );
    for aim in scenario.aims() {
        text += &format!("- {}\n", judge(*aim, &bare, &ours));
    }
    text
}

fn row(name: &str, figures: &Figures) -> String {
    let [p50, p99, p999] = figures.latency;
    format!(
        "| {name} | {:.0} | {:.0} | {p50:.2} | {p99:.2} | {p999:.2} | {:.2} | {:.2} | {:.1} | {} | {} | {:.2} |\n",
        figures.accepted,
        figures.delivered,
        figures.cpu,
        figures.cpu_each,
        figures.peak,
        figures.lost,
        figures.disordered,
        figures.generator,
    )
}

fn judge(aim: Aim, bare: &Figures, ours: &Figures) -> String {
    let (met, words) = match aim {
        Aim::Rate(least) => {
            let reached = ours.delivered / bare.delivered;
            (reached >= least, format!("at least {least} of the bare server's rate: {reached:.2}"))
        }
        Aim::Cpu(most) => {
            let reached = ours.cpu_each / bare.cpu_each;
            (reached <= most, format!("at most {most} times its CPU a delivery: {reached:.2}"))
        }
        Aim::Latency(p50, p99) => {
            let [middle, high, _] = ours.latency;
            let words = format!("p50 under {p50} ms: {middle:.2}; p99 under {p99} ms: {high:.2}");
            (middle < p50 && high < p99, words)
        }
    };
    format!("{}: {words}", if met { "met" } else { "missed" })
}
