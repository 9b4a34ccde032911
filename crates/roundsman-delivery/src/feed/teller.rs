//! The feed itself: the stages say what happened, and those who watch are told.

use super::watch::{self, Watch, Watcher};
use super::{Event, Happening};
use crate::deliver::Turn;
use parking_lot::Mutex;
use roundsman_store::{
    Bounds, Clock, Draft, Fresh, Key, Lane, LaneId, MessageId, Outcome, Receipt, Settled,
    Settlement, Swept, Timestamp, Which,
};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// Messages that expire, until something else becomes of them: those that expire where they
    /// wait are only counted by the store.
    expiring: FxHashMap<Arc<str>, Named>,
}

/// What a watched message is to be called.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    key: Key,
    topic: Arc<str>,
    expires_at: Option<Timestamp>,
}

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
        let mut state = self.state.lock();
        state.numbered += 1;
        let (watcher, watch) = watch::watch(self, state.numbered, key);
        if !state.has_ended {
            state.watchers.push(watcher);
        }
        self.watching.store(state.watchers.len(), Ordering::Relaxed);
        watch
    }

    /// Nothing more will happen: every watch ends.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        *state = State { has_ended: true, ..State::default() };
        self.watching.store(0, Ordering::Relaxed);
    }

    pub(super) fn leave(&self, number: u64) {
        let mut state = self.state.lock();
        state.watchers.retain(|watcher| watcher.number != number);
        self.watching.store(state.watchers.len(), Ordering::Relaxed);
        if state.watchers.is_empty() {
            (state.lanes, state.out) = Default::default();
            (state.accepted, state.expiring) = Default::default();
        }
    }

    /// These lanes have something to do: their names will be wanted.
    pub(crate) fn meet<'a>(&self, lanes: impl IntoIterator<Item = &'a Arc<Lane>>) {
        if self.is_watched() {
            let mut state = self.state.lock();
            lanes.into_iter().for_each(|lane| state.meet(lane));
        }
    }

    /// Of a batch that is about to be accepted, what of it is watched, each with its place there.
    pub(crate) fn of_interest(&self, batch: &[Draft], bounds: &Bounds) -> Vec<(usize, Named)> {
        if !self.is_watched() {
            return Vec::new();
        }
        let state = self.state.lock();
        let watched = batch.iter().enumerate().filter(|(_, draft)| state.is_watched(&draft.key));
        let named = |draft: &Draft| {
            let from = draft.deliver_at.unwrap_or_else(|| self.clock.now());
            let expires_at = bounds.expires_after.map(|span| from.after(span));
            let expires_at = draft.expires_at.or(expires_at);
            Named { key: draft.key.clone(), topic: draft.topic.clone(), expires_at }
        };
        watched.map(|(at, draft)| (at, named(draft))).collect()
    }

    /// It was accepted; duplicates happened before.
    pub(crate) fn accepted(&self, watched: Vec<(usize, Named)>, receipts: &[Receipt]) {
        for (at, named) in watched {
            let Some(receipt) = receipts.get(at).filter(|receipt| !receipt.duplicate) else {
                continue;
            };
            self.accepted_once(&mut self.state.lock(), &receipt.id, named);
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
                let named = Named { key, topic, expires_at: record.expires_at };
                self.accepted_once(&mut state, &record.id, named);
            }
        }
    }

    fn accepted_once(&self, state: &mut State, id: &MessageId, named: Named) {
        if state.accepted.contains(id) {
            return;
        }
        let Named { key, topic, expires_at } = named.clone();
        if expires_at.is_some() && state.expiring.len() < REMEMBERED {
            state.expiring.insert(id.to_string().into(), named);
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
            let what = Happening::from(&settlement.outcome);
            if let (Some(id), true) = (&id, what.is_an_end()) {
                state.expiring.remove(id);
            }
            state.tell(&self.event_in(id, &lane, what));
        }
    }

    /// The messages that should have expired by now, had nothing else become of them.
    pub(crate) fn overdue(&self) -> Vec<Arc<str>> {
        let (state, now) = (self.state.lock(), self.clock.now());
        let is_over = |named: &Named| named.expires_at.is_some_and(|at| at <= now);
        let over = state.expiring.iter().filter(|(_, named)| is_over(named));
        over.map(|(id, _)| id.clone()).collect()
    }

    /// The store says that one of them has.
    pub(crate) fn expired(&self, id: Arc<str>) {
        let mut state = self.state.lock();
        if let Some(Named { key, topic, .. }) = state.expiring.remove(&id) {
            state.tell(&self.event(Some(id), key, topic, Happening::Expired));
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
            let mut state = self.state.lock();
            state.expiring.remove(id);
            state.tell(&event);
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
