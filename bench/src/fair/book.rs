//! What the receiver notes: waits, services, order, and when nothing came at all.

use crate::Error;
use crate::payload::Stamp;
use hdrhistogram::Histogram;
use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What has arrived.
#[derive(Debug)]
pub(crate) struct Book {
    /// The first so many parties are quiet.
    quiet: usize,
    /// From accepted to arrived, in microseconds, of quiet ones.
    pub(crate) waits: Histogram<u64>,
    /// The same, without those that waited while nothing came at all.
    pub(crate) clear: Histogram<u64>,
    /// Of each party, how many came since the figures began.
    pub(crate) served: Vec<u64>,
    /// The same, how long they took here.
    pub(crate) busy: Vec<Duration>,
    /// Of each party, the number that is due next.
    next: Vec<u64>,
    seen: HashSet<(usize, u64)>,
    /// First arrivals behind a later one of the same party.
    pub(crate) disordered: u64,
    /// Arrivals of what had arrived.
    pub(crate) again: u64,
    /// Spans in which nothing came.
    pub(crate) stalls: Vec<Duration>,
    last: Instant,
    resumed: SystemTime,
}

/// Nothing has come for so long: with this load no chance, but somebody who waits.
const STALL: Duration = Duration::from_millis(30);

impl Book {
    pub(crate) fn new(parties: usize, quiet: usize) -> Result<Self, Error> {
        Ok(Self {
            quiet,
            waits: Histogram::new_with_bounds(1, 60_000_000, 3)?,
            clear: Histogram::new_with_bounds(1, 60_000_000, 3)?,
            served: vec![0; parties],
            busy: vec![Duration::ZERO; parties],
            next: vec![0; parties],
            seen: HashSet::new(),
            disordered: 0,
            again: 0,
            stalls: Vec::new(),
            last: Instant::now(),
            resumed: UNIX_EPOCH,
        })
    }

    /// The figures begin here; what is known of order stays.
    pub(crate) fn begin(&mut self) {
        self.waits.reset();
        self.clear.reset();
        self.served.fill(0);
        self.busy.fill(Duration::ZERO);
        self.stalls.clear();
        self.last = Instant::now();
    }

    /// A message of this stamp, accepted so long ago, is here.
    pub(crate) fn arrived(&mut self, stamp: Stamp, waited: Duration) {
        let who = stamp.sender;
        if who >= self.served.len() {
            return;
        }
        self.served[who] += 1;
        let (now, clock) = (Instant::now(), SystemTime::now());
        let silence = now - std::mem::replace(&mut self.last, now);
        if silence > STALL {
            self.stalls.push(silence);
            self.resumed = clock;
        }
        if !self.seen.insert((who, stamp.number)) {
            self.again += 1;
            return;
        }
        if stamp.number < self.next[who] {
            self.disordered += 1;
        }
        self.next[who] = self.next[who].max(stamp.number + 1);
        if who < self.quiet {
            let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX).max(1);
            self.waits.saturating_record(micros);
            if clock.checked_sub(waited).is_some_and(|accepted| accepted > self.resumed) {
                self.clear.saturating_record(micros);
            }
        }
    }

    /// A message of this party was answered after so long.
    pub(crate) fn answered(&mut self, who: usize, took: Duration) {
        if let Some(busy) = self.busy.get_mut(who) {
            *busy += took;
        }
    }

    /// Different messages that have come, of all parties.
    pub(crate) fn different(&self) -> usize {
        self.seen.len()
    }
}

/// How long ago it was, of a body, that its message was accepted; both clocks are this machine's.
pub(crate) fn waited(body: &[u8]) -> Option<Duration> {
    const FIELD: &[u8] = b"\"timestamp\":\"";
    let at = body.windows(FIELD.len()).position(|window| window == FIELD)? + FIELD.len();
    let text = std::str::from_utf8(body.get(at..at + 40)?).ok()?;
    let accepted = of_day(text.split('Z').next()?.split('T').nth(1)?)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_micros() % DAY;
    let micros = (now + DAY - accepted) % DAY;
    // A little before: clocks are read in turns.
    let micros = if micros > DAY / 2 { 0 } else { micros };
    Some(Duration::from_micros(u64::try_from(micros).ok()?))
}

/// Microseconds since midnight of `09:00:00.123456`.
fn of_day(time: &str) -> Option<u128> {
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = clock.split(':').map(|part| part.parse::<u128>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let micros = format!("{fraction:0<6}").get(..6)?.parse::<u128>().ok()?;
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros)
}

const DAY: u128 = 86_400_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_read_with_and_without_a_fraction() {
        assert_eq!(of_day("00:00:01.5"), Some(1_500_000));
        assert_eq!(of_day("09:00:00.123456"), Some(32_400_123_456));
        assert_eq!(of_day("23:59:59"), Some(86_399_000_000));
        assert_eq!(of_day("nine"), None);
    }

    #[test]
    fn what_comes_late_or_again_is_noted() {
        let mut book = Book::new(2, 1).unwrap();
        for number in [0, 2, 1, 1] {
            let stamp = Stamp { sent: Duration::ZERO, number, sender: 0 };
            book.arrived(stamp, Duration::from_millis(1));
        }
        assert_eq!((book.disordered, book.again, book.different()), (1, 1, 3));
        assert_eq!(book.waits.len(), 3);
    }
}
