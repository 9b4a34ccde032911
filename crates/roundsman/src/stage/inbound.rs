//! The half of a stage that faces its producers: subscriptions, ledgers, and the input queue.

use std::{collections::VecDeque, mem, sync::Arc};

use rustc_hash::FxHashMap;

use crate::{
    Cancel, Outlet, Parting, Reason, Subscribe, SubscriptionId,
    demand::{Ledger, Turn, Turns},
    stage::{
        outbound::{Subscriber, Unfinished},
        port::{Downstream, Tuning},
    },
};

/// A subscription as its consumer knows it.
pub(crate) struct Subscription<In> {
    pub(crate) producer: Outlet<In>,
    /// The producer's own id for it.
    pub(crate) theirs: SubscriptionId,
    /// None in manual mode.
    pub(crate) ledger: Option<Ledger>,
    pub(crate) on_cancel: Cancel,
    /// What would have been asked for, while the subscription is paused.
    pub(crate) withheld: Option<usize>,
    turn: Turn,
}

/// What waits for the handler, in the order it came.
pub(crate) enum Queued<In, Info> {
    Events { from: SubscriptionId, events: Vec<In> },
    Parted { subscription: SubscriptionId, how: Parting },
    Flush { subscription: SubscriptionId },
    Info(Info),
}

pub(crate) struct Inbound<In, Info> {
    pub(crate) subscriptions: FxHashMap<SubscriptionId, Subscription<In>>,
    pub(crate) queue: VecDeque<Queued<In, Info>>,
    /// Batches that wait are joined into one call up to this many events; 0 for never.
    merge: usize,
    /// Whether anything was ever to come back.
    copies: bool,
    /// What the handler is at, copied, where it is to come back if the handler fails.
    at_work: Option<AtWork<In>>,
    /// Whose turn it is, once a subscription has a weight.
    turns: Option<Turns>,
}

/// A message that the handler is at, copied, and how much of it is done.
struct AtWork<In> {
    from: SubscriptionId,
    events: Vec<In>,
    done: usize,
}

/// What the handler gets in one call, and what is asked for after it.
pub(crate) struct Portion<In> {
    pub(crate) events: Vec<In>,
    pub(crate) from: SubscriptionId,
    pub(crate) ask: usize,
}

impl<In, Info> Inbound<In, Info> {
    pub(crate) fn new(merge: usize) -> Self {
        Self {
            subscriptions: FxHashMap::default(),
            queue: VecDeque::new(),
            merge,
            copies: false,
            at_work: None,
            turns: None,
        }
    }

    /// Makes a subscription, in manual mode; false if the producer has ended.
    pub(crate) fn join(
        &mut self,
        subscription: SubscriptionId,
        me: Arc<dyn Downstream<In>>,
        producer: Outlet<In>,
        terms: Subscribe,
    ) -> bool {
        let unfinished = producer.copy.map(|_| Unfinished::default());
        let me = Subscriber { consumer: me, theirs: subscription, unfinished };
        let Some(theirs) = producer.port.join(me, terms, producer.place.clone()) else {
            return false;
        };
        self.copies |= producer.copy.is_some();
        let on_cancel = terms.on_cancel();
        let known = Subscription {
            producer,
            theirs,
            ledger: None,
            on_cancel,
            withheld: None,
            turn: Turn::new(terms.share()),
        };
        if terms.share().is_some() {
            self.turns.get_or_insert_default();
        }
        self.subscriptions.insert(subscription, known);
        true
    }

    /// Makes a subscription automatic.
    pub(crate) fn begin_to_ask(&mut self, subscription: SubscriptionId, terms: Subscribe) {
        if let Some(known) = self.subscriptions.get_mut(&subscription) {
            let ledger = Ledger::new(terms.max(), terms.min());
            let first = ledger.first_ask();
            known.ledger = Some(ledger);
            self.ask(subscription, first);
        }
    }

    #[inline]
    pub(crate) fn merges(&self) -> bool {
        self.merge > 0
    }

    /// Whether its producers have weights.
    #[inline]
    pub(crate) fn takes_turns(&self) -> bool {
        self.turns.is_some()
    }

    /// Whether it matters what waits behind the front of the queue.
    #[inline]
    pub(crate) fn looks_ahead(&self) -> bool {
        self.merges() || self.turns.is_some()
    }

