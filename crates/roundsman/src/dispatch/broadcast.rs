//! The dispatcher that gives every event to every consumer.

use super::{Deliver, Dispatcher, Joining, Selector, StageId};
use crate::{Reason, SubscriptionId};

/// Gives every event to all consumers, or to those whose selector picks it.
///
/// It wants what the consumer with the least demand wants, so the slowest sets the pace and no
/// consumer gets ahead of another by more than its own demand. A newcomer has asked for nothing
/// yet, and holds up the rest until it does. A stage may subscribe once; a second time is
/// refused with [`Reason::AlreadySubscribed`], which ends nobody.
///
/// What a selector leaves out costs its consumer nothing: its demand stays as it is.
///
/// ```
/// use roundsman::{Broadcast, Mode, Subscribe, from_iter, testing::Probe};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let numbers = roundsman::producer(from_iter(0..4)).dispatcher(Broadcast::new()).accumulate().spawn();
/// let (all, mut saw_all) = Probe::new(Mode::Automatic);
/// let (even, mut saw_even) = Probe::new(Mode::Automatic);
/// let (all, even) = (roundsman::consumer(all).spawn(), roundsman::consumer(even).spawn());
/// all.inlet.subscribe(&numbers.outlet, Subscribe::default())?;
/// even.inlet.subscribe(&numbers.outlet.select(|n| n % 2 == 0), Subscribe::default())?;
/// saw_all.subscription().await;
/// saw_even.subscription().await;
/// numbers.set_demand_mode(roundsman::DemandMode::Forward); // both are there
/// assert_eq!(saw_all.events(4).await, [0, 1, 2, 3]);
/// assert_eq!(saw_even.events(2).await, [0, 2]);
/// # Ok(())
/// # }
/// ```
pub struct Broadcast<E> {
    members: Vec<Member<E>>,
    /// The least demand of any member, and how many have no more: an ask by another member
    /// changes neither, and none has to be looked for.
    least: usize,
    at_least: usize,
}

struct Member<E> {
    subscription: SubscriptionId,
    stage: StageId,
    demand: usize,
    selector: Option<Selector<E>>,
}

impl<E> Broadcast<E> {
    /// A dispatcher without consumers.
    #[must_use]
    pub fn new() -> Self {
        Self { members: Vec::new(), least: 0, at_least: 0 }
    }

    fn look_for_least(&mut self) {
        self.least = self.members.iter().map(|member| member.demand).min().unwrap_or(0);
        self.at_least = self.members.iter().filter(|member| member.demand == self.least).count();
    }
}

impl<E: Clone> Dispatcher<E> for Broadcast<E> {
    fn subscribe(&mut self, joining: &Joining<E>) -> Result<(), Reason> {
        if self.members.iter().any(|member| member.stage == joining.consumer) {
            return Err(Reason::AlreadySubscribed);
        }
        self.members.push(Member {
            subscription: joining.subscription,
            stage: joining.consumer,
            demand: 0,
            selector: joining.place.selector.clone(),
        });
        self.look_for_least();
        Ok(())
    }

    /// None: all others have theirs already.
    fn take_back(&mut self, _: SubscriptionId, _: Vec<E>) -> Vec<E> {
        Vec::new()
    }

    fn cancel(&mut self, subscription: SubscriptionId) {
        self.members.retain(|member| member.subscription != subscription);
        self.look_for_least();
    }

    fn ask(&mut self, subscription: SubscriptionId, n: usize, _: Deliver<'_, E>) {
        let asking = self.members.iter_mut().find(|member| member.subscription == subscription);
        let Some(member) = asking else { return };
        let was_least = member.demand == self.least;
        member.demand += n;
        if was_least && n > 0 {
            self.at_least -= 1;
            if self.at_least == 0 {
                self.look_for_least();
            }
        }
    }

    fn wanted(&self) -> usize {
        self.least
    }

    fn dispatch(&mut self, events: Vec<E>, deliver: Deliver<'_, E>) {
        let Some((last, others)) = self.members.split_last_mut() else { return };
        for member in others {
            let copies = match &member.selector {
                None => events.clone(),
                Some(picks) => events.iter().filter(|event| picks(event)).cloned().collect(),
            };
            member.take(copies, deliver);
        }
        let mut events = events;
        if let Some(picks) = &last.selector {
            events.retain(|event| picks(event));
        }
        last.take(events, deliver);
        self.look_for_least();
    }
}

impl<E> Member<E> {
    fn take(&mut self, events: Vec<E>, deliver: Deliver<'_, E>) {
        if !events.is_empty() {
            self.demand -= events.len();
            deliver(self.subscription, events);
        }
    }
}

impl<E> Default for Broadcast<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> std::fmt::Debug for Broadcast<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broadcast")
            .field("members", &self.members.len())
            .field("least", &self.least)
            .finish_non_exhaustive()
    }
}
