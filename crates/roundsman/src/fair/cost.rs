//! What messages cost: learned from those that have ended, charged on to those that have not.

use std::hash::Hash;

use super::scheduler::{Account, Scheduler};

impl<P: Eq + Hash> Scheduler<P> {
    /// What a message costs on average: what a turn of weight 1 is worth in the next lap.
    #[must_use]
    pub fn quantum(&self) -> u64 {
        (self.quantum / 64).max(1)
    }

    /// What a message of it costs on average; where it had none yet, what anybody's does.
    pub(super) fn usual(&self, account: Account) -> u64 {
        match self.book.node(account.0).mean {
            0 => self.quantum(),
            mean => mean,
        }
    }

    /// A message that is still being served has cost `so_far`, no less than the `charged` for it.
    /// Returns what is charged for it now; say so again when it has cost that.
    ///
    /// It is charged as if it had just begun: nothing is known of what is left of a service, but
    /// that those which have taken long take longer. So its key owes what it uses before anybody
    /// knows how much that will be.
    ///
    /// ```
    /// use roundsman::fair::{Policy, Scheduler, Terms};
    ///
    /// let mut turns: Scheduler<String> = Scheduler::new(Policy::new(Terms::FREE), 1);
    /// let account = turns.open(turns.root(), ["a"]);
    /// turns.ready(account, 0);
    /// let charged = turns.start(account, Some(1000), 0);
    /// let more = turns.run_on(account, charged, 1000);
    /// assert!(more > 1000);
    /// turns.settle(account, more, 1200, 1200);
    /// ```
    pub fn run_on(&mut self, account: Account, charged: u64, so_far: u64) -> u64 {
        // An eighth, so that one which takes very long is not looked at again all the time.
        let now = so_far.saturating_add(self.usual(account).max(so_far / 8)).max(charged);
        self.charge(account, now - charged);
        now
    }

    /// Work that is still being served has cost more than was charged for it.
    pub fn charge(&mut self, account: Account, more: u64) {
        let mut at = account.0;
        while at != 0 {
            let node = self.book.node_mut(at);
            node.deficit = node.deficit.saturating_sub_unsigned(more);
            node.whole = false;
            let parent = node.parent;
            self.keep_debt(at);
            at = parent;
        }
    }

    pub(super) fn learn(&mut self, at: u32, cost: u64) {
        let cost = cost.min(u64::MAX >> 8);
        // The mean of all at first, so that the prior does not matter for long; then of the latest.
        self.learned = (self.learned + 1).min(64);
        let each = u64::from(self.learned);
        self.quantum = (self.quantum - self.quantum / each + cost * 64 / each).max(64);
        let node = self.book.node_mut(at);
        node.mean = match node.mean {
            0 => cost.max(1),
            mean => (mean - mean / 8 + cost / 8).max(1),
        };
    }
}
