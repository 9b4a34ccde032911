//! One shape for the three kinds of stage, so that one loop runs them all.
//!
//! A producer takes, and a consumer emits, a type without values; the half of the stage that
//! would serve it costs a few empty collections.

use std::{convert::Infallible, future::Future};

use crate::{
    Consumer, Emitter, Mode, Parting, Producer, Reason, Side, StageRef, Subscribe, SubscriptionId,
    Transform,
};

type Out<'a, B> = Emitter<'a, <B as Behaviour>::Out>;

pub(crate) trait Behaviour: Send + 'static {
    type In: Send + 'static;
    type Out: Send + 'static;
    type Info: Send + 'static;

    /// Whether demand goes to `demand`.
    const IS_ASKED: bool = false;
    /// Whether events are handled only while something is wanted of it.
    const EMITS: bool = true;

    fn demand(&mut self, _n: usize, _out: &mut Out<'_, Self>) -> impl Handled {
        async { Ok(()) }
    }
    fn events(
        &mut self,
        events: Vec<Self::In>,
        from: SubscriptionId,
        out: &mut Out<'_, Self>,
    ) -> impl Handled;
    fn info(&mut self, info: Self::Info, out: &mut Out<'_, Self>) -> impl Handled;
    fn started(&mut self, me: &StageRef<Self::Info>) -> impl Handled;
    fn subscribed(
        &mut self,
        side: Side,
        subscription: SubscriptionId,
        terms: &Subscribe,
        out: &mut Out<'_, Self>,
    ) -> impl Future<Output = Result<Mode, Reason>> + Send;
    fn parted(
        &mut self,
        side: Side,
        subscription: SubscriptionId,
        how: Parting,
        out: &mut Out<'_, Self>,
    ) -> impl Handled;
    fn draining(&mut self, out: &mut Out<'_, Self>) -> impl Handled;
    fn discarded(&mut self, _n: usize) -> bool {
        false
    }
    fn terminate(&mut self, reason: &Reason) -> impl Future<Output = ()> + Send;
}

/// What every handler returns, in the end.
pub(crate) trait Handled: Future<Output = Result<(), Reason>> + Send {}

impl<F: Future<Output = Result<(), Reason>> + Send> Handled for F {}

pub(crate) struct AsProducer<P>(pub(crate) P);

impl<P: Producer> Behaviour for AsProducer<P> {
    type In = Infallible;
    type Out = P::Event;
    type Info = P::Info;

    const IS_ASKED: bool = true;

    fn demand(&mut self, n: usize, out: &mut Out<'_, Self>) -> impl Handled {
        self.0.handle_demand(n, out)
    }

    async fn events(
        &mut self,
        _: Vec<Infallible>,
        _: SubscriptionId,
        _: &mut Out<'_, Self>,
    ) -> Result<(), Reason> {
        Ok(())
    }

    fn info(&mut self, info: P::Info, out: &mut Out<'_, Self>) -> impl Handled {
        self.0.handle_info(info, out)
    }

    fn started(&mut self, me: &StageRef<P::Info>) -> impl Handled {
        self.0.started(me)
    }

    async fn subscribed(
        &mut self,
        _: Side,
        subscription: SubscriptionId,
        terms: &Subscribe,
        out: &mut Out<'_, Self>,
    ) -> Result<Mode, Reason> {
        self.0.handle_subscribe(subscription, terms, out).await?;
        Ok(Mode::Automatic)
    }

    fn parted(
        &mut self,
        _: Side,
        subscription: SubscriptionId,
        how: Parting,
        out: &mut Out<'_, Self>,
    ) -> impl Handled {
        self.0.handle_cancel(subscription, how, out)
    }

    fn draining(&mut self, out: &mut Out<'_, Self>) -> impl Handled {
        self.0.handle_drain(out)
    }

    fn discarded(&mut self, n: usize) -> bool {
        self.0.handle_discarded(n)
    }

    fn terminate(&mut self, reason: &Reason) -> impl Future<Output = ()> + Send {
        self.0.terminate(reason)
    }
}

pub(crate) struct AsTransform<T>(pub(crate) T);

impl<T: Transform> Behaviour for AsTransform<T> {
    type In = T::In;
    type Out = T::Out;
    type Info = T::Info;

    fn events(
        &mut self,
        events: Vec<T::In>,
        from: SubscriptionId,
        out: &mut Out<'_, Self>,
    ) -> impl Handled {
        self.0.handle_events(events, from, out)
    }

    fn info(&mut self, info: T::Info, out: &mut Out<'_, Self>) -> impl Handled {
        self.0.handle_info(info, out)
    }

    fn started(&mut self, me: &StageRef<T::Info>) -> impl Handled {
        self.0.started(me)
    }

    fn subscribed(
        &mut self,
        side: Side,
        subscription: SubscriptionId,
        terms: &Subscribe,
        out: &mut Out<'_, Self>,
    ) -> impl Future<Output = Result<Mode, Reason>> + Send {
        self.0.handle_subscribe(side, subscription, terms, out)
    }

    fn parted(
        &mut self,
        side: Side,
        subscription: SubscriptionId,
        how: Parting,
        out: &mut Out<'_, Self>,
    ) -> impl Handled {
        self.0.handle_cancel(side, subscription, how, out)
    }

    fn draining(&mut self, out: &mut Out<'_, Self>) -> impl Handled {
        self.0.handle_drain(out)
    }

    fn discarded(&mut self, n: usize) -> bool {
        self.0.handle_discarded(n)
    }

    fn terminate(&mut self, reason: &Reason) -> impl Future<Output = ()> + Send {
        self.0.terminate(reason)
    }
}

pub(crate) struct AsConsumer<C>(pub(crate) C);

impl<C: Consumer> Behaviour for AsConsumer<C> {
    type In = C::Event;
    type Out = Infallible;
    type Info = C::Info;

    const EMITS: bool = false;

    async fn events(
        &mut self,
        events: Vec<C::Event>,
        from: SubscriptionId,
        out: &mut Out<'_, Self>,
    ) -> Result<(), Reason> {
        self.0.handle_events(events, from, &mut out.asker()).await
    }

    async fn info(&mut self, info: C::Info, out: &mut Out<'_, Self>) -> Result<(), Reason> {
        self.0.handle_info(info, &mut out.asker()).await
    }

    fn started(&mut self, me: &StageRef<C::Info>) -> impl Handled {
        self.0.started(me)
    }

    async fn subscribed(
        &mut self,
        _: Side,
        subscription: SubscriptionId,
        terms: &Subscribe,
        out: &mut Out<'_, Self>,
    ) -> Result<Mode, Reason> {
        self.0.handle_subscribe(subscription, terms, &mut out.asker()).await
    }

    async fn parted(
        &mut self,
        _: Side,
        subscription: SubscriptionId,
        how: Parting,
        out: &mut Out<'_, Self>,
    ) -> Result<(), Reason> {
        self.0.handle_cancel(subscription, how, &mut out.asker()).await
    }

    async fn draining(&mut self, out: &mut Out<'_, Self>) -> Result<(), Reason> {
        self.0.handle_drain(&mut out.asker()).await
    }

    fn terminate(&mut self, reason: &Reason) -> impl Future<Output = ()> + Send {
        self.0.terminate(reason)
    }
}
