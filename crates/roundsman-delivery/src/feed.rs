//! The feed: what happens to the messages of a key, live, for whoever watches it.
//!
//! While nobody watches it costs a look at one number. A watcher that does not keep up loses
//! events, never more than that, and is told how many. What a stage knows of a message is its lane
//! and sequence; the names that belong to them are learned as they come by, bounded, and forgotten
//! when the last watcher leaves.

use crate::deliver::Turn;
use parking_lot::Mutex;
use roundsman_store::{
    Clock, DeadReason, Draft, Failure, Fresh, Key, Lane, LaneId, MessageId, Outcome, Receipt,
    Settled, Settlement, Swept, Timestamp, Which,
};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::mpsc;

/// Something that happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was seen here.
    pub at: Timestamp,
    /// The message's id; `None` where it was dispatched before anybody watched.
    pub id: Option<Arc<str>>,
    /// Whom the message is charged to.
    pub key: Key,
    /// Its topic.
    pub topic: Arc<str>,
    /// What happened.
    pub what: Happening,
}

/// What happens to messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It was accepted.
    Accepted,
    /// It was handed to its target.
    Dispatched {
        /// The number of this sending, counted from 1.
        attempt: u32,
    },
    /// It was written, and waits for its acknowledgement.
    Sent,
    /// It was delivered.
    Delivered,
    /// It was handed back unharmed: nobody was there, or its endpoint does not answer.
    Released,
    /// An attempt failed, and there is another.
    Failed {
        /// Why.
        failure: Failure,
        /// When it is tried again.
        again_at: Timestamp,
    },
    /// It was given up on.
    Dead {
        /// Why.
        reason: DeadReason,
        /// What went wrong last, where something did.
        failure: Option<Failure>,
    },
    /// It grew too old.
    Expired,
    /// Nobody was there, and the rule says not to hold.
    Dropped,
    /// It was taken back.
    TakenBack,
    /// It was dead, and is sent again.
    Replayed,
    /// It was dead, and is gone for good.
    DeadDropped,
}

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

/// Where the stages say what happens.
pub(crate) struct Feed {
    clock: Arc<dyn Clock>,
    watching: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    numbered: u64,
    has_ended: bool,
    watchers: Vec<Watcher>,
    /// Lanes of watched keys that came by.
    lanes: FxHashMap<LaneId, Arc<Lane>>,
    /// Messages of them that were dispatched and have not come to their end.
    out: FxHashMap<(LaneId, u64), MessageId>,
    /// Messages that were said to be accepted, lately.
    accepted: VecDeque<MessageId>,
}

struct Watcher {
    number: u64,
    key: Key,
    seen: mpsc::Sender<Seen>,
    missed: u64,
}

/// Events that wait for one watcher.
const WAITING: usize = 1024;
/// Acceptances that are said twice within so many others are said once.
const LATELY: usize = 256;
/// Lanes, and messages in flight, that are remembered.
const REMEMBERED: usize = 65_536;

