//! A producer that does what the test says.

use std::fmt;

use tokio::sync::mpsc;

use super::{Saw, Seen, Step};
use crate::{Emitter, Parting, Producer, Reason, Subscribe, SubscriptionId};

/// A [`Producer`] that reports what it is asked for and emits what it is sent as [`Step::Emit`].
#[derive(Debug)]
pub struct Script<E> {
    report: mpsc::UnboundedSender<Seen<E>>,
}

impl<E: fmt::Debug> Script<E> {
    /// A producer to be planned and spawned, and what it will have seen.
    #[must_use]
    pub fn new() -> (Self, Saw<E>) {
        let (report, saw) = Saw::pair();
        (Self { report }, saw)
    }

    /// A test that has stopped reading does not care.
    fn tell(&self, seen: Seen<E>) {
        drop(self.report.send(seen));
    }
}

impl<E: fmt::Debug + Send + 'static> Producer for Script<E> {
    type Event = E;
    type Info = Step<E>;

    async fn handle_demand(&mut self, n: usize, _: &mut Emitter<'_, E>) -> Result<(), Reason> {
        self.tell(Seen::Demand(n));
        Ok(())
    }

    #[expect(clippy::panic, reason = "the test asked for it")]
    async fn handle_info(&mut self, step: Step<E>, out: &mut Emitter<'_, E>) -> Result<(), Reason> {
        match step {
            Step::Emit(events) => out.emit_batch(events),
            Step::Ask(subscription, n) => out.ask(subscription, n),
            Step::Return(reason) => return Err(reason),
            Step::Panic(text) => panic!("{text}"),
            Step::Sync(done) => drop(done.send(())),
            Step::Note(number) => self.tell(Seen::Note(number)),
        }
        Ok(())
    }

    async fn handle_subscribe(
        &mut self,
        subscription: SubscriptionId,
        _: &Subscribe,
        _: &mut Emitter<'_, E>,
    ) -> Result<(), Reason> {
        self.tell(Seen::Subscribed(subscription));
        Ok(())
    }

    async fn handle_cancel(
        &mut self,
        subscription: SubscriptionId,
        how: Parting,
        _: &mut Emitter<'_, E>,
    ) -> Result<(), Reason> {
        self.tell(Seen::Parted(subscription, how));
        Ok(())
    }

    fn handle_discarded(&mut self, n: usize) -> bool {
        self.tell(Seen::Discarded(n));
        true
    }

    async fn terminate(&mut self, reason: &Reason) {
        self.tell(Seen::Terminated(reason.clone()));
    }
}
