//! The figures of one run, and the one of several that stands for them all.

/// What one run of one server came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Messages a second answered with 202.
    pub(crate) accepted: f64,
    /// Deliveries a second, from the first request to the last arrival.
    pub(crate) delivered: f64,
    /// End to end in milliseconds: median, 99 of 100, 999 of 1,000.
    pub(crate) latency: [f64; 3],
    /// Processor seconds of the server.
    pub(crate) cpu: f64,
    /// Processor microseconds of the server a delivery.
    pub(crate) cpu_each: f64,
    /// Processor seconds of the load generator.
    pub(crate) generator: f64,
    /// The server's memory at its highest, in MiB.
    pub(crate) peak: f64,
    /// Deliveries that never came.
    pub(crate) lost: u64,
    /// Deliveries behind a later one of the same sender and topic.
    pub(crate) disordered: u64,
}

impl Figures {
    /// The median of each figure; of what must not happen, the worst.
    pub(crate) fn median(runs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(runs.iter().map(figure).collect());
        Self {
            accepted: of(|run| run.accepted),
            delivered: of(|run| run.delivered),
            latency: [of(|run| run.latency[0]), of(|run| run.latency[1]), of(|run| run.latency[2])],
            cpu: of(|run| run.cpu),
            cpu_each: of(|run| run.cpu_each),
            generator: of(|run| run.generator),
            peak: of(|run| run.peak),
            lost: runs.iter().map(|run| run.lost).max().unwrap_or(0),
            disordered: runs.iter().map(|run| run.disordered).max().unwrap_or(0),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
