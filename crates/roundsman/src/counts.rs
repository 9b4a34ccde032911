//! How much a stage holds and has done, readable from outside at any time.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The numbers of one stage at one moment.
///
/// They are written once a batch, each by itself: right, but not all from the same instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Events its consumers could be given now, had it any.
    pub demand: usize,
    /// Events it emitted that nobody has asked for yet, and those its dispatcher holds.
    pub buffered: usize,
    /// Events that arrived and wait in its mailbox or input queue.
    pub waiting: usize,
    /// Events its handler was given, in all.
    pub taken: u64,
    /// Events it emitted, in all.
    pub emitted: u64,
    /// Events its full buffer gave up, in all.
    pub discarded: u64,
    /// Subscriptions it has with producers.
    pub producers: usize,
    /// Subscriptions consumers have with it.
    pub consumers: usize,
}

/// The shared side of [`Counts`]. All relaxed: nothing is inferred from one about another.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) demand: AtomicUsize,
    pub(crate) buffered: AtomicUsize,
    pub(crate) waiting: AtomicUsize,
    pub(crate) taken: AtomicU64,
    pub(crate) emitted: AtomicU64,
    pub(crate) discarded: AtomicU64,
    pub(crate) producers: AtomicUsize,
    pub(crate) consumers: AtomicUsize,
    /// Whether its gate is closed; no count, but kept in the same way.
    pub(crate) accumulating: AtomicBool,
}

impl Counters {
    pub(crate) fn read(&self) -> Counts {
        Counts {
            demand: self.demand.load(Relaxed),
            buffered: self.buffered.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            taken: self.taken.load(Relaxed),
            emitted: self.emitted.load(Relaxed),
            discarded: self.discarded.load(Relaxed),
            producers: self.producers.load(Relaxed),
            consumers: self.consumers.load(Relaxed),
        }
    }
}
