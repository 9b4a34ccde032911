//! A producer of what a stream yields.

use std::{fmt, num::NonZeroUsize, pin::pin};

use futures_util::{Stream, StreamExt};
use tokio::{sync::mpsc, task::AbortHandle};

use super::{Audience, WhenLeft};
use crate::{Emitter, Parting, Producer, Reason, StageRef, Subscribe, SubscriptionId};

/// The most items that are passed on at once, so that a stream that is always ready does not
/// keep what it has yielded.
const CHUNK: usize = 1024;

/// A producer that yields the stream's items, as many as are asked for, and ends after the last.
///
/// What is ready together travels together. The stream is polled on a task of its own, so a
/// stage that waits for the next item is still told things, and can be stopped.
pub fn from_stream<S>(items: S) -> FromStream<S>
where
    S: Stream<Item: Send + 'static> + Send + 'static,
{
    FromStream { items: Some(items), pump: None, audience: Audience::default() }
}

/// The producer that [`from_stream`] makes.
pub struct FromStream<S> {
    /// Taken when the stage starts.
    items: Option<S>,
    pump: Option<Pump>,
    audience: Audience,
}

/// The task that polls the stream; it goes with the stage.
struct Pump {
    demand: mpsc::UnboundedSender<NonZeroUsize>,
    task: AbortHandle,
}

/// What came from a stream; sent by the producer to itself.
#[derive(Debug)]
pub struct Pulled<E>(Option<Vec<E>>);

impl<S> FromStream<S> {
    /// Ends, with [`Reason::Shutdown`], when the last consumer leaves, rather than wait for the next.
    #[must_use]
    pub fn end_when_left(mut self) -> Self {
        self.audience.when_left = WhenLeft::End;
        self
    }
}

impl<S> Producer for FromStream<S>
where
    S: Stream<Item: Send + 'static> + Send + 'static,
{
    type Event = S::Item;
    type Info = Pulled<S::Item>;

    async fn started(&mut self, me: &StageRef<Pulled<S::Item>>) -> Result<(), Reason> {
        if let Some(items) = self.items.take() {
            let (demand, asked) = mpsc::unbounded_channel();
            let task = tokio::spawn(pump(items, asked, me.clone())).abort_handle();
            self.pump = Some(Pump { demand, task });
        }
        Ok(())
    }

    async fn handle_demand(
        &mut self,
        n: usize,
        _: &mut Emitter<'_, S::Item>,
    ) -> Result<(), Reason> {
        if let (Some(pump), Some(n)) = (&self.pump, NonZeroUsize::new(n)) {
            // A pump that has gone has said so, or panicked; then the stream cannot go on.
            pump.demand.send(n).map_err(|_| Reason::failed("the stream panicked"))?;
        }
        Ok(())
    }

    async fn handle_info(
        &mut self,
        pulled: Pulled<S::Item>,
        out: &mut Emitter<'_, S::Item>,
    ) -> Result<(), Reason> {
        out.emit_batch(pulled.0.ok_or(Reason::Normal)?);
        Ok(())
    }

    async fn handle_subscribe(
        &mut self,
        _: SubscriptionId,
        _: &Subscribe,
        _: &mut Emitter<'_, S::Item>,
    ) -> Result<(), Reason> {
        self.audience.joined();
        Ok(())
    }

    async fn handle_cancel(
        &mut self,
        _: SubscriptionId,
        _: Parting,
        _: &mut Emitter<'_, S::Item>,
    ) -> Result<(), Reason> {
        self.audience.left()
    }
}

/// Pulls what is asked for, hands on what is ready, and says when the stream has ended.
async fn pump<S: Stream>(
    items: S,
    mut asked: mpsc::UnboundedReceiver<NonZeroUsize>,
    stage: StageRef<Pulled<S::Item>>,
) {
    let mut items = pin!(items);
    while let Some(n) = asked.recv().await {
        let mut left = n.get();
        while left > 0 {
            let chunk = left.min(CHUNK);
            let Some(ready) = items.as_mut().ready_chunks(chunk).next().await else {
                drop(stage.info(Pulled(None)));
                return;
            };
            left -= ready.len();
            if stage.info(Pulled(Some(ready))).is_err() {
                return;
            }
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<S> fmt::Debug for FromStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromStream").field("audience", &self.audience).finish_non_exhaustive()
    }
}
