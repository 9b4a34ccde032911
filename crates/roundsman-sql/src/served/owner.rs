//! Who owns a store, and when an owner that says nothing is taken over from.

use std::time::Duration;

/// The times of ownership. Together they let another node take over within ten seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnerTimes {
    /// How often the owner says that it is alive.
    pub(crate) beat: Duration,
    /// After so many seconds without a word it is taken over from.
    pub(crate) silent: f64,
    /// How long a new opening waits for the lock: an owner that has just ended may still be leaving.
    pub(crate) patience: Duration,
    /// How often it looks.
    pub(crate) look: Duration,
}

/// The times that are used.
pub(crate) const OWNER: OwnerTimes = OwnerTimes {
    beat: Duration::from_secs(2),
    silent: 6.0,
    patience: Duration::from_secs(2),
    look: Duration::from_millis(50),
};

impl OwnerTimes {
    /// Whether it is in vain to wait for the lock any longer: its owner, silent for so many seconds,
    /// may be expected to speak again, or cannot be taken over from. One that has missed a word is
    /// waited for until it speaks, or until its time is over.
    pub(crate) fn is_in_vain(&self, silent: f64, waited: Duration) -> bool {
        let is_alive = silent < self.silent - self.patience.as_secs_f64();
        waited > if is_alive { self.patience } else { self.patience * 6 }
    }
}

/// This process, as people are told of it.
pub(crate) fn owner() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let host = name.map_or_else(|_| "another machine".to_owned(), |name| name.trim().to_owned());
    format!("process {} on {host}", std::process::id())
}
