//! Sending hints without ever waiting: what does not fit becomes one [`Hint::Walk`].
//!
//! The last place in the channel is kept for that walk. While it lies there unread, whatever else
//! is committed may go unannounced, since the walk will be read after it and will find it.

use roundsman_store::{Hint, Hints};
use tokio::sync::mpsc;

/// The writer's end of the stream of hints.
#[derive(Debug)]
pub(super) struct HintSender {
    sender: mpsc::Sender<Hint>,
    /// A walk is the last hint that was sent.
    is_behind: bool,
}

impl HintSender {
    /// One hint may carry the records of a whole commit, so few of them are many messages.
    const CAPACITY: usize = 256;

    /// Both ends of a new stream.
    pub(super) fn new() -> (Self, Hints) {
        let (sender, receiver) = mpsc::channel(Self::CAPACITY);
        (Self { sender, is_behind: false }, receiver)
    }

    /// Sends one, or sees to it that a walk is under way.
    pub(super) fn send(&mut self, hint: Hint) {
        let room = self.sender.capacity();
        // Beginning again only with half of the room back: at the brink, every hint would be a walk.
        if self.is_behind && room < Self::CAPACITY / 2 {
            return;
        }
        self.is_behind = room == 1;
        let hint = if self.is_behind { Hint::Walk } else { hint };
        // A full channel ends in a walk already; a closed one has no reader to tell.
        let _ = self.sender.try_send(hint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_becomes_one_walk() {
        let (mut hints, mut reader) = HintSender::new();
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
