//! How long to wait before each new connection, since the last one that worked.

use std::time::Duration;

/// The waits between tries.
#[derive(Debug, Default)]
pub(super) struct Waits(usize);

const FIRST: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
];
const LONGEST: Duration = Duration::from_secs(3);

impl Waits {
    /// The next wait.
    pub(super) fn next(&mut self) -> Duration {
        let wait = FIRST.get(self.0).copied().unwrap_or(LONGEST);
        self.0 += 1;
        wait
    }

    /// A connection worked.
    pub(super) fn reset(&mut self) {
        self.0 = 0;
    }
}
