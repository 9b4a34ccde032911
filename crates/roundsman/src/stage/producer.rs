//! The producer: emits events when consumers ask for them.

use std::future::Future;

use crate::{Emitter, Parting, Reason, StageRef, Subscribe, SubscriptionId};

/// A stage that emits events on demand.
///
/// Every handler may emit, and says with `Err` that the stage ends: `Err(Reason::Normal)` once
/// everything emitted has left, any other reason at once.
///
/// ```
/// use roundsman::{Emitter, Producer, Reason};
/// use std::collections::VecDeque;
///
/// /// A queue that others put into; what is not there yet when it is asked for is owed.
/// #[derive(Default)]
/// struct Queue { waiting: VecDeque<String> }
///
/// impl Queue {
///     fn give(&mut self, out: &mut Emitter<'_, String>) {
///         let n = out.demand().min(self.waiting.len());
///         out.extend(self.waiting.drain(..n));
///     }
/// }
///
/// impl Producer for Queue {
///     type Event = String;
///     type Info = String;
///
///     async fn handle_demand(&mut self, _: usize, out: &mut Emitter<'_, String>) -> Result<(), Reason> {
///         self.give(out);
///         Ok(())
///     }
///
///     async fn handle_info(&mut self, new: String, out: &mut Emitter<'_, String>) -> Result<(), Reason> {
///         self.waiting.push_back(new);
///         self.give(out);
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let queue = roundsman::producer(Queue::default()).spawn();
/// assert!(queue.stage.info("hello".to_owned()).is_ok());
/// # }
/// ```
pub trait Producer: Send + 'static {
    /// What it emits.
    type Event: Send + 'static;
    /// Its own messages: hints, ticks, acknowledgements.
    type Info: Send + 'static;

    /// Consumers want `demand` more events.
    ///
    /// Demand adds up: what is not emitted here is owed, and nobody asks for it again. Emit it
    /// from any handler once it is there.
    fn handle_demand(
        &mut self,
        demand: usize,
        out: &mut Emitter<'_, Self::Event>,
    ) -> impl Future<Output = Result<(), Reason>> + Send;

    /// A message came.
    fn handle_info(
        &mut self,
        info: Self::Info,
        out: &mut Emitter<'_, Self::Event>,
    ) -> impl Future<Output = Result<(), Reason>> + Send {
        let _ = (info, out);
        async { Ok(()) }
    }

    /// The stage runs; `me` may be kept to be told things.
    fn started(
        &mut self,
        me: &StageRef<Self::Info>,
    ) -> impl Future<Output = Result<(), Reason>> + Send {
        let _ = me;
        async { Ok(()) }
    }

    /// A consumer has subscribed.
    fn handle_subscribe(
        &mut self,
        subscription: SubscriptionId,
        terms: &Subscribe,
        out: &mut Emitter<'_, Self::Event>,
    ) -> impl Future<Output = Result<(), Reason>> + Send {
        let _ = (subscription, terms, out);
        async { Ok(()) }
    }

    /// A consumer has left. What it had asked for is still owed, to the others or the next.
    fn handle_cancel(
        &mut self,
        subscription: SubscriptionId,
        how: Parting,
        out: &mut Emitter<'_, Self::Event>,
    ) -> impl Future<Output = Result<(), Reason>> + Send {
        let _ = (subscription, how, out);
        async { Ok(()) }
    }

    /// It was told to drain and is not asked for more; return `Err(Reason::Normal)`, here or
    /// later, once nothing is under way.
    fn handle_drain(
        &mut self,
        out: &mut Emitter<'_, Self::Event>,
    ) -> impl Future<Output = Result<(), Reason>> + Send {
        let _ = out;
        async { Err(Reason::Normal) }
    }

    /// The full buffer gave up `n` events; answers whether a warning is to be logged.
    fn handle_discarded(&mut self, n: usize) -> bool {
        let _ = n;
        true
    }

    /// The stage ends. Its peers are told when this returns.
    fn terminate(&mut self, reason: &Reason) -> impl Future<Output = ()> + Send {
        let _ = reason;
        async {}
    }
}
