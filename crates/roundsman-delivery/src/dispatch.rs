//! How turns are dealt: what a key pays with, and what named keys are owed.

use roundsman::fair::{Policy, Rate, Terms, Weight};
use roundsman_store::{Key, KeyError};

/// Demand of a node, and how it is shared between keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// Messages in flight at most.
    pub max_in_flight: usize,
    /// Payload bytes in flight at most; one message always goes.
    pub max_bytes: usize,
    /// Messages of one key in flight at most, at every level of its path, unless
    /// [`max_slots`](Self::max_slots) names it.
    pub per_key: usize,
    /// What a key pays with.
    pub charge: Charge,
    /// Shares of named keys; 1 where unnamed.
    pub weights: Vec<(Key, Weight)>,
    /// Slots held free for named keys.
    pub min_slots: Vec<(Key, u32)>,
    /// Messages of named keys in flight at most.
    pub max_slots: Vec<(Key, u32)>,
    /// Slots that only keys within their share may use.
    pub reserve: u32,
    /// How often one key may have a turn, at every level of its path.
    pub rate_per_key: Option<Rate>,
}

/// What a key pays with; settled after delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charge {
    /// The time a message was with its target, in microseconds.
    #[default]
    Time,
    /// The bytes of its payload.
    Bytes,
    /// One for each message.
    Count,
}

impl Default for Dispatch {
    fn default() -> Self {
        Self {
            max_in_flight: 1000,
            max_bytes: 64 << 20,
            per_key: 100,
            charge: Charge::Time,
            weights: Vec::new(),
            min_slots: Vec::new(),
            max_slots: Vec::new(),
            reserve: 0,
            rate_per_key: None,
        }
    }
}

impl Charge {
    /// What a message costs as far as is known before it is served.
    pub(crate) fn before(self, bytes: usize) -> Option<u64> {
        match self {
            Self::Time => None,
            Self::Bytes => Some(bytes as u64),
            Self::Count => Some(Self::EACH),
        }
    }

    /// The cost of a message when messages are counted.
    const EACH: u64 = 1000;
}

/// Why a key was given no share or no cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// It is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It is no weight.
    #[error("a weight is a whole number from 1 to 1000, not {0}")]
    Weight(u32),
    /// It is no cap.
    #[error("a cap is at least 1")]
    Cap,
}

impl Dispatch {
    /// With this share for a key in its written form, against its siblings' of 1.
    ///
    /// # Errors
    /// That is no key, or no weight.
    pub fn weigh(mut self, key: &str, weight: u32) -> Result<Self, ShareError> {
        let weighed = Weight::new(weight).ok_or(ShareError::Weight(weight))?;
        self.weights.push((Key::parse(key)?, weighed));
        Ok(self)
    }

    /// With at most so many messages of a key, in its written form, in flight.
    ///
    /// # Errors
    /// That is no key, or no cap.
    pub fn cap(mut self, key: &str, slots: u32) -> Result<Self, ShareError> {
        self.max_slots.push((Key::parse(key)?, slots));
        if slots > 0 { Ok(self) } else { Err(ShareError::Cap) }
    }

    /// Whether slots are held free for anybody.
    pub(crate) fn keeps_slots(&self) -> bool {
        self.reserve > 0 || self.min_slots.iter().any(|(_, slots)| *slots > 0)
    }

    /// As the scheduler wants it.
    pub(crate) fn policy(&self) -> Policy<Box<str>> {
        let every = Terms {
            most: u32::try_from(self.per_key).unwrap_or(u32::MAX),
            rate: self.rate_per_key,
            ..Terms::FREE
        };
        let keys = self.weights.iter().map(|(key, _)| key);
        let keys = keys.chain(self.min_slots.iter().map(|(key, _)| key));
        let keys = keys.chain(self.max_slots.iter().map(|(key, _)| key));
        let mut policy = keys.fold(Policy::new(every), |policy, key| {
            let terms = Terms {
                weight: find(&self.weights, key).unwrap_or_default(),
                least: find(&self.min_slots, key).unwrap_or(0),
                most: find(&self.max_slots, key).unwrap_or(every.most),
                ..every
            };
            policy.name(parts(key).map(Box::from), terms)
        });
        policy.reserve = self.reserve;
        policy
    }
}

fn find<T: Copy>(named: &[(Key, T)], key: &Key) -> Option<T> {
    named.iter().rev().find(|(other, _)| other == key).map(|(_, value)| *value)
}

/// The parts of a key in their written form: equal where the parts are.
pub(crate) fn parts(key: &Key) -> impl Iterator<Item = &str> {
    key.as_str().split('/')
}

/// Every path that a written key begins with, widest first; the last is the key itself.
pub(crate) fn paths(key: &str) -> impl Iterator<Item = &str> {
    let inner = key.match_indices('/').map(|(at, _)| &key[..at]);
    inner.chain(std::iter::once(key))
}
