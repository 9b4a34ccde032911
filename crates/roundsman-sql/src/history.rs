//! What was tried with a message, as the few bytes that are kept with it.
//!
//! ```text
//!  attempts  failures  cuts  cuts_alone   first_attempt_at      then, oldest first, up to 20 times
//!  u32       u32       u32   u32          i64 (MIN: none yet)   number u32 · at i64 · length u32 · what
//! ```
//!
//! All little-endian. The top bit of `attempts` says that lookups have changed the payload; that of
//! a `number`, that behind its words follow what the target answered, as `status u16` (0: none),
//! `length u32` and the answer. Most messages never have one: the column is null until something was tried
//! that did not end the message. One column, not nine: a message is written far more often than
//! this is read.

use roundsman_store::{Attempt, Failure, History, Timestamp};
use std::sync::Arc;

/// A history with the words of its failures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Past {
    pub(crate) history: History,
    /// Failed attempts, oldest first.
    pub(crate) log: Vec<Attempt>,
}

/// No attempt has been made yet.
const NEVER: i64 = i64::MIN;
/// The bit of a number that says that there is more.
const MARK: u32 = 1 << 31;

impl Past {
    /// How many failed attempts of one message are remembered in words.
    const REMEMBERED: usize = 20;

    /// Writes down that `attempt` is over, or sent.
    pub(crate) fn conclude(&mut self, attempt: u32, now: Timestamp) {
        self.history.attempts = self.history.attempts.max(attempt);
        self.history.first_attempt_at.get_or_insert(now);
    }

    /// Writes down that `attempt` is over and failed, which was before it is written down.
    pub(crate) fn fail(&mut self, attempt: u32, failure: Failure, now: Timestamp) {
        self.conclude(attempt, failure.at.min(now));
        self.history.failures = self.history.failures.saturating_add(1);
        if self.log.len() >= Self::REMEMBERED {
            self.log.remove(0);
        }
        self.log.push(Attempt::failed(attempt, failure));
    }

    /// Writes down that the end of the process cut `attempt` off.
    pub(crate) fn cut(&mut self, attempt: u32, alone: bool, now: Timestamp) {
        self.conclude(attempt, now);
        self.history.cuts = self.history.cuts.saturating_add(1);
        if alone {
            self.history.cuts_alone = self.history.cuts_alone.saturating_add(1);
        }
    }

    /// As bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let History { attempts, failures, cuts, cuts_alone, first_attempt_at, augmented } =
            self.history;
        let mut out = Vec::with_capacity(24 + self.log.len() * 64);
        let attempts = (attempts & !MARK) | if augmented { MARK } else { 0 };
        for number in [attempts, failures, cuts, cuts_alone] {
            out.extend(number.to_le_bytes());
        }
        out.extend(first_attempt_at.map_or(NEVER, |at| at.0).to_le_bytes());
        for attempt in &self.log {
            let is_answered = attempt.status.is_some() || attempt.answer.is_some();
            let number = (attempt.number & !MARK) | if is_answered { MARK } else { 0 };
            out.extend(number.to_le_bytes());
            out.extend(attempt.at.0.to_le_bytes());
            put_words(&attempt.what, &mut out);
            if is_answered {
                out.extend(attempt.status.unwrap_or(0).to_le_bytes());
                put_words(attempt.answer.as_deref().unwrap_or_default(), &mut out);
            }
        }
        out
    }

    /// Reads the bytes back; whatever does not make sense is left out.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let history = history(&mut rest).unwrap_or_default();
        let log = std::iter::from_fn(|| attempt(&mut rest)).collect();
        Self { history, log }
    }

    /// Reads only the numbers.
    pub(crate) fn decode_history(mut bytes: &[u8]) -> Option<History> {
        history(&mut bytes)
    }
}

fn put_words(words: &str, out: &mut Vec<u8>) {
    let words = &words[..words.floor_char_boundary(Failure::ANSWER)];
    out.extend(u32::try_from(words.len()).unwrap_or(0).to_le_bytes());
    out.extend(words.as_bytes());
}

fn history(rest: &mut &[u8]) -> Option<History> {
    let attempts = u32::from_le_bytes(take(rest)?);
    Some(History {
        attempts: attempts & !MARK,
        augmented: attempts & MARK != 0,
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
    let what = take_words(rest)?;
    let (mut status, mut answer) = (None, None);
    if number & MARK != 0 {
        status = Some(u16::from_le_bytes(take(rest)?)).filter(|status| *status != 0);
        answer = Some(take_words(rest)?).filter(|answer| !answer.is_empty());
    }
    Some(Attempt { number: number & !MARK, at, what, status, answer })
}

fn take_words(rest: &mut &[u8]) -> Option<Arc<str>> {
    let length = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
    let (words, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(String::from_utf8_lossy(words).into())
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
            let at = Timestamp(i64::from(number));
            let failure = Failure::new(at, format!("no answer, für {number}"));
            let answered = failure.clone().answered(500, b"out of order");
            let failure = if number % 2 == 0 { failure } else { answered };
            past.fail(number, failure, Timestamp(7));
        }
        past.history.augmented = true;
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
