//! The life of a stage: one task, one mailbox, one thing at a time.

use std::{
    any::type_name, collections::VecDeque, mem, panic::AssertUnwindSafe, sync::Arc,
    sync::atomic::Ordering::Relaxed,
};

use futures_util::FutureExt;

use crate::{
    Emitter, Reason, StageRef, SubscriptionId,
    stage::{
        behaviour::Behaviour,
        emitter::Wishes,
        gate::Held,
        inbound::{Inbound, Portion, Queued},
        outbound::Outbound,
        port::{Cell, Mail},
    },
};

/// How far a stage is on its way to its end.
#[derive(Debug)]
pub(crate) enum Phase {
    Running,
    /// Asks nothing more; `told` once the handler knows that nothing more will come.
    Draining {
        reason: Reason,
        told: bool,
    },
    /// The handler is done; the stage stays only until its buffer has left.
    Finishing(Reason),
}

/// A stage from within: its handlers, and everything they need not know.
pub(crate) struct Machine<B: Behaviour> {
    pub(crate) behaviour: B,
    pub(crate) cell: Arc<Cell<B::In, B::Out, B::Info>>,
    pub(crate) inbound: Inbound<B::In, B::Info>,
    pub(crate) outbound: Outbound<B::Out>,
    pub(crate) wishes: Wishes,
    /// Infos in order, each with the place in the buffer it must not overtake.
    pub(crate) marks: VecDeque<(i64, B::Info)>,
    /// Those that left the buffer, each with how many events were dispatched before it.
    pub(crate) passing: VecDeque<(u64, B::Info)>,
    /// Infos in order that came while the gate was closed.
    pub(crate) gated: VecDeque<B::Info>,
    /// Mail taken out of the box and not yet handled.
    pub(crate) mail: VecDeque<Mail<B::In, B::Out, B::Info>>,
    pub(crate) phase: Phase,
    /// How many events the handler was given and has not returned for.
    pub(crate) in_hand: usize,
    /// How often the mailbox was emptied without a wait for more.
    pub(crate) drains: u32,
}

/// A stage whose mail never ends lets its neighbours run after so many drains of its mailbox.
const DRAINS: u32 = 64;

/// Calls a handler with an emitter, then does what follows from what it did.
macro_rules! call {
    ($machine:expr, $handler:ident ( $($argument:expr),* )) => {{
        let Machine { behaviour, outbound, wishes, .. } = &mut *$machine;
        let result = behaviour.$handler($($argument,)* &mut Emitter::new(outbound, wishes)).await;
        $machine.after(result)
    }};
}
pub(crate) use call;

impl<B: Behaviour> Machine<B> {
    pub(crate) fn new(
        behaviour: B,
        inbound: Inbound<B::In, B::Info>,
        outbound: Outbound<B::Out>,
    ) -> Self {
        Self {
            behaviour,
            cell: Cell::new(),
            inbound,
            outbound,
            wishes: Wishes::default(),
            marks: VecDeque::new(),
            passing: VecDeque::new(),
            gated: VecDeque::new(),
            mail: VecDeque::new(),
            phase: Phase::Running,
            in_hand: 0,
            drains: 0,
        }
    }

    /// Lives until the end, whatever the end is, and tells everyone.
    pub(crate) async fn run(mut self) {
        let reason = match AssertUnwindSafe(self.live()).catch_unwind().await {
            Ok(reason) => reason,
            Err(panic) => Reason::panicked(&*panic),
        };
        if !reason.is_orderly() {
            tracing::error!(stage = type_name::<B>(), %reason, "a stage ended");
        }
        // A handler that panicked may leave its state broken, and may panic again here.
        let farewell = AssertUnwindSafe(self.behaviour.terminate(&reason)).catch_unwind().await;
        if let Err(panic) = farewell {
            let reason = Reason::panicked(&*panic);
            tracing::error!(stage = type_name::<B>(), %reason, "a stage ended badly");
        }
        self.end(&reason);
    }

