//! What stages see of each other, whatever their other types: the three faces of a mailbox.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio::{sync::Notify, task::AbortHandle};

use crate::{
    Counts, Parting, Reason, Subscribe, SubscriptionId,
    counts::Counters,
    dispatch::{Joining, Place, StageId},
    mailbox::Mailbox,
    stage::{DemandMode, Outlet, outbound::Subscriber},
};

/// Everything that reaches a stage, in one order.
pub(crate) enum Mail<In, Out, Info> {
    Events {
        to: SubscriptionId,
        events: Vec<In>,
    },
    Parted {
        subscription: SubscriptionId,
        how: Parting,
    },
    /// A producer asks to be told when everything before this has been handled.
    Flush {
        subscription: SubscriptionId,
    },
    Subscribe(Box<Wanted<In>>),
    AskFor {
        subscription: SubscriptionId,
        n: usize,
    },
    Cancel {
        subscription: SubscriptionId,
        reason: Reason,
    },
    Tune {
        subscription: SubscriptionId,
        how: Tuning,
    },
    Join(Box<Joined<Out>>),
    Ask {
        subscription: SubscriptionId,
        n: usize,
    },
    Leave {
        subscription: SubscriptionId,
        how: Parting,
    },
    /// What a consumer had not handled when it ended; its leave follows.
    HandBack {
        subscription: SubscriptionId,
        events: Vec<Out>,
    },
    Flushed {
        subscription: SubscriptionId,
    },
    Info(Info),
    InfoInOrder(Info),
    Mode(DemandMode),
    Drain,
    Stop(Reason),
}

/// A change to a subscription while it lives.
pub(crate) enum Tuning {
    Pause,
    Resume,
    Demand { max: usize, min: usize },
}

/// A subscription that is to be made. Boxed in the mail, which is moved about for every batch.
pub(crate) struct Wanted<In> {
    pub(crate) subscription: SubscriptionId,
    pub(crate) producer: Outlet<In>,
    pub(crate) terms: Subscribe,
    /// The subscription that this one takes the place of, and why.
    pub(crate) replaces: Option<(SubscriptionId, Reason)>,
}

/// A consumer that wants to be subscribed.
pub(crate) struct Joined<Out> {
    pub(crate) joining: Joining<Out>,
    pub(crate) subscriber: Subscriber<Out>,
    pub(crate) terms: Subscribe,
}

/// The side of a stage that takes events.
pub(crate) trait Downstream<In>: Send + Sync {
    /// What comes to a stage that has ended counts as lost.
    fn events(&self, to: SubscriptionId, events: Vec<In>);
    /// As `events`, but gives them back if the stage has ended.
    fn try_events(&self, to: SubscriptionId, events: Vec<In>) -> Result<(), Vec<In>>;
    fn flush(&self, subscription: SubscriptionId);
    fn parted(&self, subscription: SubscriptionId, how: Parting);
    /// The new subscription's id, or nothing if the stage has ended.
    fn subscribe(
        &self,
        producer: Outlet<In>,
        terms: Subscribe,
        replaces: Option<(SubscriptionId, Reason)>,
    ) -> Option<SubscriptionId>;
    fn ask_for(&self, subscription: SubscriptionId, n: usize);
    fn cancel(&self, subscription: SubscriptionId, reason: Reason);
    fn tune(&self, subscription: SubscriptionId, how: Tuning);
    fn stage(&self) -> StageId;
}

/// The side of a stage that emits events.
pub(crate) trait Upstream<Out>: Send + Sync {
    /// The producer's id for the subscription, or nothing if it has ended.
    fn join(
        &self,
        subscriber: Subscriber<Out>,
        terms: Subscribe,
        place: Place<Out>,
    ) -> Option<SubscriptionId>;
    fn ask(&self, subscription: SubscriptionId, n: usize);
    fn leave(&self, subscription: SubscriptionId, how: Parting);
    fn hand_back(&self, subscription: SubscriptionId, events: Vec<Out>);
    fn flushed(&self, subscription: SubscriptionId);
}

/// The side of a stage that decides when it ends, whatever it does.
pub(crate) trait Life: Send + Sync {
    fn drain(&self);
    fn stop(&self, reason: Reason);
    fn shared(&self) -> &Shared;
}

/// The side of a stage that is told things.
pub(crate) trait Told<Info>: Life {
    fn info(&self, message: Info) -> Result<(), Info>;
    fn info_in_order(&self, message: Info) -> Result<(), Info>;
    fn set_mode(&self, mode: DemandMode);
}

/// What a stage shares with its handles besides the mailbox.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) counters: Counters,
    pub(crate) ended: OnceLock<Reason>,
    pub(crate) at_end: Notify,
    /// What drops the stage's task.
    pub(crate) task: OnceLock<AbortHandle>,
    ids: AtomicU64,
}

impl Shared {
    pub(crate) fn next_id(&self) -> SubscriptionId {
        SubscriptionId(self.ids.fetch_add(1, Relaxed))
    }

