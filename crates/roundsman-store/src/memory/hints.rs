//! Sending hints without ever waiting: what does not fit becomes one [`Hint::Walk`].
//!
//! The last place in the channel is kept for that walk. While it lies there unread, whatever else
//! is committed may go unannounced, since the walk will be read after it and will find it.
//!
//! The channel is bounded in hints and in records: a reader that stands still costs little.

use crate::{Fresh, Hint, Hints};
use std::collections::VecDeque;
use tokio::sync::mpsc;

#[derive(Debug)]
pub(super) struct HintSender {
    sender: Option<mpsc::Sender<Hint>>,
    receiver: Option<Hints>,
    /// How many records each hint in the channel carries, oldest first, and all together.
    carried: VecDeque<usize>,
    records: usize,
    /// A walk is the last hint that was sent.
    is_behind: bool,
}

impl HintSender {
    const CAPACITY: usize = 1024;
    /// Records that may wait in the channel; one hint always goes.
    const MAX_RECORDS: usize = 100_000;

    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(Self::CAPACITY);
        Self {
            sender: Some(sender),
            receiver: Some(receiver),
            carried: VecDeque::new(),
            records: 0,
            is_behind: false,
        }
    }

    pub(super) fn take(&mut self) -> Option<Hints> {
        self.receiver.take()
    }

    /// Announces what was committed, or sees to it that a walk is under way.
    pub(super) fn announce(&mut self, fresh: Vec<Fresh>) {
        let Some(sender) = &self.sender else { return };
        let room = sender.capacity();
        while self.carried.len() > Self::CAPACITY - room {
            self.records -= self.carried.pop_front().unwrap_or(0);
        }
        let is_heavy = self.records > 0 && self.records + fresh.len() > Self::MAX_RECORDS;
        // Beginning again only with half of the room back: at the brink, every hint would be a walk.
        let has_room = room >= Self::CAPACITY / 2 && self.records <= Self::MAX_RECORDS / 2;
        if self.is_behind && !has_room {
            return;
        }
        self.is_behind = room == 1 || is_heavy;
        let carried = if self.is_behind { 0 } else { fresh.len() };
        let hint = if self.is_behind { Hint::Walk } else { Hint::Fresh(fresh) };
        match sender.try_send(hint) {
            Ok(()) => {
                self.carried.push_back(carried);
                self.records += carried;
            }
            // No room at all cannot be: the walk took the last place and nothing is sent behind it.
            Err(mpsc::error::TrySendError::Full(_)) => self.is_behind = true,
            Err(mpsc::error::TrySendError::Closed(_)) => self.close(),
        }
    }

    /// Ends the stream for its reader.
    pub(super) fn close(&mut self) {
        self.sender = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Draft, MemoryStore, Store, SystemClock};
    use std::sync::Arc;

    #[test]
    fn what_does_not_fit_becomes_one_walk() {
        let mut hints = HintSender::new();
        let mut reader = hints.take().unwrap();
        for _ in 0..3 * HintSender::CAPACITY {
            hints.announce(Vec::new());
        }
        for _ in 1..HintSender::CAPACITY {
            assert!(matches!(reader.try_recv(), Ok(Hint::Fresh(_))));
        }
        assert!(matches!(reader.try_recv(), Ok(Hint::Walk)));
        assert!(reader.try_recv().is_err());
        hints.announce(Vec::new());
        assert!(matches!(reader.try_recv(), Ok(Hint::Fresh(_))));
    }

    #[tokio::test]
    async fn a_reader_that_stands_still_holds_few_records() {
        let store = MemoryStore::new(Arc::new(SystemClock));
        let mut reader = store.hints().unwrap();
        let draft = Draft::new("t", "{}").unwrap();
        for _ in 0..30 {
            store.accept(vec![draft.clone(); 10_000], Bounds::NONE).await.unwrap();
        }
        for _ in 0..10 {
            assert!(matches!(reader.try_recv(), Ok(Hint::Fresh(_))));
        }
        assert!(matches!(reader.try_recv(), Ok(Hint::Walk)));
        assert!(reader.try_recv().is_err());
        store.accept(vec![draft], Bounds::NONE).await.unwrap();
        assert!(matches!(reader.try_recv(), Ok(Hint::Fresh(fresh)) if fresh.len() == 1));
    }
}
