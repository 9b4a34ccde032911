//! What waits to be written to one socket: put in by the hub, taken out whole by the session.
//!
//! What the engine has not been answered for is bounded by the engine's own demand and never
//! cut off here, however large. What it *has* been answered for, because another client of the
//! topic was quicker, is kept only for this socket; beyond [`Limits::outbox`](super::Limits) of
//! that the client reads too slowly and is disconnected. Chunks are shared, so even that bound
//! is reached by many slow clients together, not by each.

use super::chunk::Share;
use super::close::Close;
use super::handler::Pushed;
use super::join::Address;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Waker};

/// One thing that waits for a session.
#[derive(Debug)]
pub(super) enum Item {
    /// Whole WebSocket frames.
    Frames(Bytes),
    /// The session's share of a chunk.
    Share(Share),
    /// What became of a push that took time.
    Answer(Answer),
}

/// What became of a push that took time.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) address: Address,
    /// `None`: it panicked.
    pub(super) pushed: Option<Pushed>,
}

/// The bounded queue of one session.
#[derive(Debug)]
pub(super) struct Outbox {
    bound: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Item>,
    weight: usize,
    /// Why the session is to end.
    order: Option<Close>,
    /// Nothing is taken in any more.
    closed: bool,
    /// The client takes its time: the engine does not wait for it.
    slow: bool,
    waker: Option<Waker>,
}

impl Outbox {
    pub(super) fn new(bound: usize) -> Arc<Self> {
        Arc::new(Self { bound, state: Mutex::default() })
    }

    /// Puts `item` at the end. A closed outbox gives it back; one that is full closes and gives
    /// back all it held. Dropping shares may answer the engine, so a caller first lets go of its
    /// locks.
    #[must_use]
    pub(super) fn put(&self, mut item: Item) -> VecDeque<Item> {
        let mut state = self.state.lock();
        if state.closed {
            return VecDeque::from([item]);
        }
        // A session takes all there is: if something waits already, it knows.
        let first = state.queue.is_empty();
        if state.slow {
            item.let_go();
        }
        state.weight += item.weight();
        state.queue.push_back(item);
        let refused = if state.weight > self.bound && state.kept() > self.bound {
            state.closed = true;
            state.order = Some(Close::Overloaded);
            std::mem::take(&mut state.queue)
        } else {
            VecDeque::new()
        };
        if first || state.closed {
            wake(state);
        }
        refused
    }

    /// Tells the session to end. The first reason stays.
    pub(super) fn order(&self, close: Close) {
        let mut state = self.state.lock();
        state.order.get_or_insert(close);
        wake(state);
    }

    /// The order to end, if there is one; else the waker is kept for it and for items.
    pub(super) fn poll_order(&self, context: &Context<'_>) -> Option<Close> {
        let mut state = self.state.lock();
        match &state.waker {
            Some(waker) if waker.will_wake(context.waker()) => {}
            _ => state.waker = Some(context.waker().clone()),
        }
        state.order
    }

    /// The engine is not to wait for this client until it has taken what it is being sent.
    pub(super) fn let_go(&self) {
        let mut state = self.state.lock();
        state.slow = true;
        state.queue.iter_mut().for_each(Item::let_go);
    }

    /// Takes everything that waits.
    pub(super) fn take(&self) -> VecDeque<Item> {
        let mut state = self.state.lock();
        (state.weight, state.slow) = (0, false);
        std::mem::take(&mut state.queue)
    }

    /// Takes nothing in any more and drops what waits.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        drop(queue);
    }
}

impl State {
    /// The weight of what is kept for this socket only.
    fn kept(&self) -> usize {
        let kept = |item: &&Item| !matches!(item, Item::Share(share) if !share.is_reported());
        self.queue.iter().filter(kept).map(Item::weight).sum()
    }
}

impl Item {
    fn let_go(&mut self) {
        if let Self::Share(share) = self {
            share.let_go();
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Frames(bytes) => bytes.len(),
            Self::Share(share) => share.weight(),
            Self::Answer(_) => 0,
        }
    }
}

/// Wakes outside the lock: the session's first act is to take it. The waker stays where it is,
/// it is the same for the session's whole life.
fn wake(state: parking_lot::MutexGuard<'_, State>) {
    let waker = state.waker.clone();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}
