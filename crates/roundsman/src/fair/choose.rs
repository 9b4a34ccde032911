//! Choosing: whose turn it is in one ring, and from the root down to a leaf.

use std::hash::Hash;

use super::{
    node::{NONE, Parked, Place},
    scheduler::{Account, Scheduler},
};

impl<P: Eq + Hash> Scheduler<P> {
    /// Old ones that are looked at when it is their turn among new ones.
    const FEW: usize = 16;

    /// Whose turn it is. The same account until it is started, rests, or something changes.
    ///
    /// `None`: nobody has work who may be served now; [`alarm`](Self::alarm) says until when, if
    /// it is only a matter of time.
    pub fn next(&mut self, now: u64) -> Option<Account> {
        self.now = self.now.max(now);
        self.wake();
        let mut at = 0;
        loop {
            if let Place::Parked(_) = self.book.node(at).place {
                return None;
            }
            let chosen = match self.scarce(at) {
                None => self.choose(at),
                Some(held) => self.choose_scarce(at, held),
            };
            match chosen {
                Some(child) if self.book.node(child).ring.is_none() => return Some(Account(child)),
                Some(child) => at = child,
                None if self.book.node(at).ready => {
                    // A pool that has slots only for others than those who wait.
                    self.park(at, Parked::Reserve);
                    at = 0;
                }
                None => return None,
            }
        }
    }

    /// The moment, in microseconds, at which [`next`](Self::next) should be asked again because
    /// a key's rate lets it go on.
    #[must_use]
    pub fn alarm(&self) -> Option<u64> {
        self.alarms.peek().map(|alarm| alarm.0.0)
    }

    /// Whether the slots of a pool are so few that not everybody may have them: whether those
    /// that are left are all held free.
    fn scarce(&self, at: u32) -> Option<bool> {
        let node = self.book.node(at);
        let pool = node.ring.as_ref()?.pool.as_ref().filter(|pool| pool.keeps)?;
        let kept = pool.unused.saturating_add(self.policy.reserve);
        if kept == 0 {
            return None;
        }
        // Somebody always can be served.
        let kept = kept.min(pool.slots.saturating_sub(1));
        let free = pool.slots.saturating_sub(node.flying);
        (free <= kept && kept > 0).then_some(free <= pool.unused)
    }

    /// Whose turn it is where slots are scarce: those they are held free for, and unless all are
    /// held, new keys.
    fn choose_scarce(&mut self, at: u32, all_held: bool) -> Option<u32> {
        let pool = self.book.node(at).ring.as_ref()?.pool.as_ref()?;
        let guest = pool.guests.iter().copied().find(|guest| self.may_enter(*guest, at));
        guest.or_else(|| if all_held { None } else { self.choose_new(at) })
    }

    fn may_enter(&self, guest: u32, pool: u32) -> bool {
        let node = self.book.node(guest);
        if node.flying >= self.policy.get(node.terms).least {
            return false;
        }
        let mut at = guest;
        while at != pool {
            if !self.book.node(at).is_listed() {
                return false;
            }
            at = self.book.node(at).parent;
        }
        true
    }

    /// Whose turn it is among the children of `at`.
    fn choose(&mut self, at: u32) -> Option<u32> {
        if let Some(first) = self.front(at) {
            return Some(first);
        }
        self.see_off_ghosts(at);
        let now = self.now;
        let ring = self.book.ring(at)?;
        if ring.ready_old == 0 {
            ring.since = now;
        }
        if ring.new.first == NONE {
            return self.choose_old(at);
        }
        let (run, waited) = (ring.run, now.saturating_sub(ring.since));
        let (guard, has_waited) = (self.policy.guard, waited >= self.policy.patience);
        let Some(new) = self.choose_new(at) else { return self.choose_old(at) };
        if has_waited {
            return self.choose_old(at).or(Some(new));
        }
        if run < u64::from(guard).saturating_mul(self.quantum()) {
            return Some(new);
        }
        // A turn of the old among the new. Should they be in debt, it is spent on that: the laps
        // that are given where nobody else waits would be a present at the cost of the new.
        let old = self.pass_debtors(at);
        if let (None, Some(ring)) = (old, self.book.ring(at)) {
            ring.run = 0;
        }
        old.or(Some(new))
    }

