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
    /// Events its handler was given and did not finish: it failed, panicked, or was cut off.
    ///
    /// All of the batch in hand count, since nobody knows which of them were done.
    pub unfinished: u64,
    /// Events that came to it or that it emitted, and that went no further.
    ///
    /// They were there when it ended, or came when it had no more use for them.
    pub lost: u64,
    /// Events it had not finished when it ended, and that went back to their producers.
    pub handed_back: u64,
    /// Subscriptions it has with producers.
    pub producers: usize,
    /// Subscriptions consumers have with it.
    pub consumers: usize,
}

impl Counts {
    /// The same for a stage that has ended: what it still held is lost, and it has no peers.
    pub(crate) fn at_end(self) -> Self {
        let lost = self.lost + (self.waiting + self.buffered) as u64;
        Self { lost, demand: 0, buffered: 0, waiting: 0, producers: 0, consumers: 0, ..self }
    }
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
    pub(crate) unfinished: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) handed_back: AtomicU64,
    pub(crate) producers: AtomicUsize,
    pub(crate) consumers: AtomicUsize,
    /// Whether its gate is closed; no count, but kept in the same way.
    pub(crate) accumulating: AtomicBool,
}

impl Counters {
    /// Counts events that waited and will not be handled.
    pub(crate) fn lose(&self, n: usize) {
        if n > 0 {
            self.waiting.fetch_sub(n, Relaxed);
            self.lost.fetch_add(n as u64, Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Counts {
        Counts {
            demand: self.demand.load(Relaxed),
            buffered: self.buffered.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            taken: self.taken.load(Relaxed),
            emitted: self.emitted.load(Relaxed),
            discarded: self.discarded.load(Relaxed),
            unfinished: self.unfinished.load(Relaxed),
            lost: self.lost.load(Relaxed),
            handed_back: self.handed_back.load(Relaxed),
            producers: self.producers.load(Relaxed),
            consumers: self.consumers.load(Relaxed),
        }
    }
}
