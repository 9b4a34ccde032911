//! The metrics as Prometheus reads them, text format 0.0.4. Pure.
//!
//! The names are the contract's. No label carries a user's, a topic's or a key's name.

use crate::intake::Counts;
use roundsman_delivery::{AugmentMetrics, Histogram, Metrics, Snapshot};
use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the text says it is.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All of it. Without a snapshot, as while the store is away, what only the store knows is left out
/// rather than shown as zero.
pub(super) fn render(
    metrics: &Metrics,
    snapshot: Option<&Snapshot>,
    connections: u64,
    intakes: &[Counts],
) -> String {
    let mut text = Text(String::with_capacity(8 << 10));
    text.counters(metrics);
    text.gauges(metrics, snapshot, connections);
    text.histogram(
        "roundsman_accept_seconds",
        "From the start of a request to its messages being accepted.",
        &metrics.accept_seconds,
    );
    text.histogram("roundsman_wait_seconds", "From accepted to dispatched.", &metrics.wait_seconds);
    text.histogram(
        "roundsman_delivery_seconds",
        "From accepted to delivered.",
        &metrics.delivery_seconds,
    );
    text.augments(&metrics.augments);
    text.intakes(intakes);
    text.0
}

/// The text so far. Writing to a string does not fail, so the results of `write!` are let go.
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn counters(&mut self, metrics: &Metrics) {
        for (name, help, counter) in [
            ("accepted", "Messages accepted, duplicates not among them.", &metrics.accepted),
            ("delivered", "Messages delivered.", &metrics.delivered),
            ("failed", "Attempts that failed.", &metrics.failed),
            ("dead", "Messages given up on.", &metrics.dead),
            ("replayed", "Dead letters that were sent again.", &metrics.replayed),
            ("dead_dropped", "Dead letters that were removed for good.", &metrics.dead_dropped),
            ("taken_back", "Messages that were taken back.", &metrics.taken_back),
            ("expired", "Messages that grew too old.", &metrics.expired),
            ("dropped", "Messages dropped because nobody was there.", &metrics.dropped),
            ("duplicates", "Messages that had been accepted before.", &metrics.duplicates),
        ] {
            let name = format!("roundsman_{name}_total");
            self.one(&name, "counter", help, counter.load(Ordering::Relaxed));
        }
    }

    fn gauges(&mut self, metrics: &Metrics, snapshot: Option<&Snapshot>, connections: u64) {
        let in_flight = metrics.in_flight.load(Ordering::Relaxed);
        let unacknowledged = metrics.unacknowledged.load(Ordering::Relaxed);
        for (name, help, value) in [
            ("in_flight", "Messages handed to a target and not answered for yet.", in_flight),
            ("unacknowledged", "Messages written and not acknowledged yet.", unacknowledged),
            ("connections", "Sockets that are open.", connections),
        ] {
            self.one(&format!("roundsman_{name}"), "gauge", help, value);
        }
        let Some(snapshot) = snapshot else { return };
        let backlog = "Messages accepted and not yet settled.";
        self.one("roundsman_backlog", "gauge", backlog, snapshot.backlog);
        let held = "Messages that wait for someone to join.";
        self.one("roundsman_held", "gauge", held, snapshot.held);
        let dead = "Dead letters: given up on and kept.";
        self.one("roundsman_dead_letters", "gauge", dead, snapshot.dead);
        self.head("roundsman_stage_demand", "gauge", "Events a stage was asked for and owes.");
        for stage in &snapshot.stages {
            let (name, demand) = (stage.stage, stage.demand);
            let _ = writeln!(self.0, "roundsman_stage_demand{{stage=\"{name}\"}} {demand}");
        }
        self.head("roundsman_stage_buffered", "gauge", "Events a stage holds.");
        for stage in &snapshot.stages {
            let (name, buffered) = (stage.stage, stage.buffered);
            let _ = writeln!(self.0, "roundsman_stage_buffered{{stage=\"{name}\"}} {buffered}");
        }
    }

    fn augments(&mut self, augments: &[Arc<AugmentMetrics>]) {
        if augments.is_empty() {
            return;
        }
        type Count = fn(&AugmentMetrics) -> &AtomicU64;
        let counts: [(&str, &str, &str, Count); 5] = [
            ("hits_total", "counter", "Messages for which an answer was kept.", |it| &it.hits),
            ("misses_total", "counter", "Messages for which none was kept.", |it| &it.misses),
            ("failed_total", "counter", "Lookups that failed.", |it| &it.failed),
            ("in_flight", "gauge", "Lookups under way.", |it| &it.in_flight),
            ("waiting", "gauge", "Messages that wait for a lookup.", |it| &it.waiting),
        ];
        for (name, kind, help, count) in counts {
            let name = format!("roundsman_augment_{name}");
            self.head(&name, kind, help);
            for augment in augments {
                let count = count(augment).load(Ordering::Relaxed);
                let _ = writeln!(self.0, "{name}{{augment=\"{}\"}} {count}", augment.name);
            }
        }
        let name = "roundsman_augment_seconds";
        self.head(name, "histogram", "How long lookups took, those that failed included.");
        for augment in augments {
            self.buckets(name, &format!("augment=\"{}\"", augment.name), &augment.seconds);
        }
    }

    /// By their number in the configuration: the names of logs are topics' names.
    fn intakes(&mut self, intakes: &[Counts]) {
        if intakes.is_empty() {
            return;
        }
        type Count = fn(&Counts) -> &AtomicU64;
        let counts: [(&str, &str, &str, Count); 4] = [
            ("taken_total", "counter", "Records that became messages.", |it| &it.taken),
            ("refused_total", "counter", "Records that could not and were skipped.", |it| {
                &it.refused
            }),
            ("lag", "gauge", "Records of the log that are not taken in yet.", |it| &it.lag),
            ("stopped", "gauge", "Whether a record is in the way.", |it| &it.stopped),
        ];
        for (name, kind, help, count) in counts {
            let name = format!("roundsman_intake_{name}");
            self.head(&name, kind, help);
            for (at, intake) in intakes.iter().enumerate() {
                let (number, count) = (at + 1, count(intake).load(Ordering::Relaxed));
                let _ = writeln!(self.0, "{name}{{intake=\"{number}\"}} {count}");
            }
        }
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        self.buckets(name, "", histogram);
    }

    fn buckets(&mut self, name: &str, label: &str, histogram: &Histogram) {
        let comma = if label.is_empty() { "" } else { "," };
        let (counts, sum) = histogram.read();
        let mut below = 0;
        for (at, count) in counts.iter().enumerate() {
            below += count;
            match Histogram::BOUNDS.get(at) {
                Some(bound) => {
                    let seconds = *bound as f64 / 1e6;
                    let _ =
                        writeln!(self.0, "{name}_bucket{{{label}{comma}le=\"{seconds}\"}} {below}");
                }
                None => {
                    let _ = writeln!(self.0, "{name}_bucket{{{label}{comma}le=\"+Inf\"}} {below}");
                }
            }
        }
        let label = if label.is_empty() { String::new() } else { format!("{{{label}}}") };
        let sum = sum.as_secs_f64();
        let _ = writeln!(self.0, "{name}_sum{label} {sum}\n{name}_count{label} {below}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn buckets_are_cumulative() {
        let metrics = Metrics::default();
        metrics.accept_seconds.observe(Duration::from_micros(90), 2);
        metrics.accept_seconds.observe(Duration::from_millis(1), 3);
        metrics.accept_seconds.observe(Duration::from_secs(3600), 1);
        let text = render(&metrics, None, 4, &[]);
        for line in [
            "# TYPE roundsman_accept_seconds histogram",
            "roundsman_accept_seconds_bucket{le=\"0.0001\"} 2",
            "roundsman_accept_seconds_bucket{le=\"0.001\"} 5",
            "roundsman_accept_seconds_bucket{le=\"600\"} 5",
            "roundsman_accept_seconds_bucket{le=\"+Inf\"} 6",
            "roundsman_accept_seconds_count 6",
            "roundsman_accept_seconds_sum 3600.00318",
            "roundsman_connections 4",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        assert!(!text.contains("roundsman_backlog"));
    }
}
