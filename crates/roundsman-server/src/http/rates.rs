//! Rates over the last seconds, from counters that are looked at once a second. Pure.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back the rates look, in samples.
const SAMPLES: usize = 11;

/// The counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Since some start.
    pub(super) at: Duration,
    pub(super) accepted: u64,
    pub(super) delivered: u64,
}

/// The last samples, oldest first.
#[derive(Debug, Default)]
pub(super) struct Rates(VecDeque<Sample>);

impl Rates {
    pub(super) fn add(&mut self, sample: Sample) {
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// Accepted and delivered a second, over what the samples span; nothing before there are two.
    pub(super) fn per_second(&self) -> (f64, f64) {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else {
            return (0.0, 0.0);
        };
        let seconds = last.at.saturating_sub(first.at).as_secs_f64();
        if seconds <= 0.0 {
            return (0.0, 0.0);
        }
        let rate = |from: u64, to: u64| {
            // Two decimals: what follows is noise.
            (to.saturating_sub(from) as f64 / seconds * 100.0).round() / 100.0
        };
        (rate(first.accepted, last.accepted), rate(first.delivered, last.delivered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_ten_seconds_back() {
        let mut rates = Rates::default();
        assert_eq!(rates.per_second(), (0.0, 0.0));
        for second in 0..30 {
            let at = Duration::from_secs(second);
            rates.add(Sample { at, accepted: second * second, delivered: 3 * second });
        }
        // From 19 squared to 29 squared in ten seconds.
        assert_eq!(rates.per_second(), (48.0, 3.0));
    }
}
