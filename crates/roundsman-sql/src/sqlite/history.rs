//! What was tried with a message, as the few bytes that are kept with it.
//!
//! ```text
//!  attempts  failures  cuts  cuts_alone   first_attempt_at      then, oldest first, up to 20 times
//!  u32       u32       u32   u32          i64 (MIN: none yet)   number u32 · at i64 · length u32 · what
//! ```
//!
//! All little-endian. Most messages never have one: the column is null until something was tried
//! that did not end the message. One column, not nine: a message is written far more often than
//! this is read.

use roundsman_store::{Attempt, Failure, History, Timestamp};

/// A history with the words of its failures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    pub(super) history: History,
    /// Failed attempts, oldest first.
    pub(super) log: Vec<Attempt>,
}

/// No attempt has been made yet.
const NEVER: i64 = i64::MIN;

impl Past {
    /// How many failed attempts of one message are remembered in words.
    const REMEMBERED: usize = 20;
    /// How many bytes of each failure's words are kept.
    const WORDS: usize = 1024;

    /// Writes down that `attempt` is over, or sent.
    pub(super) fn conclude(&mut self, attempt: u32, now: Timestamp) {
        self.history.attempts = self.history.attempts.max(attempt);
        self.history.first_attempt_at.get_or_insert(now);
    }

    /// Writes down that `attempt` is over and failed.
    pub(super) fn fail(&mut self, attempt: u32, failure: Failure, now: Timestamp) {
        self.conclude(attempt, now);
        self.history.failures = self.history.failures.saturating_add(1);
        if self.log.len() >= Self::REMEMBERED {
            self.log.remove(0);
        }
        self.log.push(Attempt { number: attempt, at: failure.at, what: failure.what });
    }

    /// Writes down that the end of the process cut `attempt` off.
    pub(super) fn cut(&mut self, attempt: u32, alone: bool, now: Timestamp) {
        self.conclude(attempt, now);
        self.history.cuts = self.history.cuts.saturating_add(1);
        if alone {
            self.history.cuts_alone = self.history.cuts_alone.saturating_add(1);
        }
    }

    /// As bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let History { attempts, failures, cuts, cuts_alone, first_attempt_at } = &self.history;
        let mut out = Vec::with_capacity(24 + self.log.len() * 64);
        for number in [attempts, failures, cuts, cuts_alone] {
            out.extend(number.to_le_bytes());
        }
        out.extend(first_attempt_at.map_or(NEVER, |at| at.0).to_le_bytes());
        for attempt in &self.log {
            let what = &attempt.what[..attempt.what.floor_char_boundary(Self::WORDS)];
            out.extend(attempt.number.to_le_bytes());
            out.extend(attempt.at.0.to_le_bytes());
            out.extend(u32::try_from(what.len()).unwrap_or(0).to_le_bytes());
            out.extend(what.as_bytes());
        }
        out
    }

    /// Reads the bytes back; whatever does not make sense is left out.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let history = history(&mut rest).unwrap_or_default();
        let log = std::iter::from_fn(|| attempt(&mut rest)).collect();
        Self { history, log }
    }

    /// Reads only the numbers.
    pub(super) fn decode_history(mut bytes: &[u8]) -> Option<History> {
        history(&mut bytes)
    }
}

fn history(rest: &mut &[u8]) -> Option<History> {
    Some(History {
        attempts: u32::from_le_bytes(take(rest)?),
        failures: u32::from_le_bytes(take(rest)?),
        cuts: u32::from_le_bytes(take(rest)?),
        cuts_alone: u32::from_le_bytes(take(rest)?),
        first_attempt_at: Some(i64::from_le_bytes(take(rest)?))
            .filter(|at| *at != NEVER)
            .map(Timestamp),
    })
}

fn attempt(rest: &mut &[u8]) -> Option<Attempt> {
    let number = u32::from_le_bytes(take(rest)?);
    let at = Timestamp(i64::from_le_bytes(take(rest)?));
    let length = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
    let (what, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(Attempt { number, at, what: String::from_utf8_lossy(what).into() })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_back() {
        let mut past = Past::default();
        assert_eq!(Past::decode(&past.encode()), past);
        for number in 1..=30 {
            let what = format!("no answer, für {number}").into();
            past.fail(number, Failure { at: Timestamp(i64::from(number)), what }, Timestamp(7));
        }
        past.cut(31, true, Timestamp(9));
        assert_eq!((past.log.len(), past.log[0].number), (20, 11));
        let bytes = past.encode();
        assert_eq!(Past::decode(&bytes), past);
        assert_eq!(Past::decode_history(&bytes), Some(past.history));
        for length in 0..bytes.len() {
            let _ = Past::decode(&bytes[..length]);
        }
    }
}
