//! The half of a stage that faces its consumers: dispatcher, buffer, and who is subscribed.

use std::{mem, sync::Arc};

use rustc_hash::FxHashMap;

use crate::{
    Reason, SubscriptionId,
    buffer::Buffer,
    demand::Debt,
    dispatch::{Dispatcher, Joining},
    stage::{
        gate::{DemandMode, Gate, Held},
        port::Downstream,
    },
};

/// A consumer as its producer knows it.
pub(crate) struct Subscriber<E> {
    pub(crate) consumer: Arc<dyn Downstream<E>>,
    /// The consumer's own id for the subscription.
    pub(crate) theirs: SubscriptionId,
    /// Where what it does not finish comes back.
    pub(crate) unfinished: Option<Unfinished<E>>,
}

/// What comes back from a consumer that has ended, until its leave has come.
pub(crate) struct Unfinished<E> {
    handed_back: Vec<E>,
    /// Sent to it after it had ended; newer than what it handed back.
    refused: Vec<E>,
    flushing: Flushing,
}

/// Whether a consumer has handled what it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flushing {
    Done,
    Asked,
    Sent,
}

impl<E> Default for Unfinished<E> {
    fn default() -> Self {
        Self { handed_back: Vec::new(), refused: Vec::new(), flushing: Flushing::Done }
    }
}

/// Order is kept by one rule: while anything is buffered, everything new goes behind it.
pub(crate) struct Outbound<E> {
    dispatcher: Box<dyn Dispatcher<E>>,
    buffer: Buffer<E>,
    subscribers: FxHashMap<SubscriptionId, Subscriber<E>>,
    debt: Debt,
    /// Whether the handler looks at what each partition wants.
    chooses: bool,
    /// Emitted by the handler that is running, not yet dispatched.
    pub(crate) fresh: Vec<E>,
    /// Events behind this place in the buffer stay until the infos before them were handled.
    pub(crate) fence: Option<i64>,
    /// Given up by the buffer since somebody last asked.
    discarded: usize,
    emitted: u64,
    /// How many events the dispatcher was ever given.
    dispatched: u64,
    pub(crate) gate: Gate<E>,
}

impl<E: Send> Outbound<E> {
    pub(crate) fn new(
        dispatcher: Box<dyn Dispatcher<E>>,
        buffer: Buffer<E>,
        mode: DemandMode,
    ) -> Self {
        Self {
            dispatcher,
            buffer,
            subscribers: FxHashMap::default(),
            debt: Debt::default(),
            chooses: false,
            fresh: Vec::new(),
            fence: None,
            discarded: 0,
            emitted: 0,
            dispatched: 0,
            gate: Gate::new(mode),
        }
    }

    pub(crate) fn join(&mut self, joining: &Joining<E>, who: Subscriber<E>) -> Result<(), Reason> {
        self.dispatcher.subscribe(joining)?;
        self.subscribers.insert(joining.subscription, who);
        Ok(())
    }

    pub(crate) fn leave(&mut self, subscription: SubscriptionId) -> Option<Subscriber<E>> {
        let mut left = self.subscribers.remove(&subscription)?;
        if let Some(Unfinished { handed_back: mut events, mut refused, .. }) =
            left.unfinished.take()
        {
            events.append(&mut refused);
            self.take_back(subscription, events);
        }
        self.dispatcher.cancel(subscription);
        self.release();
        if self.chooses {
            self.debt.forgive(self.dispatcher.wanted(), self.buffer.len());
        }
        Some(left)
    }

    /// Takes what a consumer had not finished. Its leave comes next, unless it came before.
    pub(crate) fn hand_back(&mut self, subscription: SubscriptionId, mut events: Vec<E>) {
        let known = self.subscribers.get_mut(&subscription);
        if let Some(unfinished) = known.and_then(|known| known.unfinished.as_mut()) {
            unfinished.handed_back.append(&mut events);
            return;
        }
        self.take_back(subscription, events);
        self.release();
    }

    fn take_back(&mut self, subscription: SubscriptionId, events: Vec<E>) {
        if !events.is_empty() {
            self.buffer.put_back(self.dispatcher.take_back(subscription, events));
        }
    }

    pub(crate) fn flushed(&mut self, subscription: SubscriptionId) {
        if let Some(known) = self.subscribers.get_mut(&subscription)
            && let Some(unfinished) = &mut known.unfinished
            && unfinished.flushing == Flushing::Asked
        {
            unfinished.flushing = Flushing::Done;
        }
    }

    /// Whether those whose events would come back have handled all of them. Asks them, if not.
    pub(crate) fn is_flushed(&mut self) -> bool {
        let mut all = true;
        for known in self.subscribers.values_mut() {
            let Some(unfinished) = &mut known.unfinished else { continue };
            if unfinished.flushing == Flushing::Sent {
                unfinished.flushing = Flushing::Asked;
                known.consumer.flush(known.theirs);
            }
            all &= unfinished.flushing == Flushing::Done;
        }
        all
    }

