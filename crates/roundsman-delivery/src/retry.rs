//! The retry policy as a pure function: what was tried, how old, how much luck: when next, or never.

use roundsman_store::{DeadReason, History, Timestamp};
use std::time::Duration;

/// How often and how late a failed message is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The failure with this number is the last; at least 1.
    pub max_attempts: u32,
    /// The ceiling of the wait after the first failure; doubles with each further one.
    pub shortest: Duration,
    /// No ceiling is higher.
    pub longest: Duration,
    /// Given up on so long after the first attempt, whatever the number.
    pub max_age: Option<Duration>,
}

/// What is to be done with a message that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Tried again at this moment.
    Again(Timestamp),
    /// Given up on.
    Dead(DeadReason),
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 8,
            shortest: Duration::from_millis(500),
            longest: Duration::from_mins(10),
            max_age: Some(Duration::from_hours(72)),
        }
    }
}

impl Retry {
    /// Decides over a message whose `history` includes the failure that has just been counted.
    ///
    /// The wait is drawn evenly from nothing to the ceiling ("full jitter", Brooker, *Exponential
    /// Backoff and Jitter*, 2015); `luck` is the draw, from 0 up to 1. A wait that would end past
    /// `max_age` is no attempt at all: the message is dead now. `not_before` is what the target
    /// asked for.
    #[must_use]
    pub fn decide(
        &self,
        history: &History,
        now: Timestamp,
        not_before: Option<Timestamp>,
        luck: f64,
    ) -> Verdict {
        let drawn = now.after(self.ceiling(history.failures).mul_f64(luck));
        self.decide_at(history, not_before.map_or(drawn, |moment| moment.max(drawn)), now)
    }

    /// As [`decide`](Self::decide) where the wait is not this policy's to choose: an
    /// acknowledgement that did not come is asked for again at once.
    #[must_use]
    pub fn decide_at(&self, history: &History, at: Timestamp, now: Timestamp) -> Verdict {
        if history.failures >= self.max_attempts {
            return Verdict::Dead(DeadReason::Attempts);
        }
        let first = history.first_attempt_at.unwrap_or(now);
        if self.max_age.is_some_and(|age| at >= first.after(age)) {
            return Verdict::Dead(DeadReason::Age);
        }
        Verdict::Again(at)
    }

    /// The history of a message once the attempt that began at `begun` has failed.
    #[must_use]
    pub fn after_failure(history: Option<&History>, attempt: u32, begun: Timestamp) -> History {
        let mut history = history.cloned().unwrap_or_default();
        history.attempts = history.attempts.max(attempt);
        history.failures = history.failures.saturating_add(1);
        history.first_attempt_at.get_or_insert(begun);
        history
    }

    /// The longest wait after failure number `failures`, counted from 1.
    #[must_use]
    pub fn ceiling(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        self.shortest.saturating_mul(1 << doublings).min(self.longest)
    }
}
