//! The default dispatcher: events go to whoever has asked for most.

use super::{Deliver, Dispatcher, Joining};
use crate::{Reason, SubscriptionId};

/// Gives the next events to the consumer with the most demand.
///
/// Consumers with equal demand take turns: one that was served, or asked, goes behind its equals.
/// Events that come together are kept together; they are split only where a consumer wants fewer.
#[derive(Debug, Default)]
pub struct ByDemand {
    /// Most demand first.
    hungry: Vec<(usize, SubscriptionId)>,
    wanted: usize,
    /// The first ask seen: a consumer that asks for more than others gets more than its share.
    usual_ask: Option<usize>,
}

impl ByDemand {
    /// A dispatcher without consumers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn insert(&mut self, demand: usize, subscription: SubscriptionId) {
        let place = self.hungry.partition_point(|(other, _)| *other >= demand);
        self.hungry.insert(place, (demand, subscription));
    }

    fn remove(&mut self, subscription: SubscriptionId) -> Option<usize> {
        let place = self.hungry.iter().position(|(_, other)| *other == subscription)?;
        Some(self.hungry.remove(place).0)
    }
}

impl<E> Dispatcher<E> for ByDemand {
    fn subscribe(&mut self, joining: &Joining<E>) -> Result<(), Reason> {
        self.hungry.push((0, joining.subscription));
        Ok(())
    }

    fn cancel(&mut self, subscription: SubscriptionId) {
        if let Some(demand) = self.remove(subscription) {
            self.wanted -= demand;
        }
    }

    fn ask(&mut self, subscription: SubscriptionId, n: usize, _: Deliver<'_, E>) {
        let usual = *self.usual_ask.get_or_insert(n);
        if n > usual {
            tracing::warn!(asked = n, usual, "a consumer asks for more than the first one did");
        }
        if let [(demand, only)] = self.hungry.as_mut_slice()
            && *only == subscription
        {
            *demand += n;
            self.wanted += n;
        } else if let Some(demand) = self.remove(subscription) {
            self.insert(demand + n, subscription);
            self.wanted += n;
        }
    }

    fn wanted(&self) -> usize {
        self.wanted
    }

    fn dispatch(&mut self, mut events: Vec<E>, deliver: Deliver<'_, E>) {
        self.wanted -= events.len();
        while !events.is_empty() {
            let (demand, subscription) = self.hungry[0];
            let rest = events.split_off(demand.min(events.len()));
            let served = std::mem::replace(&mut events, rest);
            let left = demand - served.len();
            if self.hungry.len() == 1 {
                self.hungry[0].0 = left;
            } else {
                self.hungry.remove(0);
                self.insert(left, subscription);
            }
            deliver(subscription, served);
        }
    }
}
