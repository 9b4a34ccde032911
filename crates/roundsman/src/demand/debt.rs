//! What a producer's handler was asked for and has not emitted yet.

/// The producer's side of the demand arithmetic.
///
/// Demand that a departed consumer left behind stays here until events pay it, so the next
/// consumer's ask is not passed on a second time.
#[derive(Debug, Default)]
pub(crate) struct Debt {
    owed: usize,
}

impl Debt {
    /// How much is new, given what can be delivered and what already waits for it.
    #[inline]
    pub(crate) fn due(&self, wanted: usize, buffered: usize) -> usize {
        wanted.saturating_sub(self.owed.saturating_add(buffered))
    }

    /// Returns what is new, and owes it from now on.
    #[inline]
    pub(crate) fn incur(&mut self, wanted: usize, buffered: usize) -> usize {
        let new = self.due(wanted, buffered);
        self.owed += new;
        new
    }

    /// Owes no more than is wanted and not there: what a consumer that left had asked for is
    /// forgotten, and the next one's ask is passed on.
    pub(crate) fn forgive(&mut self, wanted: usize, buffered: usize) {
        self.owed = self.owed.min(wanted.saturating_sub(buffered));
    }

    /// `emitted` events came, asked for or not.
    #[inline]
    pub(crate) fn pay(&mut self, emitted: usize) {
        self.owed = self.owed.saturating_sub(emitted);
    }
}
