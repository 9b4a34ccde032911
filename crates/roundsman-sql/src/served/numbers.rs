//! Numbers of messages and lanes.

/// Numbers that are never used again. A block of them is reserved before the first is used, so
/// that using one writes nothing; what is left of a block at the end is left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) last: u64,
    pub(super) reserved: u64,
}

impl Numbers {
    pub(super) const BLOCK: u64 = 100_000;

    /// The next one.
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1;
        if self.last > self.reserved {
            self.reserved = self.last + Self::BLOCK;
        }
        self.last
    }
}
