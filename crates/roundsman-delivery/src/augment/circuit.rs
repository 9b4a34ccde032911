//! The health of a source: asked, or left alone and tried now and then. Pure.

use std::time::Duration;
use tokio::time::Instant;

/// The health of a source.
#[derive(Debug)]
pub(super) struct Circuit {
    probe: (Duration, Duration),
    /// Failures since it answered last.
    failures: u32,
    /// How often it has answered.
    answers: u64,
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
/// The same where what fails are parts of queries: among so many there is hardly one value in each
/// that the source cannot bear.
const PARTS: u32 = 8;

impl Circuit {
    pub(super) fn new(probe: (Duration, Duration)) -> Self {
        Self { probe, failures: 0, answers: 0, open: None }
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

    /// How often it has answered so far.
    pub(super) fn answers(&self) -> u64 {
        self.answers
    }

    /// It answered; whether it was left alone before.
    pub(super) fn answered(&mut self) -> bool {
        self.failures = 0;
        self.answers += 1;
        self.open.take().is_some()
    }

    /// It failed for several values at once: whether it may lie with one of them, and they are
    /// worth asking for apart.
    pub(super) fn may_be_a_values(&mut self) -> bool {
        let may_be = self.open.is_none() && self.failures + 1 < PARTS;
        self.failures += u32::from(may_be);
        may_be
    }

    /// It failed, for a part of a query that failed or otherwise, and wants to be left alone until
    /// `until`, where it said so; `luck` is from 0 to 1.
    pub(super) fn failed(
        &mut self,
        is_part: bool,
        now: Instant,
        until: Option<Instant>,
        luck: f64,
    ) {
        self.failures = self.failures.saturating_add(1);
        let (until, most) = (until.unwrap_or(now), if is_part { PARTS } else { FAILURES });
        match &mut self.open {
            // What was asked before it was left alone says nothing new.
            Some(open) if !open.trying => open.until = open.until.max(until),
            None if self.failures < most && until <= now => {}
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
            circuit.failed(false, now, None, 1.0);
            assert_eq!(circuit.admit(now), Ok(()));
        }
        circuit.failed(false, now, None, 1.0);
        for wait in [1, 2, 4, 4] {
            let wait = Duration::from_secs(wait);
            assert_eq!(circuit.admit(now), Err(now + wait));
            now += wait;
            assert_eq!(circuit.admit(now), Ok(()), "one tries");
            assert!(circuit.admit(now).is_err(), "nobody else does");
            circuit.failed(false, now, None, 1.0);
        }
        assert!(circuit.answered());
        assert_eq!(circuit.admit(now), Ok(()));
        assert!(!circuit.answered());
    }

    #[test]
    fn what_fails_for_many_is_looked_into_before_it_is_left_alone() {
        let (mut circuit, now) = (Circuit::new(PROBE), Instant::now());
        for _ in 1..PARTS {
            assert!(circuit.may_be_a_values());
        }
        assert!(!circuit.may_be_a_values(), "enough");
        circuit.failed(true, now, None, 1.0);
        assert!(circuit.is_open());
        assert!(!circuit.may_be_a_values());
        circuit.answered();
        assert!(circuit.may_be_a_values());
        circuit.failed(true, now, None, 1.0);
        assert!(!circuit.is_open(), "one half of two");
        assert_eq!(circuit.answers(), 1);
    }

    #[test]
    fn what_it_asks_for_is_obeyed_at_once() {
        let (mut circuit, now) = (Circuit::new(PROBE), Instant::now());
        let until = now + Duration::from_secs(60);
        circuit.failed(false, now, Some(until), 0.0);
        assert_eq!(circuit.admit(now + Duration::from_secs(59)), Err(until));
        assert_eq!(circuit.admit(until), Ok(()));
    }
}