    /// What nearly every choice comes to: nobody is new, and the first of the old has credit.
    fn front(&self, at: u32) -> Option<u32> {
        let ring = self.book.node(at).ring.as_deref()?;
        let first = ring.old.first;
        if ring.new.first != NONE || first == NONE {
            return None;
        }
        let node = self.book.node(first);
        (node.ready && node.deficit > 0).then_some(first)
    }

    /// The first old one that has credit, if it is among the next few; those before it are given
    /// some.
    fn pass_debtors(&mut self, at: u32) -> Option<u32> {
        for _ in 0..Self::FEW {
            let ring = self.book.ring(at)?;
            if ring.ready_old == 0 {
                return None;
            }
            let first = ring.old.first;
            let node = self.book.node(first);
            if node.ready && node.deficit > 0 {
                return Some(first);
            }
            self.pass(at, first);
        }
        None
    }

    /// The first new one that has credit left; those that have none become old.
    fn choose_new(&mut self, at: u32) -> Option<u32> {
        loop {
            let first = self.book.ring(at)?.new.first;
            if first == NONE {
                return None;
            }
            if self.book.node(first).deficit > 0 {
                return Some(first);
            }
            self.give_credit(first, 1);
            self.book.go_behind(first);
        }
    }

    /// The first old one that has credit; each that is passed over is given some.
    fn choose_old(&mut self, at: u32) -> Option<u32> {
        let mut passed = 0;
        let mut laps = u64::MAX;
        loop {
            let ring = self.book.ring(at)?;
            if ring.ready_old == 0 {
                return None;
            }
            let (first, lap) = (ring.old.first, ring.old.len);
            let node = self.book.node(first);
            if node.ready && node.deficit > 0 {
                return Some(first);
            }
            if !self.pass(at, first) {
                continue;
            }
            if self.book.node(first).ready {
                laps = laps.min(self.laps_owed(first));
            }
            passed += 1;
            if passed >= lap {
                // A lap in which everybody was in debt: the ones that it would take are given at
                // once, so that what a turn costs does not depend on how much was overspent.
                self.give_laps(at, laps);
                (passed, laps) = (0, u64::MAX);
            }
        }
    }

    /// Ghosts at the head must not hide the one behind them. A few at a time: what is left for
    /// the next turn is no more than what it costs by itself.
    fn see_off_ghosts(&mut self, at: u32) {
        for _ in 0..4 {
            let Some(first) = self.book.ring(at).map(|ring| ring.old.first) else { return };
            if first == NONE || self.book.node(first).ready {
                return;
            }
            self.pass(at, first);
        }
    }

    /// Passes over the first of the old list. `false`: it was a ghost that has the credit of a whole
    /// turn again, as one that comes for the first time, and is gone.
    fn pass(&mut self, at: u32, first: u32) -> bool {
        self.be_old(first);
        let node = self.book.node(first);
        if !node.ready && (node.whole || node.deficit >= self.credit(first)) {
            self.book.leave(first);
            self.forget(first);
            return false;
        }
        self.turn_over(at, first);
        true
    }

    /// The first of the old list has its credit for this lap and goes to the end.
    pub(super) fn turn_over(&mut self, at: u32, first: u32) {
        let quantum = self.quantum();
        let Some(ring) = self.book.ring(at) else { return };
        let quantum = ring.next_in_lap(quantum);
        let node = self.book.node_mut(first);
        node.give_credit(self.policy.get(node.terms).weight.credit(quantum), 1);
        self.book.rotate(at);
    }

    fn laps_owed(&self, at: u32) -> u64 {
        let node = self.book.node(at);
        if node.deficit > 0 {
            return 0;
        }
        node.deficit.unsigned_abs() / self.credit(at).unsigned_abs() + 1
    }

    fn give_laps(&mut self, at: u32, laps: u64) {
        if laps == 0 || laps == u64::MAX {
            return;
        }
        let mut child = self.book.ring(at).map_or(NONE, |ring| ring.old.first);
        while child != NONE {
            self.give_credit(child, laps);
            child = self.book.node(child).behind;
        }
    }

    /// Credit for so many turns.
    pub(super) fn give_credit(&mut self, at: u32, turns: u64) {
        let credit = self.credit(at);
        self.book.node_mut(at).give_credit(credit, turns);
    }
}
