//! A stage before it runs: its handlers and its options, as data.

use crate::{
    ByDemand, Consumer, Dispatcher, Inlet, Keep, Outlet, Producer, StageRef, Transform,
    buffer::Buffer,
    dispatch::Place,
    stage::{
        behaviour::{AsConsumer, AsProducer, AsTransform, Behaviour},
        gate::DemandMode,
        inbound::Inbound,
        outbound::Outbound,
        run::Machine,
    },
};
use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
};

/// How many events a producer's buffer holds unless told otherwise.
const BUFFER: usize = 10_000;

/// Plans a producer: a buffer of 10,000 events that keeps the last, dispatched [`ByDemand`].
pub fn producer<P: Producer>(producer: P) -> ProducerPlan<P> {
    ProducerPlan { behaviour: AsProducer(producer), emitting: Emitting::new(BUFFER) }
}

/// Plans a transform: an unbounded buffer, dispatched [`ByDemand`].
pub fn transform<T: Transform>(transform: T) -> TransformPlan<T> {
    TransformPlan {
        behaviour: AsTransform(transform),
        emitting: Emitting::new(usize::MAX),
        merge: 0,
    }
}

/// Plans a consumer.
pub fn consumer<C: Consumer>(consumer: C) -> ConsumerPlan<C> {
    ConsumerPlan { behaviour: AsConsumer(consumer), merge: 0 }
}

/// The options of a stage that emits.
struct Emitting<E> {
    capacity: usize,
    keep: Keep,
    dispatcher: Box<dyn Dispatcher<E>>,
    mode: DemandMode,
}

impl<E: Send> Emitting<E> {
    fn new(capacity: usize) -> Self {
        let dispatcher = Box::new(ByDemand::new());
        Self { capacity, keep: Keep::default(), dispatcher, mode: DemandMode::Forward }
    }

    fn outbound(self) -> Outbound<E> {
        Outbound::new(self.dispatcher, Buffer::new(self.capacity, self.keep), self.mode)
    }
}

macro_rules! emitting_options {
    ($event:ty) => {
        /// Holds at most `events` that nobody has asked for; what is beyond is given up, counted,
        /// and told to `handle_discarded`.
        #[must_use]
        pub fn buffer(mut self, events: usize) -> Self {
            self.emitting.capacity = events;
            self
        }

        /// Holds as many events as there is memory for.
        #[must_use]
        pub fn unbounded(self) -> Self {
            self.buffer(usize::MAX)
        }

        /// Which events a full buffer keeps.
        #[must_use]
        pub fn keep(mut self, keep: Keep) -> Self {
            self.emitting.keep = keep;
            self
        }

        /// Who gets the next events.
        #[must_use]
        pub fn dispatcher(mut self, dispatcher: impl Dispatcher<$event> + 'static) -> Self {
            self.emitting.dispatcher = Box::new(dispatcher);
            self
        }
    };
}

macro_rules! taking_options {
    () => {
        /// Joins batches that already wait into one `handle_events` of up to `events`.
        ///
        /// For handlers whose cost is by the call, as a commit is. Order is kept; only batches
        /// of one subscription that follow each other are joined. Nothing is waited for. A batch
        /// that is larger by itself comes whole.
        #[must_use]
        pub fn merge(mut self, events: usize) -> Self {
            self.merge = events;
            self
        }
    };
}

/// A producer that does not run yet.
pub struct ProducerPlan<P: Producer> {
    behaviour: AsProducer<P>,
    emitting: Emitting<P::Event>,
}

impl<P: Producer> ProducerPlan<P> {
    emitting_options!(P::Event);

    /// Begins in [`DemandMode::Accumulate`].
    #[must_use]
    pub fn accumulate(mut self) -> Self {
        self.emitting.mode = DemandMode::Accumulate;
        self
    }

