//! The health of one endpoint: whether it is sent to, rests, is parked and tried, or is disabled.
//! Pure; the time and the luck are arguments.
//!
//! ```text
//!              it keeps failing                     a try fails: longer
//!   answering ──────────────────► parked ──────────────┐  so long failing
//!    ▲  ▲  │                        │  ▲───────────────┘ ────────────────► disabled
//!    │  │  └─ Retry-After ─► rests  └─ a try is answered ─► answering         ▲
//!    │  └──── that is over ───┘                                               │
//!    └─ any answer but a failure                                   410 ───────┘
//! ```

use super::answer::Verdict;
use roundsman_store::Timestamp;
use std::time::Duration;

/// When an endpoint is parked, how it is tried, and when it is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Parked once it has done nothing but fail for so long, at least [`Patience::FAILURES`] times.
    pub park_after: Duration,
    /// The wait before the first try, doubling up to the longest, each shortened at random by up
    /// to half.
    pub probe: (Duration, Duration),
    /// Disabled once it has done nothing but fail for so long: no more tries.
    pub disable_after: Option<Duration>,
}

impl Patience {
    /// Failures in a row that it takes to be parked. Few failures say little of an endpoint: a
    /// message that nobody can take has some all by itself.
    pub const FAILURES: u32 = 10;
    /// So many failures weighs one whose time ran out: it held a slot all the while.
    pub const LATE: u32 = 4;

    fn wait(&self, tries: u32, luck: f64) -> Duration {
        let ceiling = self.probe.0.saturating_mul(1 << tries.min(30)).min(self.probe.1);
        ceiling.mul_f64(0.5 + luck / 2.0)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            park_after: Duration::from_secs(5),
            probe: (Duration::from_secs(1), Duration::from_mins(1)),
            disable_after: None,
        }
    }
}

/// The health of one endpoint that has failed lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Circuit {
    pub(crate) state: State,
    /// Failures in a row, as they weigh.
    pub(crate) failures: u32,
    /// When the first of them was.
    pub(crate) since: Timestamp,
}

/// What is done with the messages of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// They are sent.
    Answering,
    /// It asked for nothing before this moment.
    Resting(Timestamp),
    /// They wait, but for one at a time.
    Parked {
        /// Tries that failed.
        tries: u32,
        /// When the next one is due; while one is under way, when it is given up on.
        next: Timestamp,
    },
    /// They wait, until somebody enables it.
    Disabled,
}

/// Whether a message may be sent to an endpoint now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// As any other.
    Go,
    /// To try the endpoint.
    Try,
    /// Not before this moment.
    Wait(Timestamp),
}

/// What becomes of a message whose attempt has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// What the attempt says.
    Tell,
    /// It is handed back unharmed; nothing is sent before this moment.
    HandBack(Timestamp),
}

/// The end of time: never, unless somebody does something.
pub(crate) const NEVER: Timestamp = Timestamp(i64::MAX);

