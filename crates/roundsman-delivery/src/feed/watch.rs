//! One watch: the watcher's end of it, and ours.

use super::{Event, Feed};
use roundsman_store::Key;
use std::fmt;
use std::sync::{Arc, Weak};
use tokio::sync::mpsc;

/// What a watcher sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Something happened.
    Event(Event),
    /// So many events did not fit, here.
    Missed(u64),
}

/// What happens to the messages of one key, and of those below it; see [`Node::watch`](crate::Node::watch).
pub struct Watch {
    seen: mpsc::Receiver<Seen>,
    feed: Weak<Feed>,
    number: u64,
}

impl Watch {
    /// The next thing that happens; `None` once the node has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    pub async fn next(&mut self) -> Option<Seen> {
        self.seen.recv().await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(feed) = self.feed.upgrade() {
            feed.leave(self.number);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Our end of a watch.
pub(super) struct Watcher {
    pub(super) number: u64,
    pub(super) key: Key,
    seen: mpsc::Sender<Seen>,
    missed: u64,
}

/// Events that wait for one watcher.
pub(super) const WAITING: usize = 1024;

/// Both ends of a new watch.
pub(super) fn watch(feed: &Arc<Feed>, number: u64, key: Key) -> (Watcher, Watch) {
    let (sender, seen) = mpsc::channel(WAITING);
    let watcher = Watcher { number, key, seen: sender, missed: 0 };
    (watcher, Watch { seen, feed: Arc::downgrade(feed), number })
}

impl Watcher {
    /// What was missed is said where it is missing.
    pub(super) fn tell(&mut self, event: &Event) {
        if self.missed > 0 && self.seen.try_send(Seen::Missed(self.missed)).is_ok() {
            self.missed = 0;
        }
        if self.missed > 0 || self.seen.try_send(Seen::Event(event.clone())).is_err() {
            self.missed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roundsman_store::SystemClock;

    #[test]
    fn a_slow_watcher_is_told_how_much_it_missed_and_where() {
        let feed = Arc::new(Feed::new(Arc::new(SystemClock)));
        let key = |written: &str| Key::parse(written).unwrap();
        let mut watch = feed.watch(key("team"));
        let say = |of: &str| feed.taken_back(&"id".into(), key(of), "t".into());
        for _ in 0..WAITING + 7 {
            say("team/user");
            say("teams");
        }
        for _ in 0..2 {
            assert!(matches!(watch.seen.try_recv(), Ok(Seen::Event(_))));
        }
        say("team");
        for _ in 2..WAITING {
            assert!(matches!(watch.seen.try_recv(), Ok(Seen::Event(_))));
        }
        assert_eq!(watch.seen.try_recv(), Ok(Seen::Missed(7)));
        assert!(matches!(watch.seen.try_recv(), Ok(Seen::Event(_))));
        assert!(watch.seen.try_recv().is_err());
        drop(watch);
        assert!(!feed.is_watched());
    }
}