    async fn live(&mut self) -> Reason {
        let me = StageRef { told: Arc::clone(&self.cell) as _ };
        let started = self.behaviour.started(&me).await;
        let mut alive = self.after(started);
        while alive.is_ok() {
            alive = self.turn().await;
        }
        alive.err().unwrap_or(Reason::Normal)
    }

    /// Does what can be done without mail, then handles one piece of it.
    async fn turn(&mut self) -> Result<(), Reason> {
        self.advance().await?;
        if self.mail.is_empty() {
            self.count();
            self.breathe().await;
            if self.is_asked() && self.outbound.falls_short() {
                self.cell.mailbox.try_take(&mut self.mail);
            } else if self.cell.mailbox.take(&mut self.mail).await {
                self.drains = 0;
            }
        }
        match self.mail.pop_front() {
            // What nearly all mail is needs no handler to be awaited.
            Some(Mail::Events { to, events }) => self.queue_events(to, events),
            Some(Mail::Ask { subscription, n }) => self.outbound.ask(subscription, n),
            Some(mail) => return self.receive(mail).await,
            None => {}
        }
        Ok(())
    }

    /// Lets neighbours run now and then, however much mail there is.
    async fn breathe(&mut self) {
        self.drains = self.drains.wrapping_add(1);
        if self.drains.is_multiple_of(DRAINS) {
            tokio::task::yield_now().await;
        }
    }

    /// Works off what waits. Each step is looked for before it is awaited: most turns have one.
    pub(crate) async fn advance(&mut self) -> Result<(), Reason> {
        loop {
            if self.has_infos() && self.release_info().await? {
                continue;
            }
            if !self.has_work() {
                break;
            }
            self.work().await?;
        }
        if self.is_asked() {
            let n = self.outbound.shortfall();
            if n > 0 {
                call!(self, demand(n))?;
            }
        }
        match self.phase {
            Phase::Running => Ok(()),
            _ => self.wind_down().await,
        }
    }

    #[inline]
    fn is_asked(&self) -> bool {
        B::IS_ASKED && matches!(self.phase, Phase::Running) && !self.outbound.gate.is_closed()
    }

    #[inline]
    fn has_infos(&self) -> bool {
        !self.marks.is_empty() || !self.passing.is_empty()
    }

    /// Whether the handler has something to do; events only while somebody wants what they give.
    #[inline]
    fn has_work(&self) -> bool {
        match self.inbound.queue.front() {
            _ if matches!(self.phase, Phase::Finishing(_)) => false,
            None => false,
            Some(Queued::Events { .. }) => !B::EMITS || self.outbound.wanted() > 0,
            Some(_) => true,
        }
    }

    /// Handles the oldest info whose turn has come; false if there is none.
    ///
    /// Two things may be before it: events in the buffer, and then events that the dispatcher
    /// holds. While it waits for the latter, those behind it may leave the buffer.
    async fn release_info(&mut self) -> Result<bool, Reason> {
        while let Some((place, _)) = self.marks.front()
            && *place <= self.outbound.buffer().left()
            && let Some((_, info)) = self.marks.pop_front()
        {
            self.passing.push_back((self.outbound.dispatched(), info));
        }
        let next = self.passing.front().map(|(before, _)| *before);
        if next.is_some_and(|before| self.outbound.has_passed(before))
            && let Some((_, info)) = self.passing.pop_front()
        {
            call!(self, info(info))?;
            if self.passing.is_empty() {
                self.lower_fence();
            }
            return Ok(true);
        }
        self.lower_fence();
        Ok(false)
    }

    /// Lets events leave the buffer up to the next info that waits in it.
    fn lower_fence(&mut self) {
        let place = self.marks.front().map(|(place, _)| *place);
        if place != self.outbound.fence {
            self.outbound.fence = place;
            self.outbound.release();
        }
    }

