//! What the node counts: counters, gauges and histograms as plain atomics, read as one snapshot.

use crate::BusyKey;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Everything that is counted. Owned by a [`Node`](crate::Node); two nodes in one process share
/// nothing.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Messages accepted, duplicates not among them.
    pub accepted: AtomicU64,
    /// Messages delivered.
    pub delivered: AtomicU64,
    /// Attempts that failed.
    pub failed: AtomicU64,
    /// Messages given up on.
    pub dead: AtomicU64,
    /// Dead letters that were sent again.
    pub replayed: AtomicU64,
    /// Dead letters that were removed for good.
    pub dead_dropped: AtomicU64,
    /// Messages that were taken back.
    pub taken_back: AtomicU64,
    /// Messages too old.
    pub expired: AtomicU64,
    /// Messages dropped because nobody was there.
    pub dropped: AtomicU64,
    /// Messages that had been accepted before.
    pub duplicates: AtomicU64,
    /// Handed to a target, neither written nor failed yet.
    pub in_flight: AtomicU64,
    /// Written and waiting for an acknowledgement.
    pub unacknowledged: AtomicU64,
    /// From the start of a request to its messages being accepted.
    pub accept_seconds: Histogram,
    /// From accepted to dispatched.
    pub wait_seconds: Histogram,
    /// From accepted to delivered.
    pub delivery_seconds: Histogram,
    /// Each augmentation, in order.
    pub augments: Vec<Arc<AugmentMetrics>>,
}

/// What one augmentation counts.
#[derive(Debug, Default)]
pub struct AugmentMetrics {
    /// Its name.
    pub name: Arc<str>,
    /// How long queries took, those that failed included.
    pub seconds: Histogram,
    /// Queries that failed.
    pub failed: AtomicU64,
    /// Messages for which an answer was kept.
    pub hits: AtomicU64,
    /// Messages for which none was.
    pub misses: AtomicU64,
    /// Queries under way.
    pub in_flight: AtomicU64,
    /// Messages that wait.
    pub waiting: AtomicU64,
}

/// A histogram with fixed bounds, from 100 microseconds to 10 minutes.
#[derive(Debug)]
pub struct Histogram {
    counts: [AtomicU64; Histogram::BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Upper bounds of the buckets, in microseconds; a last bucket takes what is above.
    pub const BOUNDS: [u64; 20] = [
        100,
        250,
        500,
        1_000,
        2_500,
        5_000,
        10_000,
        25_000,
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        30_000_000,
        60_000_000,
        300_000_000,
        600_000_000,
    ];

    /// Counts `times` observations of `span`.
    pub fn observe(&self, span: Duration, times: u64) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let bucket = Self::BOUNDS.partition_point(|bound| *bound < micros);
        self.counts[bucket].fetch_add(times, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros.saturating_mul(times), Ordering::Relaxed);
    }

    /// How many observations each bucket holds (not cumulative), and the sum of all.
    #[must_use]
    pub fn read(&self) -> (Vec<u64>, Duration) {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        (counts, Duration::from_micros(self.sum_micros.load(Ordering::Relaxed)))
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)), sum_micros: AtomicU64::new(0) }
    }
}

/// What `/v1/stats` shows of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Accepted and not yet settled.
    pub backlog: u64,
    /// Handed to a target, neither written nor failed yet.
    pub in_flight: u64,
    /// Written and waiting for an acknowledgement.
    pub unacknowledged: u64,
    /// Waiting for someone to join.
    pub held: u64,
    /// Waiting for their moment, out of their lanes.
    pub scheduled: u64,
    /// Given up on and kept.
    pub dead: u64,
    /// Each stage of the road, in order.
    pub stages: Vec<StageSnapshot>,
    /// The keys, and paths that several begin with, that have most in flight; busiest first.
    pub busiest: Vec<BusyKey>,
}

/// What one stage holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageSnapshot {
    /// Its name: `source`, `augment` (all of them together), `deliver` or `settle`.
    pub stage: &'static str,
    /// Events it was asked for and has not given yet.
    pub demand: u64,
    /// Events it holds.
    pub buffered: u64,
}
