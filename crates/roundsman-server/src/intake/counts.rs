//! What each intake counts.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What one intake counts.
#[derive(Debug, Default)]
pub struct Counts {
    /// Records that became messages, those that came again not among them.
    pub taken: AtomicU64,
    /// Records that could not become messages.
    pub refused: AtomicU64,
    /// Records that the log still has for us, as far as its server says.
    pub lag: Arc<AtomicU64>,
    /// 1 once it stands still at a record that cannot become a message.
    pub stopped: AtomicU64,
}

/// The counts of all intakes, in the order of the configuration.
pub type Intakes = Arc<[Counts]>;