    /// Waits until the stage has ended.
    pub(crate) async fn ended(&self) -> Reason {
        loop {
            let at_end = self.at_end.notified();
            if let Some(reason) = self.ended.get() {
                return reason.clone();
            }
            at_end.await;
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        // Looked at first: what is read after the end is final.
        let has_ended = self.ended.get().is_some();
        let counts = self.counters.read();
        if has_ended { counts.at_end() } else { counts }
    }

    pub(crate) fn kill(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// A stage as seen from outside its task.
pub(crate) struct Cell<In, Out, Info> {
    pub(crate) mailbox: Mailbox<Mail<In, Out, Info>>,
    pub(crate) shared: Shared,
}

impl<In, Out, Info> Cell<In, Out, Info> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { mailbox: Mailbox::new(), shared: Shared::default() })
    }

    /// For mail that says nothing to a stage that has ended.
    fn post(&self, mail: Mail<In, Out, Info>) {
        drop(self.mailbox.push(mail));
    }
}

impl<In: Send + 'static, Out: Send + 'static, Info: Send + 'static> Downstream<In>
    for Cell<In, Out, Info>
{
    fn events(&self, to: SubscriptionId, events: Vec<In>) {
        self.shared.counters.waiting.fetch_add(events.len(), Relaxed);
        self.post(Mail::Events { to, events });
    }

    fn try_events(&self, to: SubscriptionId, events: Vec<In>) -> Result<(), Vec<In>> {
        let n = events.len();
        self.shared.counters.waiting.fetch_add(n, Relaxed);
        match self.mailbox.push(Mail::Events { to, events }) {
            Err(Mail::Events { events, .. }) => {
                self.shared.counters.waiting.fetch_sub(n, Relaxed);
                Err(events)
            }
            _ => Ok(()),
        }
    }

    fn flush(&self, subscription: SubscriptionId) {
        self.post(Mail::Flush { subscription });
    }

    fn parted(&self, subscription: SubscriptionId, how: Parting) {
        self.post(Mail::Parted { subscription, how });
    }

    fn subscribe(
        &self,
        producer: Outlet<In>,
        terms: Subscribe,
        replaces: Option<(SubscriptionId, Reason)>,
    ) -> Option<SubscriptionId> {
        let subscription = self.shared.next_id();
        let mail = Mail::Subscribe(Box::new(Wanted { subscription, producer, terms, replaces }));
        self.mailbox.push(mail).ok().map(|()| subscription)
    }

    fn ask_for(&self, subscription: SubscriptionId, n: usize) {
        self.post(Mail::AskFor { subscription, n });
    }

    fn cancel(&self, subscription: SubscriptionId, reason: Reason) {
        self.post(Mail::Cancel { subscription, reason });
    }

    fn tune(&self, subscription: SubscriptionId, how: Tuning) {
        self.post(Mail::Tune { subscription, how });
    }

    fn stage(&self) -> StageId {
        StageId(std::ptr::from_ref(self).addr())
    }
}

impl<In: Send + 'static, Out: Send + 'static, Info: Send + 'static> Upstream<Out>
    for Cell<In, Out, Info>
{
    fn join(
        &self,
        subscriber: Subscriber<Out>,
        terms: Subscribe,
        place: Place<Out>,
    ) -> Option<SubscriptionId> {
        let subscription = self.shared.next_id();
        let consumer = subscriber.consumer.stage();
        let joining = Joining { subscription, consumer, max_demand: terms.max(), place };
        let mail = Mail::Join(Box::new(Joined { joining, subscriber, terms }));
        self.mailbox.push(mail).ok().map(|()| subscription)
    }

    fn ask(&self, subscription: SubscriptionId, n: usize) {
        self.post(Mail::Ask { subscription, n });
    }

    fn leave(&self, subscription: SubscriptionId, how: Parting) {
        self.post(Mail::Leave { subscription, how });
    }

    fn hand_back(&self, subscription: SubscriptionId, events: Vec<Out>) {
        self.post(Mail::HandBack { subscription, events });
    }

    fn flushed(&self, subscription: SubscriptionId) {
        self.post(Mail::Flushed { subscription });
    }
}

impl<In: Send + 'static, Out: Send + 'static, Info: Send + 'static> Told<Info>
    for Cell<In, Out, Info>
{
    fn info(&self, message: Info) -> Result<(), Info> {
        match self.mailbox.push(Mail::Info(message)) {
            Err(Mail::Info(message)) => Err(message),
            _ => Ok(()),
        }
    }

    fn info_in_order(&self, message: Info) -> Result<(), Info> {
        match self.mailbox.push(Mail::InfoInOrder(message)) {
            Err(Mail::InfoInOrder(message)) => Err(message),
            _ => Ok(()),
        }
    }

    fn set_mode(&self, mode: DemandMode) {
        self.post(Mail::Mode(mode));
    }
}

impl<In: Send + 'static, Out: Send + 'static, Info: Send + 'static> Life for Cell<In, Out, Info> {
    fn drain(&self) {
        self.post(Mail::Drain);
    }

    fn stop(&self, reason: Reason) {
        self.post(Mail::Stop(reason));
    }

    fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl<In, Out, Info> fmt::Debug for Cell<In, Out, Info> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell").field("shared", &self.shared).finish_non_exhaustive()
    }
}
