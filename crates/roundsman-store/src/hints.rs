//! Sending hints without ever waiting: what does not fit becomes one [`Hint::Walk`].
//!
//! The last place in the channel is kept for that walk. While it lies there unread, whatever else
//! is committed may go unannounced, since the walk will be read after it and will find it.
//!
//! The channel is bounded in hints and in payload bytes: a hint carries the records of a whole
//! commit, and whoever falls behind is to read them from the store, not from our memory.

use crate::{Fresh, Hint, Hints, Lane};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The end of the stream of [`Hints`] that a store writes to, for those who implement one.
#[derive(Debug)]
pub struct HintSender {
    sender: mpsc::Sender<Hint>,
    /// What each hint in the channel weighs, oldest first, and all together.
    weights: VecDeque<usize>,
    weight: usize,
    /// A walk is the last hint that was sent.
    is_behind: bool,
}

impl HintSender {
    const CAPACITY: usize = 1024;
    /// Bytes that may wait in the channel; one hint always goes.
    const MAX_WEIGHT: usize = 8 << 20;
    /// What a record weighs beside its payload.
    const RECORD: usize = 128;

    /// Both ends of a new stream.
    #[must_use]
    pub fn new() -> (Self, Hints) {
        let (sender, receiver) = mpsc::channel(Self::CAPACITY);
        (Self { sender, weights: VecDeque::new(), weight: 0, is_behind: false }, receiver)
    }

    /// Announces what was committed, or sees to it that a walk is under way.
    pub fn announce(&mut self, fresh: Vec<Fresh>) {
        let payloads: usize = fresh.iter().map(|fresh| fresh.record.payload.len()).sum();
        let weight = payloads + fresh.len() * Self::RECORD;
        self.send(Hint::Fresh(fresh), weight);
    }

    /// Announces lanes that may have something to do, or sees to it that a walk is under way.
    pub fn lanes(&mut self, lanes: Vec<Arc<Lane>>) {
        let weight = lanes.len() * Self::RECORD;
        self.send(Hint::Lanes(lanes), weight);
    }

    fn send(&mut self, hint: Hint, weight: usize) {
        self.weigh();
        let room = self.sender.capacity();
        let is_heavy = self.weight + weight > Self::MAX_WEIGHT && self.weight > 0;
        // Beginning again only with half of the room back: at the brink, every hint would be a walk.
        let is_recovering = room < Self::CAPACITY / 2 || self.weight > Self::MAX_WEIGHT / 2;
        if self.is_behind && is_recovering {
            return;
        }
        self.is_behind = room == 1 || is_heavy;
        let (hint, weight) = if self.is_behind { (Hint::Walk, 0) } else { (hint, weight) };
        // A full channel ends in a walk already; a closed one has no reader to tell.
        if self.sender.try_send(hint).is_ok() {
            self.weights.push_back(weight);
            self.weight += weight;
        }
    }

    /// Something may have been committed that was not announced.
    pub fn walk(&mut self) {
        self.weigh();
        // Where there is no room, the last hint is a walk already.
        if self.sender.try_send(Hint::Walk).is_ok() {
            self.weights.push_back(0);
        }
    }

    /// Finds out what was read since.
    fn weigh(&mut self) {
        let waiting = self.sender.max_capacity() - self.sender.capacity();
        while self.weights.len() > waiting {
            self.weight -= self.weights.pop_front().unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IdSalt, Key, LaneId, MessageId, Record, Timestamp};

    fn fresh(bytes: usize) -> Vec<Fresh> {
        let (id, seq) = (LaneId::new(0, 1), 1);
        let key = Key::from_parts(["a"]).unwrap();
        let record = Record {
            lane: Arc::new(Lane { id, key, topic: "a".into() }),
            seq,
            id: MessageId::Made { salt: IdSalt(1), lane: id, seq },
            event: "message".into(),
            payload: vec![b' '; bytes].into(),
            accepted_at: Timestamp(0),
            expires_at: None,
            history: None,
        };
        vec![Fresh { previous: None, record }]
    }

    #[test]
    fn what_does_not_fit_becomes_one_walk() {
        for (bytes, fit) in [(1, HintSender::CAPACITY - 1), (HintSender::MAX_WEIGHT / 4, 3)] {
            let (mut hints, mut reader) = HintSender::new();
            for _ in 0..3 * HintSender::CAPACITY {
                hints.announce(fresh(bytes));
            }
            for _ in 0..fit {
                assert!(matches!(reader.try_recv(), Ok(Hint::Fresh(_))));
            }
            assert!(matches!(reader.try_recv(), Ok(Hint::Walk)));
            assert!(reader.try_recv().is_err());
            hints.announce(fresh(bytes));
            assert!(matches!(reader.try_recv(), Ok(Hint::Fresh(_))));
            let lane = fresh(bytes).remove(0).record.lane;
            hints.lanes(vec![lane.clone()]);
            assert!(matches!(reader.try_recv(), Ok(Hint::Lanes(lanes)) if lanes == [lane]));
        }
    }
}
