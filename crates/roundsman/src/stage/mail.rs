//! What a stage does with each kind of mail.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use crate::{
    Mode, Parting, Reason, Side, Subscribe, SubscriptionId,
    stage::{
        behaviour::Behaviour,
        emitter::Emitter,
        inbound::Queued,
        port::{Cell, Joined, Mail, Wanted},
        run::{Machine, Phase, call},
    },
};

impl<B: Behaviour> Machine<B> {
    pub(crate) async fn receive(
        &mut self,
        mail: Mail<B::In, B::Out, B::Info>,
    ) -> Result<(), Reason> {
        match mail {
            Mail::Events { to, events } => self.queue_events(to, events),
            Mail::Ask { subscription, n } => self.outbound.ask(subscription, n),
            Mail::Parted { subscription, how } => {
                self.inbound.queue.push_back(Queued::Parted { subscription, how });
            }
            Mail::Join(joined) => {
                self.join(*joined).await?;
                self.count();
            }
            Mail::Leave { subscription, how } => {
                self.left(subscription, how).await?;
                self.count();
            }
            Mail::HandBack { subscription, events } => {
                self.outbound.hand_back(subscription, events);
            }
            Mail::Flushed { subscription } => self.outbound.flushed(subscription),
            Mail::Flush { subscription } => {
                self.inbound.queue.push_back(Queued::Flush { subscription });
            }
            Mail::Mode(mode) => return self.set_mode(mode).await,
            Mail::Stop(reason) => return Err(reason),
            Mail::Drain => self.drain(Reason::Normal),
            // One that is done asks for nothing and is told nothing more.
            _ if matches!(self.phase, Phase::Finishing(_)) => {}
            Mail::Subscribe(wanted) => {
                self.subscribe(*wanted).await?;
                self.count();
            }
            Mail::AskFor { subscription, n } => self.inbound.ask(subscription, n),
            Mail::Cancel { subscription, reason } => {
                self.inbound.leave(subscription, Parting::Cancelled(reason));
            }
            Mail::Tune { subscription, how } => self.inbound.tune(subscription, &how),
            Mail::Info(info) => return call!(self, info(info)),
            Mail::InfoInOrder(info) if self.inbound.queue.is_empty() => self.mark(info),
            Mail::InfoInOrder(info) => self.inbound.queue.push_back(Queued::Info(info)),
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn queue_events(&mut self, to: SubscriptionId, events: Vec<B::In>) {
        let Some(known) = self.inbound.subscriptions.get(&to) else {
            tracing::debug!(n = events.len(), "events came on a subscription that has ended");
            self.cell.shared.counters.lose(events.len());
            return;
        };
        let excess = known.ledger.as_ref().map_or(0, |ledger| ledger.excess(events.len()));
        if excess > 0 {
            tracing::warn!(excess, "a producer sent more than it was asked for");
        }
        self.inbound.queue.push_back(Queued::Events { from: to, events });
        if self.inbound.looks_ahead() {
            self.gather();
        }
    }

    /// Brings the events that wait in the mailbox behind these into the queue, to be merged or to
    /// take turns.
    pub(crate) fn gather(&mut self) {
        self.cell.mailbox.try_take(&mut self.mail);
        while let Some(Mail::Events { to, .. }) = self.mail.front() {
            let known = self.inbound.subscriptions.contains_key(to);
            match self.mail.pop_front() {
                Some(Mail::Events { to, events }) if known => {
                    self.inbound.queue.push_back(Queued::Events { from: to, events });
                }
                Some(Mail::Events { events, .. }) => self.cell.shared.counters.lose(events.len()),
                _ => {}
            }
        }
    }

    async fn subscribe(&mut self, wanted: Wanted<B::In>) -> Result<(), Reason> {
        let Wanted { subscription, producer, terms, replaces } = wanted;
        if !matches!(self.phase, Phase::Running) {
            return Ok(());
        }
        if let Some((old, reason)) = replaces {
            self.inbound.give_way(old, reason);
        }
        let me = Arc::clone(&self.cell) as _;
        if !self.inbound.join(subscription, me, producer, terms) {
            return if terms.on_cancel().ends_with(&Reason::NoProducer) {
                Err(Reason::NoProducer)
            } else {
                Ok(())
            };
        }
        if self.greet(Side::Producer, subscription, &terms).await? == Mode::Automatic {
            self.inbound.begin_to_ask(subscription, terms);
        }
        Ok(())
    }

    async fn join(&mut self, joined: Joined<B::Out>) -> Result<(), Reason> {
        let Joined { joining, subscriber, terms } = joined;
        let (consumer, theirs) = (Arc::clone(&subscriber.consumer), subscriber.theirs);
        match self.outbound.join(&joining, subscriber) {
            Err(reason) => {
                tracing::warn!(%reason, "a subscription was refused");
                consumer.parted(theirs, Parting::Cancelled(reason));
            }
            Ok(()) if matches!(self.phase, Phase::Finishing(_)) => {}
            Ok(()) => drop(self.greet(Side::Consumer, joining.subscription, &terms).await?),
        }
        Ok(())
    }

    /// Tells the handler of a new subscription.
    async fn greet(
        &mut self,
        side: Side,
        subscription: SubscriptionId,
        terms: &Subscribe,
    ) -> Result<Mode, Reason> {
        let Self { behaviour, outbound, wishes, .. } = self;
        let mut out = Emitter::new(outbound, wishes);
        let answer = behaviour.subscribed(side, subscription, terms, &mut out).await;
        let (mode, result) = match answer {
            Ok(mode) => (mode, Ok(())),
            Err(reason) => (Mode::Manual, Err(reason)),
        };
        self.after(result)?;
        Ok(mode)
    }

    /// A consumer has left.
    async fn left(&mut self, subscription: SubscriptionId, how: Parting) -> Result<(), Reason> {
        let Some(subscriber) = self.outbound.leave(subscription) else { return Ok(()) };
        if let Parting::Cancelled(_) = how {
            subscriber.consumer.parted(subscriber.theirs, how.clone());
        }
        if matches!(self.phase, Phase::Finishing(_)) {
            return Ok(());
        }
        call!(self, parted(Side::Consumer, subscription, how))
    }

    /// A producer has left, and all that came from it has been handled.
    pub(crate) async fn parted(
        &mut self,
        subscription: SubscriptionId,
        how: Parting,
    ) -> Result<(), Reason> {
        let Some(known) = self.inbound.subscriptions.remove(&subscription) else { return Ok(()) };
        let reason = how.reason().clone();
        call!(self, parted(Side::Producer, subscription, how))?;
        if !known.on_cancel.ends_with(&reason) {
            return Ok(());
        }
        if reason.is_orderly() || !matches!(self.phase, Phase::Running) {
            self.drain(reason);
            return Ok(());
        }
        Err(reason)
    }

    /// Stops asking; every producer confirms behind the last events it sent.
    fn drain(&mut self, reason: Reason) {
        if matches!(self.phase, Phase::Running) {
            self.phase = Phase::Draining { reason, told: false };
            self.inbound.leave_all(&Parting::Cancelled(Reason::Normal));
        }
    }

    /// Takes the next step towards the end, if the stage is on its way there.
    pub(crate) async fn wind_down(&mut self) -> Result<(), Reason> {
        let nothing_comes = self.inbound.subscriptions.is_empty() && self.inbound.queue.is_empty();
        if let Phase::Draining { told: told @ false, .. } = &mut self.phase
            && nothing_comes
        {
            *told = true;
            call!(self, draining())?;
        }
        match &self.phase {
            Phase::Finishing(reason) if self.outbound.held() == 0 && self.outbound.is_flushed() => {
                Err(reason.clone())
            }
            _ => Ok(()),
        }
    }

    /// The handler is done: only what is buffered is still of interest.
    pub(crate) fn finish(&mut self) {
        let reason = match self.replace_phase(Phase::Running) {
            Phase::Draining { reason, .. } | Phase::Finishing(reason) => reason,
            Phase::Running => Reason::Normal,
        };
        self.phase = Phase::Finishing(reason);
        let lost = self.inbound.leave_for_good();
        self.cell.shared.counters.lose(lost);
        self.marks.clear();
        self.passing.clear();
        self.gated.clear();
        self.outbound.fence = None;
        self.outbound.release();
    }

    /// Closes the mailbox and returns to its producers what is to come back. Returns the mail that
    /// nobody read.
    ///
    /// Closed first: what a producer sends from here on stays with it, behind what is handed back.
    fn hand_back(&mut self) -> VecDeque<Mail<B::In, B::Out, B::Info>> {
        let mut unread = mem::take(&mut self.mail);
        unread.append(&mut self.cell.mailbox.close());
        if self.inbound.is_at_work() {
            // Handed back below, with what waits behind it.
            self.cell.shared.counters.waiting.fetch_add(mem::take(&mut self.in_hand), Relaxed);
        }
        let back = self.inbound.hand_back(unread.iter_mut().filter_map(|mail| match mail {
            Mail::Events { to, events } => Some((*to, mem::take(events))),
            _ => None,
        }));
        let counters = &self.cell.shared.counters;
        counters.waiting.fetch_sub(back, Relaxed);
        counters.handed_back.fetch_add(back as u64, Relaxed);
        counters.unfinished.fetch_add(self.in_hand as u64, Relaxed);
        unread
    }

    /// Tells everyone who had to do with the stage that it has ended. Done once.
    pub(crate) fn end(&mut self, reason: &Reason) {
        self.count();
        let unread = self.hand_back();
        let how = Parting::Ended(reason.clone());
        self.inbound.leave_all(&how);
        self.inbound.subscriptions.clear();
        for subscriber in self.outbound.take_subscribers() {
            subscriber.consumer.parted(subscriber.theirs, how.clone());
        }
        for mail in unread {
            if let Mail::Join(joined) = mail {
                let Joined { subscriber, .. } = *joined;
                subscriber.consumer.parted(subscriber.theirs, how.clone());
            }
        }
        let Cell { shared, .. } = &*self.cell;
        if shared.ended.set(reason.clone()).is_ok() {
            shared.at_end.notify_waiters();
        }
    }
}

/// A task may be dropped at any await, with its runtime; its peers are told all the same.
impl<B: Behaviour> Drop for Machine<B> {
    fn drop(&mut self) {
        if self.cell.shared.ended.get().is_none() {
            self.end(&Reason::Killed);
        }
    }
}
