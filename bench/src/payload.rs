//! The payload: exactly 256 bytes of JSON, with numbers of fixed width that can be patched in
//! place and read back without a parser.

use std::time::{Duration, Instant};

/// What a payload says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// When it was sent, since the start of the clock.
    pub(crate) sent: Duration,
    /// The how-manieth message of its sender to its topic, from 0.
    pub(crate) number: u64,
    /// Which sender.
    pub(crate) sender: usize,
}

/// Bytes of a payload.
pub(crate) const LENGTH: usize = 256;

/// Where the numbers are, and how long; the first two are patched.
const SENT: (usize, usize) = (5, 16);
const NUMBER: (usize, usize) = (26, 13);
const SENDER: (usize, usize) = (44, 8);

/// A payload of `sender`, with its numbers at nought.
pub(crate) fn blank(sender: usize) -> String {
    let mut text = format!(r#"{{"t":{0:016},"n":{0:013},"s":{1:08},"p":""#, 0, sender);
    text.push_str(&"x".repeat(LENGTH - text.len() - 2));
    text.push_str("\"}");
    // JSON has no leading zeros: every number begins with a 1 that means nothing.
    for (at, _) in [SENT, NUMBER, SENDER] {
        text.replace_range(at..=at, "1");
    }
    text
}

/// Writes the time and the number into a payload.
pub(crate) fn patch(payload: &mut [u8], sent: Duration, number: u64) {
    write(&mut payload[SENT.0 + 1..SENT.0 + SENT.1], micros(sent));
    write(&mut payload[NUMBER.0 + 1..NUMBER.0 + NUMBER.1], number);
}

/// Reads a payload; `None` where it is not one of ours.
pub(crate) fn read(payload: &[u8]) -> Option<Stamp> {
    let number = |(at, length): (usize, usize)| {
        let digits = payload.get(at + 1..at + length)?;
        digits.iter().try_fold(0u64, |sum, digit| {
            digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0'))
        })
    };
    Some(Stamp {
        sent: Duration::from_micros(number(SENT)?),
        number: number(NUMBER)?,
        sender: usize::try_from(number(SENDER)?).ok()?,
    })
}

/// Where the payload begins in a message. `guess` is where the last one of this client did: the
/// frames of one topic are all alike.
pub(crate) fn find(message: &[u8], guess: usize) -> Option<usize> {
    const OPENING: &[u8] = b"{\"t\":1";
    if message.get(guess..).is_some_and(|rest| rest.starts_with(OPENING)) {
        return Some(guess);
    }
    message.windows(OPENING.len()).position(|window| window == OPENING)
}

/// The moment `at` on the clock that began at `origin`.
pub(crate) fn since(origin: Instant, at: Instant) -> Duration {
    at.saturating_duration_since(origin)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn write(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut payload = blank(7).into_bytes();
        let sent = Duration::from_micros(123_456_789);
        patch(&mut payload, sent, 4_000_000_001);
        assert_eq!(payload.len(), LENGTH);
        assert_eq!(read(&payload), Some(Stamp { sent, number: 4_000_000_001, sender: 7 }));
        let json: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(json["n"], 1_004_000_000_001u64);
    }

    #[test]
    fn it_is_found_wherever_it_is() {
        let message = [b"[null,null,\"a\",\"b\",", blank(1).as_bytes()].concat();
        assert_eq!(find(&message, 0), Some(19));
        assert_eq!(find(&message, 19), Some(19));
        assert_eq!(find(b"[]", 19), None);
    }
}
