//! Targets: where messages leave the house, and the acknowledger through which a target answers.

use crate::rule::To;
use roundsman_store::Record;
use std::fmt;
use std::sync::Arc;

/// A message on its way to a target.
#[derive(Clone, Debug)]
pub struct Message {
    /// The message as it is kept.
    pub record: Record,
    /// The number of this sending, counted from 1.
    pub attempt: u32,
    /// It was written before and not acknowledged: only for clients that asked for acknowledgement.
    pub again: bool,
}

/// Messages of one lane in order, for one target, with the way to answer for them.
#[derive(Debug)]
pub struct Batch {
    /// Their topic.
    pub topic: Arc<str>,
    /// The number of the rule that sent them here.
    pub rule: usize,
    /// The messages; never empty.
    pub messages: Vec<Message>,
    /// To be told what became of all of them.
    pub acknowledger: Acknowledger,
    /// The demand that they take up; dropped, it can be asked for again.
    pub slot: Slot,
}

/// Demand that a batch takes up: as long as it is held, so much less is asked for.
///
/// A target drops it when it could take as many messages again: usually with its answer, later
/// where some of its clients are still being written to, earlier where one of them has stalled and
/// must not hold up the others.
pub struct Slot {
    free: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Slot {
    /// A slot that calls `free` when it is dropped.
    #[must_use]
    pub fn new(free: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self { free: Some(Box::new(free)) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(free) = self.free.take() {
            free();
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

/// Where messages leave the house.
///
/// `deliver` hands a batch over and returns at once; what became of it is said through its
/// [`Acknowledger`], from any task. Batches of one lane come in order; a target keeps that order.
pub trait Target: Send + Sync + 'static {
    /// Takes one batch.
    fn deliver(&self, batch: Batch);
}

/// Told once what became of a batch. Dropped without a word, the batch is *released*: handed back
/// without fault, to be dispatched again.
pub struct Acknowledger {
    tell: Option<Box<dyn FnOnce(Fate) + Send + Sync>>,
}

/// What a target says of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Taken for good.
    Delivered,
    /// Written; a client is to acknowledge each message.
    Sent,
    /// Nobody was there, nothing was written.
    Absent,
    /// It failed; counts towards the limit.
    Failed(Arc<str>),
    /// Handed back unharmed.
    Released,
}

impl Acknowledger {
    /// One that tells `tell`.
    #[must_use]
    pub fn new(tell: impl FnOnce(Fate) + Send + Sync + 'static) -> Self {
        Self { tell: Some(Box::new(tell)) }
    }

    /// The target took every message for good.
    pub fn delivered(self) {
        self.say(Fate::Delivered);
    }

    /// Every message is written to a client that is to acknowledge it.
    pub fn sent(self) {
        self.say(Fate::Sent);
    }

    /// Nobody was there to write to. The rule says whether the batch is held or dropped.
    pub fn absent(self) {
        self.say(Fate::Absent);
    }

    /// The attempt failed, and why, in words for the person who looks the message up.
    pub fn failed(self, why: &str) {
        self.say(Fate::Failed(why.into()));
    }

    fn say(mut self, fate: Fate) {
        if let Some(tell) = self.tell.take() {
            tell(fate);
        }
    }
}

impl Drop for Acknowledger {
    fn drop(&mut self) {
        if let Some(tell) = self.tell.take() {
            tell(Fate::Released);
        }
    }
}

impl fmt::Debug for Acknowledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acknowledger").field("answered", &self.tell.is_none()).finish()
    }
}

/// The targets of a node by their kind.
#[derive(Clone, Default)]
pub(crate) struct Targets(Vec<(To, Arc<dyn Target>)>);

impl Targets {
    pub(crate) fn add(&mut self, to: To, target: Arc<dyn Target>) {
        self.0.push((to, target));
    }

    pub(crate) fn find(&self, to: To) -> Option<&Arc<dyn Target>> {
        self.0.iter().find(|(kind, _)| *kind == to).map(|(_, target)| target)
    }
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(to, _)| to)).finish()
    }
}
