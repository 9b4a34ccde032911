//! Closed forms, and what is made of measurements.

/// Waits in milliseconds.
pub(crate) struct Waits(Vec<u64>);

impl Waits {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// One more, in microseconds.
    pub(crate) fn add(&mut self, micros: u64) {
        self.0.push(micros);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The wait that the part `p` of all do not exceed, in milliseconds.
    pub(crate) fn at(&mut self, p: f64) -> f64 {
        if self.0.is_empty() {
            return f64::INFINITY;
        }
        self.0.sort_unstable();
        let place = (self.0.len() as f64 * p) as usize;
        self.0[place.min(self.0.len() - 1)] as f64 / 1000.0
    }

    /// As p50 / p99 of those that were served, or that none was.
    pub(crate) fn shown(&mut self, of: usize) -> String {
        if self.len() * 100 < of {
            return format!("{} of {of} served", self.len());
        }
        format!("{:.2} / {:.2} ms", self.at(0.5), self.at(0.99))
    }
}

/// Head of line without interruption while every slot is busy: exponential with the rate that is
/// left, in milliseconds. `capacity` in messages a second, `load` the part that goes first.
pub(crate) fn head_of_line(p: f64, capacity: f64, load: f64) -> f64 {
    -(1.0 - p).ln() / (capacity * (1.0 - load)) * 1000.0
}

/// Erlang's C: the wait at `p` with `servers` of mean service `mean` ms and `load` erlangs.
pub(crate) fn erlang_c(p: f64, servers: u32, load: f64, mean: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..servers {
        term *= load / f64::from(k);
        sum += term;
    }
    let last = term * load / f64::from(servers) * f64::from(servers) / (f64::from(servers) - load);
    let waits = last / (sum + last);
    if waits <= 1.0 - p {
        return 0.0;
    }
    (waits / (1.0 - p)).ln() * mean / (f64::from(servers) - load)
}

/// The water level: what each of those has that want more, when `capacity` is shared.
pub(crate) fn level(wanted: &[f64], capacity: f64) -> f64 {
    let (mut low, mut high) = (0.0, capacity);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        let used: f64 = wanted.iter().map(|wanted| wanted.min(middle)).sum();
        if used > capacity { high = middle } else { low = middle }
    }
    low
}

/// Jain's index: 1 where all have the same.
pub(crate) fn jain(shares: &[f64]) -> f64 {
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(a, b), x| (a + x, b + x * x));
    if squares == 0.0 { 0.0 } else { sum * sum / (shares.len() as f64 * squares) }
}
