//! A consumer that tells the test all it sees.

use std::fmt;

use tokio::sync::mpsc;

use super::{Saw, Seen, Step};
use crate::{Asker, Consumer, Mode, Parting, Reason, Subscribe, SubscriptionId};

/// A [`Consumer`] that reports every batch as it came.
#[derive(Debug)]
pub struct Probe<E> {
    mode: Mode,
    report: mpsc::UnboundedSender<Seen<E>>,
}

impl<E: fmt::Debug> Probe<E> {
    /// A consumer to be planned and spawned, and what it will have seen.
    ///
    /// A manual one gets nothing until the test says [`Step::Ask`].
    #[must_use]
    pub fn new(mode: Mode) -> (Self, Saw<E>) {
        let (report, saw) = Saw::pair();
        (Self { mode, report }, saw)
    }

    /// A test that has stopped reading does not care.
    fn tell(&self, seen: Seen<E>) {
        drop(self.report.send(seen));
    }
}

impl<E: fmt::Debug + Send + 'static> Consumer for Probe<E> {
    type Event = E;
    type Info = Step<E>;

    async fn handle_events(
        &mut self,
        events: Vec<E>,
        from: SubscriptionId,
        _: &mut Asker<'_>,
    ) -> Result<(), Reason> {
        self.tell(Seen::Batch(from, events));
        Ok(())
    }

    #[expect(clippy::panic, reason = "the test asked for it")]
    async fn handle_info(&mut self, step: Step<E>, out: &mut Asker<'_>) -> Result<(), Reason> {
        match step {
            Step::Emit(_) => return Err(Reason::failed("a probe has nowhere to emit to")),
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
        _: &mut Asker<'_>,
    ) -> Result<Mode, Reason> {
        self.tell(Seen::Subscribed(subscription));
        Ok(self.mode)
    }

    async fn handle_cancel(
        &mut self,
        subscription: SubscriptionId,
        how: Parting,
        _: &mut Asker<'_>,
    ) -> Result<(), Reason> {
        self.tell(Seen::Parted(subscription, how));
        Ok(())
    }

    async fn terminate(&mut self, reason: &Reason) {
        self.tell(Seen::Terminated(reason.clone()));
    }
}
