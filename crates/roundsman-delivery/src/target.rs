//! Targets: where messages leave the house, and the acknowledger through which a target answers.

use crate::rule::{Rule, To};
use bytes::Bytes;
use roundsman_store::{DeadReason, Endpoint, Record, Timestamp};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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

    /// How many messages of a rule it can serve at once, where that is bounded. No more are handed
    /// to it, but for what it gets done while the next are claimed: what could only wait in it keeps
    /// its place in the turns of the keys instead.
    fn capacity(&self, _rule: usize) -> Option<usize> {
        None
    }

    /// How long a message of a rule takes once it has a slot, on average lately; `None` while that
    /// is not known, and then nothing is handed over ahead of the slots.
    fn service(&self, _rule: usize) -> Option<Duration> {
        None
    }

    /// How many messages a rule can serve at once for one of its [endpoints](Self::endpoint), where
    /// that is fewer than its [`capacity`](Self::capacity): so one that hangs leaves room to the
    /// others. Nothing is handed over ahead of these.
    fn endpoint_capacity(&self, _rule: usize) -> Option<usize> {
        None
    }

    /// What has to answer for the messages of a topic under a rule to be delivered, where that can
    /// be away for all of them at once. Asked whenever a lane comes up, so it is cheap, and always
    /// the same for the same rule and topic.
    ///
    /// A target that has endpoints says which of them is [parked](Acknowledger::parked). From then
    /// on messages for it stay in the store, but for one at a time, and the first of those that is
    /// answered in any other way opens it again.
    fn endpoint(&self, _rule: usize, _topic: &str) -> Option<Endpoint> {
        None
    }
}

/// Told once what became of a batch. Dropped without a word, the batch is *released*: handed back
/// without fault, to be dispatched again.
pub struct Acknowledger {
    tell: Option<Tell>,
    begun: Option<Timestamp>,
}

type Tell = Box<dyn FnOnce(Fate, Option<Timestamp>) + Send + Sync>;

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
    Failed(Trouble),
    /// Refused for good: dead now, for this reason.
    Refused(DeadReason, Trouble),
    /// Handed back unharmed, because its endpoint is parked.
    Parked {
        /// What does not answer.
        endpoint: Endpoint,
        /// Not before this moment is one message let through to try it.
        until: Timestamp,
    },
    /// Handed back unharmed.
    Released,
}

/// What went wrong with an attempt, for the person who looks the message up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// In words.
    pub what: Arc<str>,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// How the answer began; [`Failure::ANSWER`](roundsman_store::Failure::ANSWER) bytes of it are
    /// kept.
    pub answer: Bytes,
    /// The target asks for no further attempt before this moment.
    pub not_before: Option<Timestamp>,
}

impl From<&str> for Trouble {
    fn from(what: &str) -> Self {
        Self { what: what.into(), ..Self::default() }
    }
}

impl Acknowledger {
    /// One that tells `tell`.
    #[must_use]
    pub fn new(tell: impl FnOnce(Fate) + Send + Sync + 'static) -> Self {
        Self::timed(|fate, _| tell(fate))
    }

    /// One that tells `tell`, and when the target began.
    pub(crate) fn timed(
        tell: impl FnOnce(Fate, Option<Timestamp>) + Send + Sync + 'static,
    ) -> Self {
        Self { tell: Some(Box::new(tell)), begun: None }
    }

    /// The target begins with the batch at this moment: for what it waited in the target before,
    /// its key does not pay. Unsaid, the target began when it was given the batch.
    pub fn begun(&mut self, at: Timestamp) {
        self.begun = Some(at);
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

    /// The attempt failed, and why: a few words, or [`Trouble`] where more is known.
    pub fn failed(self, why: impl Into<Trouble>) {
        self.say(Fate::Failed(why.into()));
    }

    /// The target refused every message for good, and why: no further attempt, they are dead.
    pub fn refused(self, reason: DeadReason, why: impl Into<Trouble>) {
        self.say(Fate::Refused(reason, why.into()));
    }

    /// `endpoint` does not answer: every message is handed back unharmed, no attempt counted. All
    /// that is meant for it waits in the store, but for one message that is let through from
    /// `until` on; answered with anything but this, it opens the endpoint again.
    pub fn parked(self, endpoint: Endpoint, until: Timestamp) {
        self.say(Fate::Parked { endpoint, until });
    }

    fn say(mut self, fate: Fate) {
        if let Some(tell) = self.tell.take() {
            tell(fate, self.begun);
        }
    }
}

impl Drop for Acknowledger {
    fn drop(&mut self) {
        if let Some(tell) = self.tell.take() {
            tell(Fate::Released, self.begun);
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

    /// How many messages rule `number` can serve at once, where that is bounded.
    pub(crate) fn capacity(&self, number: usize, rule: &Rule) -> Option<usize> {
        self.find(rule.to)?.capacity(number)
    }

    /// How long a message of rule `number` takes once it has a slot, where that is known.
    pub(crate) fn service(&self, number: usize, rule: &Rule) -> Option<Duration> {
        self.find(rule.to)?.service(number)
    }

    /// How many messages rule `number` can serve at once for one endpoint, where that is bounded.
    pub(crate) fn endpoint_capacity(&self, number: usize, rule: &Rule) -> Option<usize> {
        self.find(rule.to)?.endpoint_capacity(number)
    }

    /// The endpoint of a topic's messages under rule `number`.
    pub(crate) fn endpoint(&self, number: usize, rule: &Rule, topic: &str) -> Option<Endpoint> {
        self.find(rule.to)?.endpoint(number, topic)
    }
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(to, _)| to)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn an_answer_says_when_the_target_began_however_it_comes() {
        let (tell, told) = mpsc::channel();
        let acknowledger = |begun: Option<i64>| {
            let tell = tell.clone();
            let mut it = Acknowledger::timed(move |fate, begun| tell.send((fate, begun)).unwrap());
            begun.into_iter().for_each(|at| it.begun(Timestamp(at)));
            it
        };
        acknowledger(Some(7)).delivered();
        drop(acknowledger(Some(8)));
        acknowledger(None).sent();
        let told: Vec<_> = told.try_iter().collect();
        let at = |micros| Some(Timestamp(micros));
        assert_eq!(told[0], (Fate::Delivered, at(7)));
        assert_eq!(told[1], (Fate::Released, at(8)));
        assert_eq!(told[2], (Fate::Sent, None), "then it began when it was given the batch");
    }
}
