//! Answers that are kept for a while, that there is nothing among them.

use super::lookup::Value;
use bytes::Bytes;
use moka::sync::Cache;
use rustc_hash::FxBuildHasher;
use std::time::Duration;
use tokio::time::Instant;

/// Kept answers, within a bound of bytes.
#[derive(Debug)]
pub(super) struct Answers {
    kept: Option<Cache<Value, Kept, FxBuildHasher>>,
    fresh: Duration,
    stale: Duration,
}

#[derive(Clone, Debug)]
struct Kept {
    found: Option<Bytes>,
    since: Instant,
}

/// What is kept for a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// This, or that there is nothing.
    Fresh(Option<Bytes>),
    /// The same, and a new one is to be fetched.
    Stale(Option<Bytes>),
    /// Nothing is known.
    None,
}

/// What an entry weighs beside its bytes: its places in the tables and queues of the cache, the
/// headers of what it points to, and what the allocator rounds up. Measured, with a little room.
const ENTRY: usize = 600;

impl Answers {
    /// Keeps answers for `fresh`, and for `stale` beyond that, `bytes` of them at most.
    pub(super) fn new(fresh: Duration, stale: Duration, bytes: u64) -> Self {
        let kept = (!fresh.is_zero() && bytes > 0).then(|| {
            Cache::builder()
                .max_capacity(bytes)
                .weigher(|value: &Value, kept: &Kept| {
                    let found = kept.found.as_ref().map_or(0, Bytes::len);
                    u32::try_from(ENTRY + value.len() + found).unwrap_or(u32::MAX)
                })
                .time_to_live(fresh.saturating_add(stale).min(LONGEST))
                .build_with_hasher(FxBuildHasher)
        });
        Self { kept, fresh, stale }
    }

    /// What is known of a value at `now`.
    pub(super) fn get(&self, value: &str, now: Instant) -> Answer {
        let Some(kept) = self.kept.as_ref().and_then(|kept| kept.get(value)) else {
            return Answer::None;
        };
        let age = now.saturating_duration_since(kept.since);
        if age < self.fresh {
            Answer::Fresh(kept.found)
        } else if age < self.fresh.saturating_add(self.stale) {
            Answer::Stale(kept.found)
        } else {
            Answer::None
        }
    }

    /// Keeps an answer.
    pub(super) fn keep(&self, value: &Value, found: Option<&Bytes>, now: Instant) {
        if let Some(kept) = &self.kept {
            // A copy: what was found may be part of a large answer, and would keep all of it.
            let found = found.map(|found| Bytes::copy_from_slice(found));
            kept.insert(value.clone(), Kept { found, since: now });
        }
    }
}

/// Longer than this nothing is kept.
const LONGEST: Duration = Duration::from_hours(24 * 365);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_grow_stale_and_old() {
        let (fresh, stale) = (Duration::from_secs(10), Duration::from_secs(5));
        let answers = Answers::new(fresh, stale, 1 << 20);
        let (now, some) = (Instant::now(), Some(Bytes::from_static(b"{}")));
        answers.keep(&"1".into(), some.as_ref(), now);
        answers.keep(&"2".into(), None, now);
        assert_eq!(answers.get("1", now + fresh / 2), Answer::Fresh(some.clone()));
        assert_eq!(answers.get("2", now + fresh / 2), Answer::Fresh(None));
        assert_eq!(answers.get("1", now + fresh), Answer::Stale(some));
        assert_eq!(answers.get("1", now + fresh + stale), Answer::None);
        assert_eq!(answers.get("3", now), Answer::None);
        let none = Answers::new(Duration::ZERO, stale, 1 << 20);
        none.keep(&"1".into(), None, now);
        assert_eq!(none.get("1", now), Answer::None);
    }

    #[test]
    fn it_stays_within_its_bytes() {
        let answers = Answers::new(Duration::from_secs(60), Duration::ZERO, 100_000);
        let (now, found) = (Instant::now(), Bytes::from(vec![b'1'; 100]));
        for number in 0..10_000 {
            answers.keep(&number.to_string().into(), Some(&found), now);
        }
        let kept = answers.kept.as_ref().unwrap();
        kept.run_pending_tasks();
        assert!(kept.weighted_size() <= 100_000, "{}", kept.weighted_size());
        assert!(kept.entry_count() > 100);
    }
}
