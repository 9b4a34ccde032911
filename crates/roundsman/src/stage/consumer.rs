//! The consumer: asks for events and takes them.

use std::future::Future;

use crate::{Asker, Mode, Parting, Reason, StageRef, Subscribe, SubscriptionId};

/// A stage that takes events.
///
/// A handler says with `Err` that the stage ends, for that reason.
///
/// ```
/// use roundsman::{Asker, Consumer, Reason, SubscriptionId};
///
/// struct Print;
///
/// impl Consumer for Print {
///     type Event = String;
///     type Info = ();
///
///     async fn handle_events(
///         &mut self, events: Vec<String>, _from: SubscriptionId, _out: &mut Asker<'_>,
///     ) -> Result<(), Reason> {
///         events.iter().for_each(|event| println!("{event}"));
///         Ok(()) // and more is asked for
///     }
/// }
/// ```
pub trait Consumer: Send + 'static {
    /// What it takes.
    type Event: Send + 'static;
    /// Its own messages.
    type Info: Send + 'static;

    /// Events came. In automatic mode more is asked for when this returns.
    fn handle_events(
        &mut self,
        events: Vec<Self::Event>,
        from: SubscriptionId,
        out: &mut Asker<'_>,
    ) -> impl Future<Output = Result<(), Reason>> + Send;

    /// A message came.
    fn handle_info(
        &mut self,
        info: Self::Info,
        out: &mut Asker<'_>,
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

    /// A subscription begins; answers who asks on it.
    fn handle_subscribe(
        &mut self,
        subscription: SubscriptionId,
        terms: &Subscribe,
        out: &mut Asker<'_>,
    ) -> impl Future<Output = Result<Mode, Reason>> + Send {
        let _ = (subscription, terms, out);
        async { Ok(Mode::Automatic) }
    }

    /// A subscription has ended; everything that came on it has been handled.
    fn handle_cancel(
        &mut self,
        subscription: SubscriptionId,
        how: Parting,
        out: &mut Asker<'_>,
    ) -> impl Future<Output = Result<(), Reason>> + Send {
        let _ = (subscription, how, out);
        async { Ok(()) }
    }

    /// It drains, and everything sent to it has been handled; return `Err(Reason::Normal)`, here
    /// or later, once nothing is under way.
    fn handle_drain(
        &mut self,
        out: &mut Asker<'_>,
    ) -> impl Future<Output = Result<(), Reason>> + Send {
        let _ = out;
        async { Err(Reason::Normal) }
    }

    /// The stage ends. Its peers are told when this returns.
    fn terminate(&mut self, reason: &Reason) -> impl Future<Output = ()> + Send {
        let _ = reason;
        async {}
    }
}
