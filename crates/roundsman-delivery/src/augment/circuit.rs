//! The health of a source: asked, or left alone and tried now and then. Pure.

use std::time::Duration;
use tokio::time::Instant;

/// The health of a source.
#[derive(Debug)]
pub(super) struct Circuit {
    probe: (Duration, Duration),
    failures: u32,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    until: Instant,
    /// A message was let through to try it.
    trying: bool,
    tries: u32,
}

/// So many failures in a row, and the source is left alone. The first may be one query's own; of
/// the second on, messages are handed back unharmed, so that an outage costs each one attempt.
const FAILURES: u32 = 2;

impl Circuit {
    pub(super) fn new(probe: (Duration, Duration)) -> Self {
        Self { probe, failures: 0, open: None }
    }

    /// Whether the source may be asked now; until when it is left alone where not. The first that
    /// asks after that tries it, and everybody else waits for what comes of it.
    pub(super) fn admit(&mut self, now: Instant) -> Result<(), Instant> {
        match &mut self.open {
            None => Ok(()),
            Some(open) if open.trying || open.until > now => Err(open.until.max(now)),
            Some(open) => {
                open.trying = true;
                Ok(())
            }
        }
    }

    /// Whether it is left alone.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Until when it is left alone, where it is.
    pub(super) fn left_alone_until(&self) -> Option<Instant> {
        self.open.map(|open| open.until)
    }

    /// It answered; whether it was left alone before.
    pub(super) fn answered(&mut self) -> bool {
        self.failures = 0;
        self.open.take().is_some()
    }

    /// It failed, and wants to be left alone until `until`, where it said so; `luck` is from 0 to 1.
    pub(super) fn failed(&mut self, now: Instant, until: Option<Instant>, luck: f64) {
        self.failures = self.failures.saturating_add(1);
        let until = until.unwrap_or(now);
        match &mut self.open {
            // What was asked before it was left alone says nothing new.
            Some(open) if !open.trying => open.until = open.until.max(until),
            None if self.failures < FAILURES && until <= now => {}
            open => {
                let tries = open.map_or(0, |open| open.tries.saturating_add(1));
                let ceiling = self.probe.0.saturating_mul(1 << tries.min(30)).min(self.probe.1);
                let wait = ceiling.mul_f64(0.5 + luck / 2.0);
                let until = until.max(now + wait);
                *open = Some(Open { until, trying: false, tries });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(4));

    #[test]
    fn it_is_left_alone_and_tried_by_one() {
        let (mut circuit, mut now) = (Circuit::new(PROBE), Instant::now());
        for _ in 1..FAILURES {
            circuit.failed(now, None, 1.0);
            assert_eq!(circuit.admit(now), Ok(()));
        }
        circuit.failed(now, None, 1.0);
        for wait in [1, 2, 4, 4] {
            let wait = Duration::from_secs(wait);
            assert_eq!(circuit.admit(now), Err(now + wait));
            now += wait;
            assert_eq!(circuit.admit(now), Ok(()), "one tries");
            assert!(circuit.admit(now).is_err(), "nobody else does");
            circuit.failed(now, None, 1.0);
        }
        assert!(circuit.answered());
        assert_eq!(circuit.admit(now), Ok(()));
        assert!(!circuit.answered());
    }

    #[test]
    fn what_it_asks_for_is_obeyed_at_once() {
        let (mut circuit, now) = (Circuit::new(PROBE), Instant::now());
        let until = now + Duration::from_secs(60);
        circuit.failed(now, Some(until), 0.0);
        assert_eq!(circuit.admit(now + Duration::from_secs(59)), Err(until));
        assert_eq!(circuit.admit(until), Ok(()));
    }
}
