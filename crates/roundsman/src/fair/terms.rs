//! What a key is owed: weight, caps and rate, for all keys and for those that are named.

use std::{borrow::Borrow, hash::Hash};

use rustc_hash::FxHashMap;

use crate::rate::Rate;

/// A share: how much credit a key gets for each turn, in thousandths; 1 unless told otherwise.
///
/// ```
/// use roundsman::fair::Weight;
///
/// assert_eq!(Weight::new(3).unwrap().thousandths(), 3000);
/// assert!(Weight::new(0).is_none() && Weight::new(1001).is_none());
/// assert!(Weight::from_thousandths(500).unwrap() < Weight::ONE);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u32);

impl Weight {
    /// The weight of whoever has none of its own.
    pub const ONE: Self = Self(1000);
    /// The largest there is, 1000.
    pub const MOST: Self = Self(1_000_000);

    /// A weight of whole units, from 1 to 1000.
    #[must_use]
    pub fn new(units: u32) -> Option<Self> {
        Self::from_thousandths(units.checked_mul(1000)?)
    }

    /// A weight in thousandths, from 1 to 1,000,000.
    #[must_use]
    pub fn from_thousandths(thousandths: u32) -> Option<Self> {
        (1..=Self::MOST.0).contains(&thousandths).then_some(Self(thousandths))
    }

    /// In thousandths.
    #[must_use]
    pub fn thousandths(self) -> u32 {
        self.0
    }

    /// What a turn is worth where one of weight 1 is worth `quantum`.
    pub(super) fn credit(self, quantum: u64) -> i64 {
        let credit = match self {
            Self::ONE => quantum,
            weight => quantum.saturating_mul(u64::from(weight.0)) / 1000,
        };
        i64::try_from(credit).unwrap_or(i64::MAX).clamp(1, i64::MAX / 4)
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ONE
    }
}

/// What one key is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Its share, against its siblings.
    pub weight: Weight,
    /// At most so many of it are served at once.
    pub most: u32,
    /// So many slots are held free for it.
    pub least: u32,
    /// How often it may have a turn.
    pub rate: Option<Rate>,
}

impl Terms {
    /// Weight 1 and no bound.
    pub const FREE: Self = Self { weight: Weight::ONE, most: u32::MAX, least: 0, rate: None };
}

impl Default for Terms {
    fn default() -> Self {
        Self::FREE
    }
}

/// What all keys are owed, and how turns are dealt. Acts at once, also on what waits.
///
/// ```
/// use roundsman::fair::{Policy, Scheduler, Terms};
///
/// let one_at_a_time = Terms { most: 1, ..Terms::FREE };
/// let policy = Policy::new(Terms::FREE).name(["team-9".to_owned()], one_at_a_time);
/// let mut turns: Scheduler<String> = Scheduler::new(policy, 10);
/// let user = turns.open(turns.root(), ["team-9", "user-1"]);
/// turns.ready(user, 0);
/// let next = turns.next(0).expect("it has work");
/// turns.start(next, None, 0);
/// assert_eq!(turns.next(0), None, "one of its team is being served");
/// ```
#[derive(Clone, Debug)]
pub struct Policy<P> {
    /// For every level of every path that is not named.
    pub every: Terms,
    /// Slots of each pool that only keys within their share may use.
    pub reserve: u32,
    /// Old keys have a turn when new ones have had so many usual turns' worth since the last.
    pub guard: u32,
    /// Old keys have a turn after this time at the latest, in microseconds.
    pub patience: u64,
    /// What a message costs until that is known.
    pub cost: u64,
    named: Outline<P>,
    terms: Vec<Terms>,
}

impl<P: Eq + Hash> Policy<P> {
    /// A policy with these terms for every key, a guard of 64 turns' worth and the patience of a second.
    #[must_use]
    pub fn new(every: Terms) -> Self {
        let (named, terms) = (Outline::default(), Vec::new());
        Self { every, reserve: 0, guard: 64, patience: 1_000_000, cost: 1000, named, terms }
    }

    /// Names the terms of one path; the last word on it counts.
    #[must_use]
    pub fn name(mut self, path: impl IntoIterator<Item = P>, terms: Terms) -> Self {
        let mut at = &mut self.named;
        for part in path {
            at = at.below.entry(part).or_default();
        }
        match at.terms {
            Some(number) => self.terms[(number - Self::NAMED) as usize] = terms,
            None => {
                at.terms = Some(Self::NAMED + self.terms.len() as u32);
                self.terms.push(terms);
            }
        }
        self
    }

    /// The number of the terms that every key has that is not named.
    pub(super) const EVERY: u32 = 0;
    /// The number of the terms without any bound.
    pub(super) const FREE: u32 = 1;
    /// The number of the terms that were named first.
    const NAMED: u32 = 2;

    pub(super) fn get(&self, number: u32) -> &Terms {
        match number {
            Self::EVERY => &self.every,
            Self::FREE => &Terms::FREE,
            number => self.terms.get((number - Self::NAMED) as usize).unwrap_or(&self.every),
        }
    }

    pub(super) fn outline(&self) -> &Outline<P> {
        &self.named
    }

    /// All slots that are held free for named keys.
    pub(super) fn held_free(&self) -> u32 {
        self.terms.iter().fold(0, |sum, terms| sum.saturating_add(terms.least))
    }
}

/// The named paths, as a tree.
#[derive(Clone, Debug)]
pub(super) struct Outline<P> {
    terms: Option<u32>,
    below: FxHashMap<P, Outline<P>>,
}

impl<P: Eq + Hash> Outline<P> {
    pub(super) fn below<Q: Eq + Hash + ?Sized>(&self, part: &Q) -> Option<&Self>
    where
        P: Borrow<Q>,
    {
        self.below.get(part)
    }

    pub(super) fn number(&self) -> u32 {
        self.terms.unwrap_or(Policy::<P>::EVERY)
    }
}

impl<P> Default for Outline<P> {
    fn default() -> Self {
        Self { terms: None, below: FxHashMap::default() }
    }
}
