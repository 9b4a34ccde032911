//! Sending hints without ever waiting: what does not fit becomes one [`Hint::Walk`].
//!
//! The last place in the channel is kept for that walk. While it lies there unread, whatever else
//! is committed may go unannounced, since the walk will be read after it and will find it.

use crate::{Hint, Hints};
use tokio::sync::mpsc;

#[derive(Debug)]
pub(super) struct HintSender {
    sender: Option<mpsc::Sender<Hint>>,
    receiver: Option<Hints>,
    /// A walk is the last hint that was sent.
    is_behind: bool,
}

impl HintSender {
    const CAPACITY: usize = 1024;

    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(Self::CAPACITY);
        Self { sender: Some(sender), receiver: Some(receiver), is_behind: false }
    }

    pub(super) fn take(&mut self) -> Option<Hints> {
        self.receiver.take()
    }

    pub(super) fn send(&mut self, hint: Hint) {
        let Some(sender) = &self.sender else { return };
        let room = sender.capacity();
        // Beginning again only with half of the room back: at the brink, every hint would be a walk.
        if self.is_behind && room < Self::CAPACITY / 2 {
            return;
        }
        self.is_behind = room == 1;
        let hint = if self.is_behind { Hint::Walk } else { hint };
        if let Err(mpsc::error::TrySendError::Closed(_)) = sender.try_send(hint) {
            self.close();
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

    #[test]
    fn what_does_not_fit_becomes_one_walk() {
        let mut hints = HintSender::new();
        let mut reader = hints.take().unwrap();
        for _ in 0..3 * HintSender::CAPACITY {
            hints.send(Hint::Lanes(Vec::new()));
        }
        for _ in 1..HintSender::CAPACITY {
            assert!(matches!(reader.try_recv(), Ok(Hint::Lanes(_))));
        }
        assert!(matches!(reader.try_recv(), Ok(Hint::Walk)));
        assert!(reader.try_recv().is_err());
        hints.send(Hint::Lanes(Vec::new()));
        assert!(matches!(reader.try_recv(), Ok(Hint::Lanes(_))));
    }
}