impl Feed {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, watching: AtomicUsize::new(0), state: Mutex::default() }
    }

    /// Whether anybody watches: what is said is for nobody else.
    pub(crate) fn is_watched(&self) -> bool {
        self.watching.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn watch(self: &Arc<Self>, key: Key) -> Watch {
        let (sender, seen) = mpsc::channel(WAITING);
        let mut state = self.state.lock();
        state.numbered += 1;
        let number = state.numbered;
        if !state.has_ended {
            state.watchers.push(Watcher { number, key, seen: sender, missed: 0 });
        }
        self.watching.store(state.watchers.len(), Ordering::Relaxed);
        Watch { seen, feed: Arc::downgrade(self), number }
    }

    /// Nothing more will happen: every watch ends.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        *state = State { has_ended: true, ..State::default() };
        self.watching.store(0, Ordering::Relaxed);
    }

    fn leave(&self, number: u64) {
        let mut state = self.state.lock();
        state.watchers.retain(|watcher| watcher.number != number);
        self.watching.store(state.watchers.len(), Ordering::Relaxed);
        if state.watchers.is_empty() {
            (state.lanes, state.out, state.accepted) = Default::default();
        }
    }

    /// These lanes have something to do: their names will be wanted.
    pub(crate) fn meet<'a>(&self, lanes: impl IntoIterator<Item = &'a Arc<Lane>>) {
        if self.is_watched() {
            let mut state = self.state.lock();
            lanes.into_iter().for_each(|lane| state.meet(lane));
        }
    }

    /// Of a batch that is about to be accepted, what of it is watched.
    pub(crate) fn of_interest(&self, batch: &[Draft]) -> Vec<(usize, Key, Arc<str>)> {
        if !self.is_watched() {
            return Vec::new();
        }
        let state = self.state.lock();
        let watched = batch.iter().enumerate().filter(|(_, draft)| state.is_watched(&draft.key));
        watched.map(|(at, draft)| (at, draft.key.clone(), draft.topic.clone())).collect()
    }

    /// It was accepted; duplicates happened before.
    pub(crate) fn accepted(&self, watched: Vec<(usize, Key, Arc<str>)>, receipts: &[Receipt]) {
        for (at, key, topic) in watched {
            let Some(receipt) = receipts.get(at).filter(|receipt| !receipt.duplicate) else {
                continue;
            };
            self.accepted_once(&mut self.state.lock(), &receipt.id, key, topic);
        }
    }

    /// The store hints at messages that were just accepted. It may be sooner than whoever accepted
    /// them hears of it, and they may be dispatched before that.
    pub(crate) fn hinted(&self, batch: &[Fresh]) {
        if !self.is_watched() {
            return;
        }
        let mut state = self.state.lock();
        for Fresh { record, .. } in batch {
            if state.is_watched(&record.lane.key) {
                state.meet(&record.lane);
                let (key, topic) = (record.lane.key.clone(), record.lane.topic.clone());
                self.accepted_once(&mut state, &record.id, key, topic);
            }
        }
    }

    fn accepted_once(&self, state: &mut State, id: &MessageId, key: Key, topic: Arc<str>) {
        if state.accepted.contains(id) {
            return;
        }
        state.accepted.push_back(id.clone());
        if state.accepted.len() > LATELY {
            state.accepted.pop_front();
        }
        let id = Some(id.to_string().into());
        state.tell(&self.event(id, key, topic, Happening::Accepted));
    }

    /// These were handed to their targets.
    pub(crate) fn dispatched(&self, turns: &[Turn]) {
        if !self.is_watched() {
            return;
        }
        let mut state = self.state.lock();
        for Turn { message, .. } in turns {
            let (record, attempt) = (&message.record, message.attempt);
            if !state.is_watched(&record.lane.key) {
                continue;
            }
            state.meet(&record.lane);
            if state.out.len() < REMEMBERED {
                state.out.insert((record.lane.id, record.seq), record.id.clone());
            }
            let id = Some(record.id.to_string().into());
            let what = Happening::Dispatched { attempt };
            state.tell(&self.event_in(id, &record.lane, what));
        }
    }

    /// The store has written down what became of these.
    pub(crate) fn settled(&self, batch: &[Settlement], answers: &[Settled]) {
        if !self.is_watched() {
            return;
        }
        let mut state = self.state.lock();
        for (settlement, answer) in batch.iter().zip(answers) {
            let Settled::Done { lane: id, seq, .. } = answer else { continue };
            let Some(lane) = state.lanes.get(id).cloned() else { continue };
            let known = match settlement.outcome {
                // It stays out, or comes out again.
                Outcome::Sent | Outcome::Released => state.out.get(&(*id, *seq)).cloned(),
                _ => state.out.remove(&(*id, *seq)),
            };
            let id = match &settlement.which {
                Which::Id { id, .. } => Some(id.clone()),
                Which::At { .. } => known.map(|id| id.to_string().into()),
            };
            state.tell(&self.event_in(id, &lane, happening(&settlement.outcome)));
        }
    }

    /// An operator changed something about these, each by its id and lane.
    pub(crate) fn operated(&self, swept: &Swept, what: &Happening) {
        if self.is_watched() {
            let mut state = self.state.lock();
            for (id, lane) in &swept.done {
                state.tell(&self.event_in(Some(id.clone()), lane, what.clone()));
            }
        }
    }

    /// A message was taken back.
    pub(crate) fn taken_back(&self, id: &Arc<str>, key: Key, topic: Arc<str>) {
        if self.is_watched() {
            let event = self.event(Some(id.clone()), key, topic, Happening::TakenBack);
            self.state.lock().tell(&event);
        }
    }

    fn event_in(&self, id: Option<Arc<str>>, lane: &Lane, what: Happening) -> Event {
        self.event(id, lane.key.clone(), lane.topic.clone(), what)
    }

    fn event(&self, id: Option<Arc<str>>, key: Key, topic: Arc<str>, what: Happening) -> Event {
        Event { at: self.clock.now(), id, key, topic, what }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("watching", &self.watching).finish_non_exhaustive()
    }
}

impl State {
    fn is_watched(&self, key: &Key) -> bool {
        self.watchers.iter().any(|watcher| key.is_within(&watcher.key))
    }

    fn meet(&mut self, lane: &Arc<Lane>) {
        if self.is_watched(&lane.key) && self.lanes.len() < REMEMBERED {
            self.lanes.insert(lane.id, lane.clone());
        }
    }

    fn tell(&mut self, event: &Event) {
        for watcher in &mut self.watchers {
            if event.key.is_within(&watcher.key) {
                watcher.tell(event);
            }
        }
    }
}

impl Watcher {
    /// What was missed is said where it is missing.
    fn tell(&mut self, event: &Event) {
        if self.missed > 0 && self.seen.try_send(Seen::Missed(self.missed)).is_ok() {
            self.missed = 0;
        }
        if self.missed > 0 || self.seen.try_send(Seen::Event(event.clone())).is_err() {
            self.missed += 1;
        }
    }
}

fn happening(outcome: &Outcome) -> Happening {
    match outcome {
        Outcome::Delivered => Happening::Delivered,
        Outcome::Sent => Happening::Sent,
        Outcome::Released => Happening::Released,
        Outcome::Retry { at, failure, .. } => {
            Happening::Failed { failure: failure.clone(), again_at: *at }
        }
        Outcome::Dead { reason, failure } => {
            Happening::Dead { reason: *reason, failure: failure.clone() }
        }
        Outcome::Expired => Happening::Expired,
        Outcome::Dropped => Happening::Dropped,
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