    /// Handles what is next in the input queue.
    async fn work(&mut self) -> Result<(), Reason> {
        if self.inbound.takes_turns() {
            self.gather();
            self.breathe().await;
        }
        match self.inbound.next() {
            Some(Queued::Events { from, events }) => self.take_message(from, events).await,
            Some(Queued::Parted { subscription, how }) => self.parted(subscription, how).await,
            Some(Queued::Flush { subscription }) => {
                self.inbound.flushed(subscription);
                Ok(())
            }
            Some(Queued::Info(info)) => {
                self.mark(info);
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn take_message(
        &mut self,
        from: SubscriptionId,
        mut events: Vec<B::In>,
    ) -> Result<(), Reason> {
        if self.inbound.merges() {
            let portion = self.inbound.merged(from, events);
            self.inbound.begin(from, &portion.events);
            return self.take_portion(portion).await;
        }
        self.inbound.begin(from, &events);
        while !events.is_empty() && !matches!(self.phase, Phase::Finishing(_)) {
            let portion = self.inbound.slice(from, &mut events);
            self.take_portion(portion).await?;
        }
        if !self.inbound.is_at_work() {
            self.cell.shared.counters.lose(events.len());
        }
        Ok(())
    }

    async fn take_portion(&mut self, portion: Portion<B::In>) -> Result<(), Reason> {
        let Portion { events, from, ask } = portion;
        let counters = &self.cell.shared.counters;
        counters.waiting.fetch_sub(events.len(), Relaxed);
        // Only this task writes it, so it need not be one atomic step.
        let taken = counters.taken.load(Relaxed) + events.len() as u64;
        counters.taken.store(taken, Relaxed);
        let n = events.len();
        self.in_hand = n;
        call!(self, events(events, from))?;
        self.in_hand = 0;
        self.inbound.done(n);
        if matches!(self.phase, Phase::Running) {
            self.inbound.ask(from, ask);
        }
        Ok(())
    }

    /// Puts an info behind everything emitted so far.
    pub(crate) fn mark(&mut self, info: B::Info) {
        if self.outbound.gate.hold(Held::Info).is_none() {
            self.gated.push_back(info);
            return;
        }
        let place = self.outbound.buffer().pushed();
        self.outbound.fence.get_or_insert(place);
        self.marks.push_back((place, info));
    }

    /// Does what a handler's return calls for, and keeps or ends the stage as it says.
    #[inline]
    pub(crate) fn after(&mut self, result: Result<(), Reason>) -> Result<(), Reason> {
        if B::EMITS {
            self.outbound.flush();
            self.report_discarded();
        }
        if !self.wishes.is_empty() {
            self.grant_wishes();
        }
        match result {
            Err(Reason::Normal) => {
                self.finish();
                Ok(())
            }
            other => other,
        }
    }

    fn grant_wishes(&mut self) {
        for (subscription, n) in self.wishes.asks.drain(..) {
            if matches!(self.phase, Phase::Running) {
                self.inbound.ask(subscription, n);
            }
        }
        for (subscription, reason) in self.wishes.cancels.drain(..) {
            self.inbound.leave(subscription, crate::Parting::Cancelled(reason));
        }
    }

    #[inline]
    fn report_discarded(&mut self) {
        let n = self.outbound.take_discarded();
        if n > 0 {
            self.cell.shared.counters.discarded.fetch_add(n as u64, Relaxed);
            if self.behaviour.discarded(n) {
                tracing::warn!(stage = type_name::<B>(), n, "a full buffer gave up events");
            }
        }
    }

    #[inline]
    pub(crate) fn count(&self) {
        let counters = &self.cell.shared.counters;
        if B::EMITS {
            counters.demand.store(self.outbound.wanted(), Relaxed);
            counters.buffered.store(self.outbound.held(), Relaxed);
            counters.emitted.store(self.outbound.emitted(), Relaxed);
            counters.consumers.store(self.outbound.consumers(), Relaxed);
            counters.accumulating.store(self.outbound.gate.is_closed(), Relaxed);
        }
        counters.producers.store(self.inbound.subscriptions.len(), Relaxed);
    }

    pub(crate) fn replace_phase(&mut self, phase: Phase) -> Phase {
        mem::replace(&mut self.phase, phase)
    }
}
