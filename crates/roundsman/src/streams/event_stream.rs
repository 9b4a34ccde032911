//! The events of any number of stages as one stream.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    vec,
};

use futures_util::{Stream, stream::FusedStream};

use crate::{
    Counts, Outlet, Parting, Reason, Subscribe, SubscribeError, SubscriptionId,
    stage::{
        inbound::{Inbound, Portion, Queued},
        port::{Cell, Mail},
    },
};

/// A consumer without a task: whoever polls the stream takes the events.
///
/// It asks as any consumer does, by [`Subscribe`], and again when a slice has been read to its
/// end, so nothing more is under way than its terms say, however slowly it is read. More
/// subscriptions may be made while it is read.
///
/// It ends when the last subscription has. One that ends for a reason its
/// [`Cancel`](crate::Cancel) mode does not survive ends the whole stream: without an error where
/// the reason is orderly, with the reason as its last item otherwise. Dropping the stream cancels
/// what it is subscribed to.
///
/// ```
/// use futures_util::{StreamExt, TryStreamExt};
/// use roundsman::{Subscribe, from_iter, streams::EventStream};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let numbers = roundsman::producer(from_iter(1_u64..)).spawn();
/// let out = EventStream::new().subscribe(&numbers.outlet, Subscribe::default())?;
/// let first: Vec<u64> = out.take(3).try_collect().await.map_err(|why| why.to_string())?;
/// assert_eq!(first, [1, 2, 3]);
/// # Ok(())
/// # }
/// ```
pub struct EventStream<E> {
    cell: Arc<Cell<E, Infallible, Infallible>>,
    inbound: Inbound<E, Infallible>,
    mail: VecDeque<Mail<E, Infallible, Infallible>>,
    /// What is left of the message that is being read, after `slice`.
    message: (SubscriptionId, Vec<E>),
    slice: vec::IntoIter<E>,
    /// To be asked for once `slice` has been read.
    then_ask: Option<(SubscriptionId, usize)>,
    last: Last,
}

/// What comes after the last event.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Last {
    /// Not there yet.
    Open,
    Failed(Reason),
    Over,
}

impl<E: Send + 'static> EventStream<E> {
    /// A stream without a subscription, which would end at once.
    #[must_use]
    pub fn new() -> Self {
        Self {
            cell: Cell::new(),
            inbound: Inbound::new(0),
            mail: VecDeque::new(),
            message: (SubscriptionId(0), Vec::new()),
            slice: Vec::new().into_iter(),
            then_ask: None,
            last: Last::Open,
        }
    }

    /// Subscribes to a stage, and asks it for the first events.
    ///
    /// # Errors
    /// The terms contradict each other.
    pub fn subscribe(
        mut self,
        producer: &Outlet<E>,
        terms: Subscribe,
    ) -> Result<Self, SubscribeError> {
        self.add(producer, terms)?;
        Ok(self)
    }

    /// Subscribes to one more stage, as [`subscribe`](Self::subscribe) does.
    ///
    /// # Errors
    /// The terms contradict each other.
    pub fn add(&mut self, producer: &Outlet<E>, terms: Subscribe) -> Result<(), SubscribeError> {
        terms.check()?;
        let subscription = self.cell.shared.next_id();
        let me = Arc::clone(&self.cell) as _;
        if self.inbound.join(subscription, me, producer.clone(), terms) {
            self.inbound.begin_to_ask(subscription, terms);
        } else if terms.on_cancel().ends_with(&Reason::NoProducer) {
            self.last = Last::Failed(Reason::NoProducer);
        }
        Ok(())
    }

    /// How much waits to be read.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.cell.shared.counters.read()
    }

    /// Whether the next slice is there; false if the stream is at its end.
    fn advance(&mut self) -> bool {
        if let Some((subscription, n)) = self.then_ask.take() {
            self.inbound.ask(subscription, n);
        }
        while self.message.1.is_empty() {
            match self.inbound.queue.pop_front() {
                Some(Queued::Events { from, events }) => self.message = (from, events),
                Some(Queued::Parted { subscription, how }) => self.parted(subscription, &how),
                Some(Queued::Flush { subscription }) => self.inbound.flushed(subscription),
                Some(Queued::Info(never)) => match never {},
                None => return false,
            }
        }
        let (from, message) = &mut self.message;
        let Portion { events, from, ask } = self.inbound.slice(*from, message);
        self.cell.shared.counters.waiting.fetch_sub(events.len(), Relaxed);
        self.cell.shared.counters.taken.fetch_add(events.len() as u64, Relaxed);
        self.slice = events.into_iter();
        self.then_ask = Some((from, ask));
        true
    }

    fn parted(&mut self, subscription: SubscriptionId, how: &Parting) {
        let Some(known) = self.inbound.subscriptions.remove(&subscription) else { return };
        let reason = how.reason();
        if known.on_cancel.ends_with(reason) {
            let failed = !reason.is_orderly();
            self.last = if failed { Last::Failed(reason.clone()) } else { Last::Over };
        }
    }
}

impl<E> EventStream<E> {
    /// Sorts what came into the input queue.
    fn receive(&mut self) {
        for mail in self.mail.drain(..) {
            match mail {
                Mail::Events { to, events } => {
                    self.inbound.queue.push_back(Queued::Events { from: to, events });
                }
                Mail::Parted { subscription, how } => {
                    self.inbound.queue.push_back(Queued::Parted { subscription, how });
                }
                Mail::Flush { subscription } => {
                    self.inbound.queue.push_back(Queued::Flush { subscription });
                }
                // There is no handle through which anything else could come.
                _ => {}
            }
        }
    }
}

/// Events are moved through, never pinned.
impl<E> Unpin for EventStream<E> {}

impl<E: Send + 'static> Stream for EventStream<E> {
    type Item = Result<E, Reason>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(event) = this.slice.next() {
                return Poll::Ready(Some(Ok(event)));
            }
            let open = this.last == Last::Open;
            if open && this.advance() {
                continue;
            }
            match std::mem::replace(&mut this.last, Last::Over) {
                Last::Failed(reason) => return Poll::Ready(Some(Err(reason))),
                Last::Over => return Poll::Ready(None),
                Last::Open if this.inbound.subscriptions.is_empty() => return Poll::Ready(None),
                Last::Open => this.last = Last::Open,
            }
            ready!(this.cell.mailbox.poll_take(cx, &mut this.mail));
            this.receive();
        }
    }
}

impl<E: Send + 'static> FusedStream for EventStream<E> {
    fn is_terminated(&self) -> bool {
        self.last == Last::Over
    }
}

impl<E: Send + 'static> Default for EventStream<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Drop for EventStream<E> {
    fn drop(&mut self) {
        self.mail.append(&mut self.cell.mailbox.close());
        self.receive();
        // What was not read goes back, where that was asked for.
        let (from, rest) = (self.message.0, std::mem::take(&mut self.message.1));
        let unread = std::mem::take(&mut self.slice).chain(rest).collect();
        self.inbound.queue.push_front(Queued::Events { from, events: unread });
        self.inbound.hand_back(std::iter::empty());
        self.inbound.leave_all(&Parting::Cancelled(Reason::Normal));
    }
}

impl<E> fmt::Debug for EventStream<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("subscriptions", &self.inbound.subscriptions.len())
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
