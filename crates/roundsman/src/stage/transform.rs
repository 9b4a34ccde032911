//! The transform: takes events and emits others.

use std::future::Future;

use crate::{Emitter, Mode, Parting, Reason, Side, StageRef, Subscribe, SubscriptionId};

/// A stage that is a consumer and a producer in one.
///
/// It asks its producers for `max_demand` as soon as it is subscribed, whatever is asked of it;
/// what arrives waits in its input queue until its own consumers want something. One that emits
/// fewer events than it gets goes on taking; one that emits more buffers them, without a bound
/// unless it is given one.
///
/// Every handler may emit, and says with `Err` that the stage ends: `Err(Reason::Normal)` once
/// everything emitted has left, any other reason at once.
///
/// ```
/// use roundsman::{Emitter, Reason, SubscriptionId, Transform};
///
/// struct Words;
///
/// impl Transform for Words {
///     type In = String;
///     type Out = String;
///     type Info = ();
///
///     async fn handle_events(
///         &mut self, lines: Vec<String>, _from: SubscriptionId, out: &mut Emitter<'_, String>,
///     ) -> Result<(), Reason> {
///         out.extend(lines.iter().flat_map(|line| line.split_whitespace()).map(str::to_owned));
///         Ok(())
///     }
/// }
/// ```
pub trait Transform: Send + 'static {
    /// What it takes.
    type In: Send + 'static;
    /// What it emits.
    type Out: Send + 'static;
    /// Its own messages.
    type Info: Send + 'static;

    /// Events came, and somebody wants what becomes of them.
    fn handle_events(
        &mut self,
        events: Vec<Self::In>,
        from: SubscriptionId,
        out: &mut Emitter<'_, Self::Out>,
    ) -> impl Future<Output = Result<(), Reason>> + Send;

    /// A message came.
    fn handle_info(
        &mut self,
        info: Self::Info,
        out: &mut Emitter<'_, Self::Out>,
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

    /// A subscription begins, with a producer or with a consumer as `side` says.
    ///
    /// The answer says who asks the producer; towards a consumer it means nothing.
    fn handle_subscribe(
        &mut self,
        side: Side,
        subscription: SubscriptionId,
        terms: &Subscribe,
        out: &mut Emitter<'_, Self::Out>,
    ) -> impl Future<Output = Result<Mode, Reason>> + Send {
        let _ = (side, subscription, terms, out);
        async { Ok(Mode::Automatic) }
    }

    /// A subscription has ended; everything that came on it has been handled.
    fn handle_cancel(
        &mut self,
        side: Side,
        subscription: SubscriptionId,
        how: Parting,
        out: &mut Emitter<'_, Self::Out>,
    ) -> impl Future<Output = Result<(), Reason>> + Send {
        let _ = (side, subscription, how, out);
        async { Ok(()) }
    }

    /// It drains, and everything sent to it has been handled; return `Err(Reason::Normal)`, here
    /// or later, once nothing is under way.
    fn handle_drain(
        &mut self,
        out: &mut Emitter<'_, Self::Out>,
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
