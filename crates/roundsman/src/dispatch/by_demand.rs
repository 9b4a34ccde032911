//! The default dispatcher: events go to whoever has asked for most.

use super::{Deliver, Dispatcher, Joining};
use crate::{Reason, SubscriptionId};

/// Gives the next events to the consumer with the most demand.
///
/// Consumers with equal demand take turns: one that was served, or asked, goes behind its equals.
/// Events that come together are kept together; they are split only where a consumer wants fewer.
///
/// ```
/// use roundsman::{ByDemand, Dispatcher, SubscriptionId, dispatch::{Joining, Place, StageId}};
///
/// let mut by_demand = ByDemand::new();
/// let ids = [1, 2].map(SubscriptionId::from_number);
/// for (id, asks) in ids.into_iter().zip([3, 5]) {
///     let consumer = StageId::from_number(asks);
///     by_demand.subscribe(&Joining::<char> {
///         subscription: id, consumer, max_demand: asks, place: Place::default(),
///     })?;
///     Dispatcher::<char>::ask(&mut by_demand, id, asks, &mut |_, _| {});
/// }
/// let mut got = Vec::new();
/// by_demand.dispatch(vec!['a'], &mut |to, events| got.push((to, events)));
/// assert_eq!(got, [(ids[1], vec!['a'])]); // it had asked for most
/// # Ok::<(), roundsman::Reason>(())
/// ```
#[derive(Debug, Default)]
pub struct ByDemand {
    /// Most demand first.
    hungry: Vec<(usize, SubscriptionId)>,
    wanted: usize,
    /// The first ask seen: a consumer that asks for more than others gets more than its share.
    usual_ask: Option<usize>,
    /// To be used once, before the first dispatch.
    shuffle: Option<u64>,
}

impl ByDemand {
    /// A dispatcher without consumers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A dispatcher that puts its consumers in a random order before it first dispatches.
    ///
    /// Where many producers have the same consumers, subscribed in the same order, they do not
    /// all begin with the first of them. Give each producer a seed of its own.
    #[must_use]
    pub fn shuffled(seed: u64) -> Self {
        Self { shuffle: Some(seed), ..Self::default() }
    }

    /// Fisher and Yates' shuffle by the numbers of splitmix64; then most demand first again.
    fn shuffle(&mut self, mut seed: u64) {
        for last in (1..self.hungry.len()).rev() {
            seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = seed;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let at = ((u128::from(mixed ^ (mixed >> 31)) * (last as u128 + 1)) >> 64) as usize;
            self.hungry.swap(last, at);
        }
        self.hungry.sort_by_key(|(demand, _)| std::cmp::Reverse(*demand));
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
        if let Some(seed) = self.shuffle.take() {
            self.shuffle(seed);
        }
        self.wanted -= events.len();
        if let [(demand, only)] = self.hungry.as_mut_slice() {
            *demand -= events.len();
            deliver(*only, events);
            return;
        }
        while !events.is_empty() {
            let (demand, subscription) = self.hungry[0];
            let rest = events.split_off(demand.min(events.len()));
            let served = std::mem::replace(&mut events, rest);
            let left = demand - served.len();
            self.hungry.remove(0);
            self.insert(left, subscription);
            deliver(subscription, served);
        }
    }
}
