//! The bucket that fills evenly: when the next event may go.

use std::time::Duration;

/// So many turns in so long: a bucket of `burst` turns that fills at an even pace.
///
/// Kept as the one moment at which the bucket is full again (the *generic cell rate algorithm*,
/// ITU-T I.371), so that a key pays eight bytes for it.
///
/// ```
/// use roundsman::rate::Rate;
/// use std::time::Duration;
///
/// let rate = Rate::new(200, 1_000_000, 10).expect("200 a second, ten at once");
/// assert_eq!(rate.every(), Duration::from_millis(5));
/// assert!(Rate::new(0, 1_000_000, 1).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds between two turns, rounded up: never more than what was said.
    every: u64,
    /// How many may be taken at once after a rest.
    burst: u64,
}

impl Rate {
    /// `turns` in `micros` microseconds, at most `burst` of them at once.
    ///
    /// `None` where that is no rate: no turns, or more than one a nanosecond.
    #[must_use]
    pub fn new(turns: u64, micros: u64, burst: u64) -> Option<Self> {
        let nanos = micros.checked_mul(1000).filter(|nanos| (1..=*nanos).contains(&turns))?;
        Some(Self { every: nanos.div_ceil(turns), burst: burst.max(1) })
    }

    /// The time between two turns.
    #[must_use]
    pub fn every(self) -> Duration {
        Duration::from_nanos(self.every)
    }

    /// From when on another turn may be taken, in nanoseconds, where the bucket is full at `full`.
    pub(crate) fn opens(self, full: u64) -> u64 {
        full.saturating_sub(self.every.saturating_mul(self.burst - 1))
    }

    /// When the bucket is full again after a turn at `now`.
    pub(crate) fn take(self, full: u64, now: u64) -> u64 {
        self.charge(full, now, 1)
    }

    fn charge(self, full: u64, now: u64, turns: u64) -> u64 {
        full.max(now).saturating_add(self.every.saturating_mul(turns))
    }
}

/// One bucket, at whatever [`Rate`] it is asked with: a rate that changes acts at once.
///
/// Time is what has passed since any fixed moment.
///
/// ```
/// use roundsman::rate::{Bucket, Rate};
/// use std::time::Duration;
///
/// let ten_a_second = Rate::new(10, 1_000_000, 2).ok_or("no rate")?;
/// let mut bucket = Bucket::default();
/// let now = Duration::from_secs(5);
/// assert_eq!(bucket.take(ten_a_second, now, 1), Ok(()));
/// assert_eq!(bucket.take(ten_a_second, now, 1), Ok(()), "two at once after a rest");
/// assert_eq!(bucket.take(ten_a_second, now, 1), Err(Duration::from_millis(100)));
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full: u64,
}

impl Bucket {
    /// Takes what costs `turns` at `now`, where the bucket is not empty. What costs more than it
    /// holds leaves a debt that those behind wait for.
    ///
    /// # Errors
    /// It is empty: how long until it is worth asking again.
    pub fn take(&mut self, rate: Rate, now: Duration, turns: u64) -> Result<(), Duration> {
        let now = nanos(now);
        let opens = rate.opens(self.full);
        if opens > now {
            return Err(Duration::from_nanos(opens - now));
        }
        self.full = rate.charge(self.full, now, turns);
        Ok(())
    }

    /// Whether nothing would be lost by forgetting it: full at `now`.
    #[must_use]
    pub fn is_full(&self, now: Duration) -> bool {
        self.full <= nanos(now)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