    /// Starts it on the current tokio runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn(self) -> ProducerStage<P::Event, P::Info> {
        let (stage, _, outlet) = start(self.behaviour, self.emitting.outbound(), 0);
        ProducerStage { stage, outlet }
    }
}

/// A transform that does not run yet.
pub struct TransformPlan<T: Transform> {
    behaviour: AsTransform<T>,
    emitting: Emitting<T::Out>,
    merge: usize,
}

impl<T: Transform> TransformPlan<T> {
    emitting_options!(T::Out);
    taking_options!();

    /// Starts it on the current tokio runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn(self) -> TransformStage<T::In, T::Out, T::Info> {
        let (stage, inlet, outlet) = start(self.behaviour, self.emitting.outbound(), self.merge);
        TransformStage { stage, inlet, outlet }
    }
}

/// A consumer that does not run yet.
pub struct ConsumerPlan<C: Consumer> {
    behaviour: AsConsumer<C>,
    merge: usize,
}

impl<C: Consumer> ConsumerPlan<C> {
    taking_options!();

    /// Starts it on the current tokio runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn(self) -> ConsumerStage<C::Event, C::Info> {
        let nothing = Emitting::new(0).outbound();
        let (stage, inlet, _) = start(self.behaviour, nothing, self.merge);
        ConsumerStage { stage, inlet }
    }
}

/// A running producer.
#[derive(Clone, Debug)]
pub struct ProducerStage<E, Info> {
    /// The stage itself.
    pub stage: StageRef<Info>,
    /// What consumers subscribe to.
    pub outlet: Outlet<E>,
}

impl<E, Info> ProducerStage<E, Info> {
    /// Holds demand and events back from now on, or lets what was held go its way.
    pub fn set_demand_mode(&self, mode: DemandMode) {
        self.stage.told.set_mode(mode);
    }

    /// The mode it was in when it last had nothing to do.
    #[must_use]
    pub fn demand_mode(&self) -> DemandMode {
        match self.stage.told.shared().counters.accumulating.load(Relaxed) {
            true => DemandMode::Accumulate,
            false => DemandMode::Forward,
        }
    }
}

/// A running transform.
#[derive(Clone, Debug)]
pub struct TransformStage<In, Out, Info> {
    /// The stage itself.
    pub stage: StageRef<Info>,
    /// Where its subscriptions are made.
    pub inlet: Inlet<In>,
    /// What consumers subscribe to.
    pub outlet: Outlet<Out>,
}

/// A running consumer.
#[derive(Clone, Debug)]
pub struct ConsumerStage<E, Info> {
    /// The stage itself.
    pub stage: StageRef<Info>,
    /// Where its subscriptions are made.
    pub inlet: Inlet<E>,
}

type Faces<B> =
    (StageRef<<B as Behaviour>::Info>, Inlet<<B as Behaviour>::In>, Outlet<<B as Behaviour>::Out>);

fn start<B: Behaviour>(behaviour: B, outbound: Outbound<B::Out>, merge: usize) -> Faces<B> {
    let machine = Machine::new(behaviour, Inbound::new(merge), outbound);
    let stage = StageRef { told: Arc::clone(&machine.cell) as _ };
    let inlet = Inlet { port: Arc::clone(&machine.cell) as _ };
    let outlet =
        Outlet { port: Arc::clone(&machine.cell) as _, place: Place::default(), copy: None };
    let cell = Arc::clone(&machine.cell);
    // Set once: the cell is new.
    let _ = cell.shared.task.set(tokio::spawn(machine.run()).abort_handle());
    (stage, inlet, outlet)
}

impl<P: Producer> fmt::Debug for ProducerPlan<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerPlan").finish_non_exhaustive()
    }
}

impl<T: Transform> fmt::Debug for TransformPlan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransformPlan").field("merge", &self.merge).finish_non_exhaustive()
    }
}

impl<C: Consumer> fmt::Debug for ConsumerPlan<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerPlan").field("merge", &self.merge).finish_non_exhaustive()
    }
}