    #[inline]
    pub(crate) fn ask(&mut self, subscription: SubscriptionId, n: usize) {
        if self.gate.hold(Held::Ask(subscription, n)).is_some()
            && self.subscribers.contains_key(&subscription)
        {
            let subscribers = &mut self.subscribers;
            self.dispatcher.ask(subscription, n, &mut |to, events| send(subscribers, to, events));
            self.release();
        }
    }

    /// Dispatches what the handler emitted; what nobody wants yet goes to the buffer.
    #[inline]
    pub(crate) fn flush(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        let events = mem::take(&mut self.fresh);
        self.emitted += events.len() as u64;
        if let Some(Held::Events(events)) = self.gate.hold(Held::Events(events)) {
            self.place(events);
        }
    }

    /// Dispatches events that were held back by the gate.
    pub(crate) fn replay(&mut self, events: Vec<E>) {
        self.place(events);
    }

    #[inline]
    fn place(&mut self, mut events: Vec<E>) {
        self.debt.pay(events.len());
        if self.buffer.is_empty() {
            let wanted = self.dispatcher.wanted();
            if wanted >= events.len() {
                self.dispatch(events);
                return;
            }
            if wanted > 0 {
                let rest = events.split_off(wanted);
                self.dispatch(mem::replace(&mut events, rest));
            }
        }
        self.discarded += self.buffer.extend(events);
        self.release();
    }

    /// Lets buffered events go as far as they are wanted and the fence allows.
    #[inline]
    pub(crate) fn release(&mut self) {
        while !self.buffer.is_empty() {
            let open = self.fence.map_or(usize::MAX, |fence| {
                usize::try_from(fence - self.buffer.left()).unwrap_or(0)
            });
            let n = self.dispatcher.wanted().min(open);
            if n == 0 {
                return;
            }
            let events = self.buffer.take(n);
            self.dispatch(events);
        }
    }

    /// How much more the handler is to be asked for; it owes it from now on.
    #[inline]
    pub(crate) fn shortfall(&mut self) -> usize {
        self.debt.incur(self.dispatcher.wanted(), self.buffer.len())
    }

    /// Whether there is a shortfall.
    #[inline]
    pub(crate) fn falls_short(&self) -> bool {
        self.debt.due(self.dispatcher.wanted(), self.buffer.len()) > 0
    }

    #[inline]
    pub(crate) fn wanted(&self) -> usize {
        self.dispatcher.wanted()
    }

    /// How much a partition wants beyond all that was emitted.
    ///
    /// A handler that asks this goes by what is wanted now and not by what it was asked for once:
    /// it has forgotten what it owes to one that left, so it is asked again.
    pub(crate) fn wanted_of(&mut self, partition: usize) -> usize {
        self.chooses = true;
        self.flush();
        let mut before = self.gate.held_events().chain(self.buffer.iter());
        self.dispatcher.wanted_of(partition, &mut before)
    }

    #[inline]
    pub(crate) fn held(&self) -> usize {
        self.buffer.len() + self.dispatcher.held(u64::MAX) + self.gate.events()
    }

    /// How many events were ever dispatched; those before this number are those that were.
    pub(crate) fn dispatched(&self) -> u64 {
        self.dispatched
    }

    /// Whether the dispatcher has let go of the first `before` events it was given.
    pub(crate) fn has_passed(&self, before: u64) -> bool {
        self.dispatcher.held(before) == 0
    }

    pub(crate) fn emitted(&self) -> u64 {
        self.emitted
    }

    pub(crate) fn buffer(&self) -> &Buffer<E> {
        &self.buffer
    }

    pub(crate) fn consumers(&self) -> usize {
        self.subscribers.len()
    }

    #[inline]
    pub(crate) fn take_discarded(&mut self) -> usize {
        mem::take(&mut self.discarded)
    }

    pub(crate) fn take_subscribers(&mut self) -> impl Iterator<Item = Subscriber<E>> + use<E> {
        mem::take(&mut self.subscribers).into_values()
    }

    #[inline]
    fn dispatch(&mut self, events: Vec<E>) {
        self.dispatched += events.len() as u64;
        let subscribers = &mut self.subscribers;
        self.dispatcher.dispatch(events, &mut |to, events| send(subscribers, to, events));
    }
}

/// A consumer that ended takes what is sent to it along, unless that comes back; its leave is on
/// its way.
#[inline]
fn send<E>(
    subscribers: &mut FxHashMap<SubscriptionId, Subscriber<E>>,
    to: SubscriptionId,
    events: Vec<E>,
) {
    let Some(subscriber) = subscribers.get_mut(&to) else { return };
    let Some(unfinished) = &mut subscriber.unfinished else {
        subscriber.consumer.events(subscriber.theirs, events);
        return;
    };
    unfinished.flushing = Flushing::Sent;
    if let Err(mut refused) = subscriber.consumer.try_events(subscriber.theirs, events) {
        unfinished.refused.append(&mut refused);
    }
}
