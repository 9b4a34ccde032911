//! One resident lane: what was read of it and not dispatched, and what of it is out. Pure.

use super::fare::Fare;
use super::needs::{Needs, Way};
use crate::augment::Augment;
use roundsman::fair::Account;
use roundsman_store::{History, Lane, LaneId, Record, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What a settled message leaves behind, as the source sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is gone: delivered, dead, expired, dropped, or out of the lane.
    Gone,
    /// Written, and waits for an acknowledgement.
    Unacknowledged,
    /// Handed back: it is to be read again.
    Back,
    /// It waits at its place, and the store has blocked the lane until then.
    Blocked,
}

/// That a message was settled, as the source is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) lane: LaneId,
    pub(crate) seq: u64,
    /// The attempt that was settled; `None` where any attempt was, by an acknowledgement.
    pub(crate) attempt: Option<u32>,
    pub(crate) ending: Ending,
    /// When it is tried again, where it is.
    pub(crate) again: Option<Timestamp>,
}

/// A message that is out.
#[derive(Debug)]
pub(crate) struct Out {
    pub(crate) attempt: u32,
    pub(crate) bytes: usize,
    pub(crate) history: Option<Box<History>>,
    pub(crate) state: OutState,
    /// What was charged for it, while it is with its target.
    pub(crate) fare: Option<Fare>,
}

/// Where a message that is out is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutState {
    /// With its target; `again`: not for the first time, and only for clients that acknowledge.
    Flying { again: bool },
    /// Written at this moment; `again`: to be sent again when it is read again.
    Unacknowledged { since: Timestamp, again: bool },
    /// Its end is on its way to the store.
    Closing,
}

/// A lane that has something to do.
#[derive(Debug)]
pub(crate) struct Resident {
    pub(crate) lane: Arc<Lane>,
    pub(crate) rule: usize,
    /// What its messages are charged to.
    pub(crate) account: Account,
    /// What has to answer for its messages to be delivered.
    pub(crate) way: Way,
    /// What the next of its messages needs on that way.
    pub(crate) needs: Needs,
    /// The message that was looked at for that.
    looked_at: Option<u64>,
    /// What messages need that are charged to `account`.
    pub(crate) seat: Needs,
    /// Read, in order, and not dispatched.
    pub(crate) queue: VecDeque<Record>,
    /// Everything up to here was read.
    pub(crate) cursor: u64,
    /// The store may have more behind the cursor.
    pub(crate) more: bool,
    /// A reading is under way.
    pub(crate) fetching: bool,
    /// Something was added since that reading began, which it may not have seen.
    pub(crate) missed: bool,
    /// Changes when the cursor goes back, so that an answer from before is known.
    pub(crate) generation: u32,
    /// Out, by sequence.
    pub(crate) out: BTreeMap<u64, Out>,
    /// How many of them fly.
    pub(crate) flying: usize,
    /// Go back to this sequence once nothing flies.
    pub(crate) back_to: Option<u64>,
    /// Someone joined while messages flew: they land first, so that nobody sees a later one before.
    pub(crate) fenced: bool,
    /// The store has blocked it: forget it once nothing flies.
    pub(crate) blocked: bool,
    /// In the ring, or waiting at its key's cap.
    pub(crate) listed: bool,
    /// No room in its topic's window.
    pub(crate) parked: bool,
    /// No room at its endpoint.
    pub(crate) unseated: bool,
    /// Something of it was dispatched since it became resident.
    pub(crate) had_turn: bool,
    /// Nothing happened since the last sweep.
    pub(crate) idle: bool,
}

impl Resident {
    pub(crate) fn new(
        lane: Arc<Lane>,
        rule: usize,
        account: Account,
        way: Way,
        generation: u32,
    ) -> Self {
        Self {
            lane,
            rule,
            account,
            way,
            needs: Needs::default(),
            looked_at: None,
            seat: Needs::default(),
            queue: VecDeque::new(),
            cursor: 0,
            more: false,
            fetching: false,
            missed: false,
            generation,
            out: BTreeMap::new(),
            flying: 0,
            back_to: None,
            fenced: false,
            blocked: false,
            listed: false,
            parked: false,
            unseated: false,
            had_turn: false,
            idle: false,
        }
    }

    /// Whether it has nothing to do and nothing out.
    pub(crate) fn is_done(&self) -> bool {
        self.queue.is_empty()
            && !self.more
            && !self.fetching
            && self.out.is_empty()
            && self.back_to.is_none()
    }

    /// Looks at what the next message needs. While it has to be read again, it is what was handed
    /// back, and its needs are known.
    pub(crate) fn look(&mut self, augments: &[Augment]) {
        if augments.is_empty() || self.back_to.is_some() {
            return;
        }
        match self.queue.front() {
            Some(head) if self.looked_at == Some(head.seq) => {}
            Some(head) => {
                (self.needs, self.looked_at) = (self.way.needs(augments, head), Some(head.seq));
            }
            None if self.flying > 0 => {}
            None => (self.needs, self.looked_at) = (Needs::default(), None),
        }
    }

    /// Asks for everything from `seq` on to be read again.
    pub(crate) fn go_back(&mut self, seq: u64) {
        self.back_to = Some(self.back_to.map_or(seq, |earlier| earlier.min(seq)));
    }

    /// Goes back now: forgets what was read and begins again. Returns how many records and bytes
    /// of the queue were forgotten.
    pub(crate) fn rewind(&mut self, generation: u32) -> (usize, usize) {
        let Some(seq) = self.back_to.take() else { return (0, 0) };
        self.cursor = self.cursor.min(seq.saturating_sub(1));
        self.generation = generation;
        self.parked = false;
        (self.fetching, self.missed) = (false, false);
        self.more = true;
        self.forget_queue()
    }

    /// There is more in the store than was read.
    pub(crate) fn has_more(&mut self) {
        self.more = true;
        self.missed = self.fetching;
    }

    pub(crate) fn forget_queue(&mut self) -> (usize, usize) {
        self.looked_at = None;
        let count = self.queue.len();
        let bytes = self.queue.drain(..).map(|record| record.payload.len()).sum();
        (count, bytes)
    }

    /// Whether a record that was read is to be dispatched: not if it is out, unless it comes again.
    pub(crate) fn is_due(&self, seq: u64) -> bool {
        match self.out.get(&seq) {
            None => true,
            Some(out) => matches!(out.state, OutState::Unacknowledged { again: true, .. }),
        }
    }

    /// Takes a record out of the queue because it was settled meanwhile; its bytes, where it was.
    pub(crate) fn strike(&mut self, seq: u64) -> Option<usize> {
        let at = self.queue.binary_search_by_key(&seq, |record| record.seq).ok()?;
        self.queue.remove(at).map(|record| record.payload.len())
    }

    /// Marks everything unacknowledged to be sent again, and goes back to the oldest of it.
    pub(crate) fn come_again(&mut self) {
        let mut oldest = None;
        for (seq, out) in &mut self.out {
            if let OutState::Unacknowledged { again, .. } = &mut out.state {
                *again = true;
                oldest = oldest.or(Some(*seq));
            }
        }
        if let Some(seq) = oldest {
            self.go_back(seq);
        }
    }
}