    /// The next thing to handle: the oldest, or of the events at the front those whose turn it is.
    ///
    /// Only what stands before the first thing that is no batch may change places: an info, or a
    /// producer's end, stays behind what came before it.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Queued<In, Info>> {
        let Some(turns) = &mut self.turns else { return self.queue.pop_front() };
        let known = &self.subscriptions;
        let batches = self.queue.iter().map_while(|queued| match queued {
            Queued::Events { from, events } => Some((*from, events.len())),
            _ => None,
        });
        let mut first: Option<(usize, u64, SubscriptionId, usize)> = None;
        for (place, (from, events)) in batches.enumerate() {
            let start = known.get(&from).map_or(0, |known| known.turn.start(*turns));
            if first.is_none_or(|(_, earliest, ..)| start < earliest) {
                first = Some((place, start, from, events));
            }
        }
        let Some((place, start, from, events)) = first else { return self.queue.pop_front() };
        turns.now = turns.now.max(start);
        if let Some(known) = self.subscriptions.get_mut(&from) {
            known.turn.pay(start, events);
        }
        self.queue.remove(place)
    }

    /// Joins to `events` what waits behind it on the same subscription, as far as that is meant.
    ///
    /// The ledger is asked message by message, as if nothing had been joined.
    pub(crate) fn merged(&mut self, from: SubscriptionId, mut events: Vec<In>) -> Portion<In> {
        let mut ask = self.tally(from, events.len());
        while let Some(Queued::Events { from: next, events: more }) = self.queue.front()
            && *next == from
            && events.len() + more.len() <= self.merge
        {
            let Some(Queued::Events { events: mut more, .. }) = self.queue.pop_front() else {
                break;
            };
            ask += self.tally(from, more.len());
            events.append(&mut more);
        }
        Portion { events, from, ask }
    }

    /// Cuts the next slice off a message; the rest stays in `message`.
    #[inline]
    pub(crate) fn slice(&mut self, from: SubscriptionId, message: &mut Vec<In>) -> Portion<In> {
        let left = message.len();
        let slice = self.ledger(from).and_then(|ledger| ledger.next_slice(left));
        let (events, ask) = slice.map_or((left, 0), |slice| (slice.events, slice.ask));
        let rest = if events == left { Vec::new() } else { message.split_off(events) };
        Portion { events: mem::replace(message, rest), from, ask }
    }

    #[inline]
    pub(crate) fn ask(&mut self, subscription: SubscriptionId, n: usize) {
        if n > 0
            && let Some(known) = self.subscriptions.get_mut(&subscription)
        {
            match &mut known.withheld {
                Some(withheld) => *withheld += n,
                None => known.producer.port.ask(known.theirs, n),
            }
        }
    }

    pub(crate) fn tune(&mut self, subscription: SubscriptionId, how: &Tuning) {
        let Some(known) = self.subscriptions.get_mut(&subscription) else { return };
        let ask = match how {
            Tuning::Pause => {
                known.withheld.get_or_insert_default();
                0
            }
            Tuning::Resume => known.withheld.take().unwrap_or(0),
            Tuning::Demand { max, min } => {
                known.ledger.as_mut().map_or(0, |ledger| ledger.resize(*max, *min))
            }
        };
        self.ask(subscription, ask);
    }

    pub(crate) fn leave(&self, subscription: SubscriptionId, how: Parting) {
        if let Some(known) = self.subscriptions.get(&subscription) {
            known.producer.port.leave(known.theirs, how);
        }
    }

    /// Leaves a subscription that another takes the place of: its end ends nobody.
    pub(crate) fn give_way(&mut self, old: SubscriptionId, reason: Reason) {
        if let Some(known) = self.subscriptions.get_mut(&old) {
            known.on_cancel = Cancel::Temporary;
        }
        self.leave(old, Parting::Cancelled(reason));
    }

    /// Remembers the message that the handler is given, where it is to come back.
    #[inline]
    pub(crate) fn begin(&mut self, from: SubscriptionId, events: &[In]) {
        if !self.copies {
            return;
        }
        let copy = self.subscriptions.get(&from).and_then(|known| known.producer.copy);
        self.at_work = copy.map(|copy| AtWork { from, events: copy(events), done: 0 });
    }

    /// The handler has done so much more of it.
    #[inline]
    pub(crate) fn done(&mut self, events: usize) {
        if let Some(at_work) = &mut self.at_work {
            at_work.done += events;
            if at_work.done >= at_work.events.len() {
                self.at_work = None;
            }
        }
    }

    pub(crate) fn flushed(&self, subscription: SubscriptionId) {
        if let Some(known) = self.subscriptions.get(&subscription) {
            known.producer.port.flushed(known.theirs);
        }
    }

    /// Whether the handler is at something that is to come back.
    pub(crate) fn is_at_work(&self) -> bool {
        self.at_work.is_some()
    }

    /// Returns what was not handled to where it came from, as far as that was asked for, and says
    /// how many events went.
    ///
    /// `unread` are the events that were in the mailbox, behind those in the queue.
    pub(crate) fn hand_back(
        &mut self,
        unread: impl Iterator<Item = (SubscriptionId, Vec<In>)>,
    ) -> usize {
        let at_work = self.at_work.take().map(|AtWork { from, mut events, done }| {
            events.drain(..done);
            (from, events)
        });
        let queued = mem::take(&mut self.queue).into_iter().filter_map(|queued| match queued {
            Queued::Events { from, events } => Some((from, events)),
            _ => None,
        });
        let mut back = 0;
        for (from, events) in at_work.into_iter().chain(queued).chain(unread) {
            if let Some(known) = self.subscriptions.get(&from)
                && known.producer.copy.is_some()
            {
                back += events.len();
                known.producer.port.hand_back(known.theirs, events);
            }
        }
        back
    }

    /// Leaves everything but what is to be handed back to, which is left at the very end; how many
    /// queued events are lost by it.
    pub(crate) fn leave_for_good(&mut self) -> usize {
        let mut lost = 0;
        self.subscriptions.retain(|_, known| {
            let keeps = known.producer.copy.is_some();
            if !keeps {
                known.producer.port.leave(known.theirs, Parting::Cancelled(Reason::Normal));
            }
            keeps
        });
        let known = &self.subscriptions;
        self.queue.retain(|queued| match queued {
            Queued::Events { from, events } => {
                let keeps = known.contains_key(from);
                lost += if keeps { 0 } else { events.len() };
                keeps
            }
            _ => false,
        });
        lost
    }

    pub(crate) fn leave_all(&self, how: &Parting) {
        for known in self.subscriptions.values() {
            known.producer.port.leave(known.theirs, how.clone());
        }
    }

    fn tally(&mut self, from: SubscriptionId, events: usize) -> usize {
        self.ledger(from).map_or(0, |ledger| ledger.slices(events).map(|slice| slice.ask).sum())
    }

    #[inline]
    fn ledger(&mut self, from: SubscriptionId) -> Option<&mut Ledger> {
        self.subscriptions.get_mut(&from)?.ledger.as_mut()
    }
}
