//! How much is handed to a target ahead of its slots: demand as time. Pure.
//!
//! A slot that comes free has its next message at once only if that has been claimed already. What
//! is claimed ahead waits behind the scheduler, where nobody can overtake it; so it is measured in
//! time: about what the slots get done while two claims are written, and no more; for a slot that comes
//! free behind the beginning of one waits for its end, and then for its own. Where a message takes
//! ten milliseconds that is next to nothing, where it takes a fifth of one it is enough for a claim
//! to be worth its commit.

use std::time::Duration;

/// What lies between a free slot and its next message, lately.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lead {
    /// Of the claims, in microseconds; a moving average.
    claim: u64,
}

impl Lead {
    /// The way through the stages and back, which no claim's time contains.
    const WAY: u64 = 100;
    /// A claim that took longer says something of the disk, nothing of the next one.
    const LONGEST: u64 = 5_000;
    /// Ahead of the slots of a rule, whatever was measured.
    const MOST: u64 = 512;

    /// A claim has taken so long.
    pub(crate) fn claimed(&mut self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).min(Self::LONGEST);
        self.claim = (7 * self.claim + took).div_ceil(8);
    }

    /// How long it is from a pick to its slot: its claim, and what went ahead.
    pub(crate) fn before_slot(&self) -> Duration {
        Duration::from_micros(self.claim + self.stock())
    }

    /// What goes ahead of the slots, in microseconds of what they get done: the time of two claims and
    /// three quarters of it again, for it is not always the same. Each quarter more keeps slots busy
    /// for another half per cent of the time where the disk is slow, and keeps the quiet waiting for another half
    /// millisecond.
    fn stock(&self) -> u64 {
        (2 * self.claim + Self::WAY) * 7 / 4
    }

    /// How many messages go ahead of so many slots, where each takes `service`.
    pub(crate) fn ahead(&self, slots: u32, service: Duration) -> u32 {
        let service = u64::try_from(service.as_micros()).unwrap_or(u64::MAX).max(1);
        let done = u64::from(slots) * self.stock() / service;
        u32::try_from(done.min(Self::MOST)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(claim: u64) -> Lead {
        let mut lead = Lead::default();
        (0..100).for_each(|_| lead.claimed(Duration::from_micros(claim)));
        lead
    }

    #[test]
    fn next_to_nothing_goes_ahead_of_slow_slots() {
        let slow = Duration::from_millis(10);
        assert_eq!(lead(0).ahead(20, slow), 0);
        assert_eq!(lead(1_000).ahead(20, slow), 7);
        assert_eq!(lead(1_000).ahead(20, Duration::from_secs(1)), 0);
    }

    #[test]
    fn what_is_ahead_of_quick_ones_is_done_in_the_time_of_two_claims() {
        let quick = Duration::from_micros(200);
        assert_eq!(lead(0).ahead(20, quick), 17);
        assert_eq!(lead(1_000).ahead(20, quick), 367);
        assert_eq!(lead(1_000).ahead(20, Duration::ZERO), 512);
    }

    #[test]
    fn one_stall_is_no_reason_to_hand_over_much() {
        let mut lead = lead(1_000);
        lead.claimed(Duration::from_secs(3));
        assert!(lead.ahead(20, Duration::from_millis(10)) <= 10);
    }
}