impl Circuit {
    /// An endpoint before its first failure, which is at `now`.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { state: State::Answering, failures: 0, since: now }
    }

    /// Whether a message may be sent now; a try is given up on `within` its time.
    pub(crate) fn admit(&mut self, now: Timestamp, within: Duration) -> Admission {
        match &mut self.state {
            State::Answering => Admission::Go,
            State::Resting(until) if *until > now => Admission::Wait(*until),
            State::Resting(_) => {
                self.state = State::Answering;
                Admission::Go
            }
            State::Parked { next, .. } if *next > now => Admission::Wait(*next),
            State::Parked { next, .. } => {
                *next = now.after(within);
                Admission::Try
            }
            State::Disabled => Admission::Wait(NEVER),
        }
    }

    /// An attempt that was admitted as `admitted` has ended. Told [`Advice::Tell`], an endpoint
    /// that is [`is_well`](Self::is_well) can be forgotten.
    pub(crate) fn report(
        &mut self,
        verdict: Verdict,
        admitted: Admission,
        patience: &Patience,
        now: Timestamp,
        luck: f64,
    ) -> Advice {
        match verdict {
            Verdict::Delivered | Verdict::Unfit => {
                *self = Self::new(now);
                Advice::Tell
            }
            Verdict::Gone => {
                self.state = State::Disabled;
                Advice::Tell
            }
            Verdict::Slow(until) => self.failed((1, Some(until)), admitted, patience, now, luck),
            Verdict::Failing => self.failed((1, None), admitted, patience, now, luck),
            Verdict::Late => self.failed((Patience::LATE, None), admitted, patience, now, luck),
        }
    }

    /// Whether it answers as if nothing had ever been.
    pub(crate) fn is_well(&self) -> bool {
        self.state == State::Answering && self.failures == 0
    }

    fn failed(
        &mut self,
        (weight, until): (u32, Option<Timestamp>),
        admitted: Admission,
        patience: &Patience,
        now: Timestamp,
        luck: f64,
    ) -> Advice {
        if self.failures == 0 {
            self.since = now;
        }
        self.failures = self.failures.saturating_add(weight);
        let failing = now.since(self.since);
        let wait = |tries| now.after(patience.wait(tries, luck)).max(until.unwrap_or(now));
        self.state = match self.state {
            State::Disabled => State::Disabled,
            State::Parked { .. } if patience.disable_after.is_some_and(|most| failing >= most) => {
                State::Disabled
            }
            State::Parked { tries, .. } if admitted == Admission::Try => {
                State::Parked { tries: tries.saturating_add(1), next: wait(tries + 1) }
            }
            // Sent before it was parked, or before it asked for rest: nothing new.
            State::Parked { tries, next } => {
                State::Parked { tries, next: next.max(until.unwrap_or(next)) }
            }
            State::Resting(rests) if rests > now => {
                State::Resting(rests.max(until.unwrap_or(rests)))
            }
            _ => {
                // Whatever comes of this attempt, it was one; what is handed back comes after it.
                let is_enough =
                    self.failures >= Patience::FAILURES && failing >= patience.park_after;
                self.state = match until {
                    _ if is_enough => State::Parked { tries: 0, next: wait(0) },
                    Some(until) => State::Resting(until),
                    None => State::Answering,
                };
                return Advice::Tell;
            }
        };
        Advice::HandBack(match self.state {
            State::Resting(until) | State::Parked { next: until, .. } => until,
            State::Answering | State::Disabled => NEVER,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp(millis * 1000)
    }

    fn report(circuit: &mut Circuit, verdict: Verdict, admitted: Admission, now: i64) -> Advice {
        circuit.report(verdict, admitted, &Patience::default(), at(now), 1.0)
    }

    /// One that has failed for five seconds, at the end of them.
    fn parked() -> Circuit {
        let mut circuit = Circuit::new(at(0));
        for failure in 0..11 {
            let told = report(&mut circuit, Verdict::Failing, Admission::Go, failure * 500);
            assert_eq!(told, Advice::Tell, "failure {failure}");
        }
        assert!(matches!(circuit.state, State::Parked { .. }));
        circuit
    }

    #[test]
    fn failures_count_until_it_is_parked_and_tries_do_not() {
        let mut circuit = parked();
        assert_eq!(
            report(&mut circuit, Verdict::Failing, Admission::Go, 5001),
            Advice::HandBack(at(6000)),
            "what was under way changes nothing"
        );
        assert_eq!(circuit.admit(at(5999), Duration::ZERO), Admission::Wait(at(6000)));
        let within = Duration::from_secs(10);
        assert_eq!(circuit.admit(at(6000), within), Admission::Try);
        assert_eq!(circuit.admit(at(6000), within), Admission::Wait(at(16_000)), "one at a time");
        assert_eq!(
            report(&mut circuit, Verdict::Failing, Admission::Try, 7000),
            Advice::HandBack(at(9000)),
            "twice as long"
        );
        assert_eq!(circuit.admit(at(9000), within), Admission::Try);
        assert_eq!(report(&mut circuit, Verdict::Unfit, Admission::Try, 9001), Advice::Tell);
        assert!(circuit.is_well(), "it answers, whatever it says of this message");
    }

    #[test]
    fn a_burst_of_failures_and_a_trickle_park_nothing() {
        let mut burst = Circuit::new(at(0));
        for _ in 0..1000 {
            assert_eq!(report(&mut burst, Verdict::Failing, Admission::Go, 1), Advice::Tell);
        }
        let mut trickle = Circuit::new(at(0));
        for hour in 0..9 {
            let told = report(&mut trickle, Verdict::Failing, Admission::Go, hour * 3_600_000);
            assert_eq!(told, Advice::Tell);
        }
        assert_eq!(report(&mut trickle, Verdict::Delivered, Admission::Go, 1), Advice::Tell);
        assert!(trickle.is_well());
    }

    #[test]
    fn what_holds_a_slot_until_its_time_is_out_is_parked_sooner() {
        let mut circuit = Circuit::new(at(0));
        for late in 0..3 {
            assert_eq!(circuit.state, State::Answering, "{late}");
            assert_eq!(
                report(&mut circuit, Verdict::Late, Admission::Go, late * 10_000),
                Advice::Tell
            );
        }
        assert!(matches!(circuit.state, State::Parked { .. }));
    }

    #[test]
    fn it_rests_as_long_as_it_asked_to() {
        let mut circuit = Circuit::new(at(0));
        let slow = Verdict::Slow(at(2000));
        assert_eq!(report(&mut circuit, slow, Admission::Go, 0), Advice::Tell);
        assert_eq!(
            report(&mut circuit, slow, Admission::Go, 1),
            Advice::HandBack(at(2000)),
            "what it said once costs one message an attempt"
        );
        assert_eq!(circuit.admit(at(1999), Duration::ZERO), Admission::Wait(at(2000)));
        assert_eq!(circuit.admit(at(2000), Duration::ZERO), Admission::Go);
        assert_eq!(
            report(&mut circuit, Verdict::Slow(at(4000)), Admission::Go, 2001),
            Advice::Tell,
            "asked again, it counts again"
        );
    }

    #[test]
    fn gone_is_disabled_and_so_is_what_fails_too_long() {
        let mut gone = Circuit::new(at(0));
        assert_eq!(report(&mut gone, Verdict::Gone, Admission::Go, 0), Advice::Tell);
        assert_eq!(gone.admit(at(i64::from(u32::MAX)), Duration::ZERO), Admission::Wait(NEVER));

        let mut circuit = parked();
        let patience =
            Patience { disable_after: Some(Duration::from_secs(60)), ..Patience::default() };
        assert_eq!(circuit.admit(at(60_000), Duration::ZERO), Admission::Try);
        let told = circuit.report(Verdict::Failing, Admission::Try, &patience, at(60_000), 0.0);
        assert_eq!((told, circuit.state), (Advice::HandBack(NEVER), State::Disabled));
        assert_eq!(report(&mut circuit, Verdict::Delivered, Admission::Go, 1), Advice::Tell);
        assert!(circuit.is_well(), "what was under way and succeeds shows that it is there");
    }

    proptest! {
        /// Whatever happens, the waits stay within their bounds, and an endpoint that answers is
        /// never kept waiting: after any history one try that succeeds opens it.
        #[test]
        fn it_always_finds_back(verdicts in prop::collection::vec((0usize..3, 0.0f64..1.0, 0i64..20_000), 0..60)) {
            let patience = Patience::default();
            let mut circuit = Circuit::new(at(0));
            let mut now = 0;
            for (verdict, luck, pause) in verdicts {
                now += pause;
                let admitted = circuit.admit(at(now), Duration::from_secs(1));
                if let Admission::Wait(until) = admitted {
                    prop_assert!(until > at(now));
                    prop_assert!(until <= at(now + 120_000));
                    continue;
                }
                let verdict = match verdict {
                    0 => Verdict::Failing,
                    1 => Verdict::Slow(at(now + 30_000)),
                    _ => Verdict::Unfit,
                };
                circuit.report(verdict, admitted, &patience, at(now), luck);
            }
            let admitted = circuit.admit(at(now + 120_000), Duration::from_secs(1));
            prop_assert!(!matches!(admitted, Admission::Wait(_)));
            circuit.report(Verdict::Delivered, admitted, &patience, at(now + 120_000), 0.5);
            prop_assert!(circuit.is_well());
        }
    }
}
