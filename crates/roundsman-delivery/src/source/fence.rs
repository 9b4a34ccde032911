//! Fences: what is being taken back is not dispatched meanwhile, nor ever once it is gone. Pure.
//!
//! The store knows nothing of what is in flight, and the source nothing of what the store is just
//! removing. So the source lets go of a message first: one that is out stays out, and one that is
//! not waits behind its fence, its lane with it, until the store has answered. After that three
//! copies of it may still be about: in the lane's queue, in a reading that is under way, and in
//! a hint that has not arrived. The queue is struck, the reading done again, the hint only taken
//! for a reason to read.

use super::lanes::Lanes;
use roundsman_store::LaneId;
use rustc_hash::FxHashSet;
use std::collections::BTreeSet;

/// The messages that are being taken back, and those that were.
#[derive(Debug, Default)]
pub(crate) struct Fences {
    up: FxHashSet<u64>,
    /// Gone, or perhaps, while a hint may still announce them.
    gone: BTreeSet<u64>,
    /// The newest that a hint has announced. They come in the order of sequences.
    heard: u64,
}

impl Fences {
    /// Hints are never so far behind.
    const GONE: usize = 65_536;

    /// Whether a message is behind a fence.
    pub(super) fn holds(&self, seq: u64) -> bool {
        !self.up.is_empty() && self.up.contains(&seq)
    }

    /// A hint has announced a message; whether that may go out without being read again.
    pub(super) fn hear(&mut self, seq: u64) -> bool {
        self.heard = self.heard.max(seq);
        let is_gone = self.gone.remove(&seq);
        while self.gone.first().is_some_and(|gone| *gone < self.heard) {
            self.gone.pop_first();
        }
        !is_gone
    }

    fn lower(&mut self, seq: u64) {
        self.up.remove(&seq);
        if seq > self.heard {
            self.gone.insert(seq);
            if self.gone.len() > Self::GONE {
                self.gone.pop_first();
            }
        }
    }
}

impl Lanes {
    /// Keeps a message from being dispatched; `false` where it is out already, or behind a fence
    /// of somebody else.
    pub(crate) fn fence(&mut self, id: LaneId, seq: u64) -> bool {
        !self.is_out(id, seq) && self.fences.up.insert(seq)
    }

    /// The store has answered: the message is gone, or whether it is has to be read again.
    pub(crate) fn unfence(&mut self, id: LaneId, seq: u64, is_gone: bool) {
        self.fences.lower(seq);
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        lane.parked = false;
        if let Some(bytes) = lane.strike(seq) {
            self.queued -= 1;
            self.queued_bytes -= bytes;
        }
        if lane.fetching || !is_gone {
            // What was read before it and waits for its turn is forgotten on the way back.
            let oldest = lane.queue.front().map_or(seq, |first| first.seq.min(seq));
            lane.go_back(oldest);
        }
        self.poke(id);
    }
}
