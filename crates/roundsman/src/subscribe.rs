//! The terms of a subscription: how much is asked for, and what follows when it ends.

use std::{fmt, num::NonZeroU32};

use crate::Reason;

/// Names a subscription at the stage that shows it.
///
/// Both sides of a subscription have an id of their own for it; an id means nothing elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(pub(crate) u64);

impl SubscriptionId {
    /// An id with this number, for tests of a dispatcher of one's own.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// What a consumer does when a subscription ends from the other side.
///
/// ```
/// use roundsman::{Cancel, Reason};
///
/// let failed = Reason::failed("no connection");
/// assert!(Cancel::Permanent.ends_with(&Reason::Normal) && Cancel::Permanent.ends_with(&failed));
/// assert!(!Cancel::Transient.ends_with(&Reason::Normal) && Cancel::Transient.ends_with(&failed));
/// assert!(!Cancel::Temporary.ends_with(&failed));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cancel {
    /// Ends too, for the same reason.
    #[default]
    Permanent,
    /// Ends too, unless the reason was an orderly one ([`Reason::is_orderly`]).
    Transient,
    /// Stays.
    Temporary,
}

impl Cancel {
    /// Whether the consumer ends when the subscription did, for `reason`.
    #[must_use]
    pub fn ends_with(self, reason: &Reason) -> bool {
        match (self, reason) {
            (_, Reason::AlreadySubscribed) | (Self::Temporary, _) => false,
            (Self::Permanent, _) => true,
            (Self::Transient, reason) => !reason.is_orderly(),
        }
    }
}

/// Who asks the producer for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The stage does, by `max_demand` and `min_demand`.
    #[default]
    Automatic,
    /// The handler does, with `ask`; messages are handed over whole.
    Manual,
}

/// On which side of a subscription the *other* stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The other stage is the producer: events come from it.
    Producer,
    /// The other stage is the consumer: events go to it.
    Consumer,
}

/// How a subscription ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parting {
    /// One of the two cancelled it and lives on.
    Cancelled(Reason),
    /// The other stage ended.
    Ended(Reason),
}

impl Parting {
    /// Why.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        match self {
            Self::Cancelled(reason) | Self::Ended(reason) => reason,
        }
    }
}

/// The terms of a subscription.
///
/// `max_demand` is how many events may be under way to the consumer. Choose it for the time an
/// event takes: 1000, the default, suits cheap events; slow ones (a request each) want a few
/// times what is handled at once. `min_demand` says how low the demand may fall before more is
/// asked for; half of `max_demand` unless said otherwise.
///
/// ```
/// use roundsman::{Cancel, Subscribe};
///
/// let terms = Subscribe::default().max_demand(100).min_demand(80).cancel(Cancel::Temporary);
/// assert!(terms.check().is_ok());
/// assert!(terms.max_demand(80).check().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe {
    max: usize,
    min: Option<usize>,
    cancel: Cancel,
    weight: Option<NonZeroU32>,
}

impl Default for Subscribe {
    fn default() -> Self {
        Self { max: 1000, min: None, cancel: Cancel::default(), weight: None }
    }
}

impl Subscribe {
    /// With at most `max` events asked for; at least 1.
    #[must_use]
    pub fn max_demand(self, max: usize) -> Self {
        Self { max, ..self }
    }

    /// Asks again once no more than `min` are outstanding; below `max_demand`.
    #[must_use]
    pub fn min_demand(self, min: usize) -> Self {
        Self { min: Some(min), ..self }
    }

    /// With this answer to the subscription's end.
    #[must_use]
    pub fn cancel(self, cancel: Cancel) -> Self {
        Self { cancel, ..self }
    }

    /// With this weight beside the other producers of the consumer; 0 counts as 1.
    ///
    /// While events of several producers wait in the consumer, each producer's are handled, and so
    /// asked for again, in proportion to its weight: with 3 and 1, three of one for each of the
    /// other. Where only one has events waiting, it gets all there is: nothing is kept free for a
    /// producer that has nothing, and none saves up for later. A message is one turn, and is paid
    /// for by its events.
    ///
    /// A share needs events that wait: leave `min_demand` above 0, so that the next are there while
    /// these are handled. As soon as one subscription of a consumer has a weight, those without
    /// count as 1; where none has, events are handled in the order in which they came.
    ///
    /// ```
    /// use roundsman::{Mode, Subscribe, from_iter, testing::Probe};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let urgent = roundsman::producer(from_iter(0..1000)).spawn();
    /// let others = roundsman::producer(from_iter(1000..2000)).spawn();
    /// let (probe, mut saw) = Probe::new(Mode::Automatic);
    /// let consumer = roundsman::consumer(probe).spawn();
    /// let terms = Subscribe::default().max_demand(10).cancel(roundsman::Cancel::Temporary);
    /// consumer.inlet.subscribe(&urgent.outlet, terms.weight(3))?;
    /// consumer.inlet.subscribe(&others.outlet, terms.weight(1))?;
    ///
    /// let mut all = saw.events(2000).await; // each in its order, and none is left behind
    /// all.sort();
    /// assert_eq!(all, (0..2000).collect::<Vec<_>>());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn weight(self, weight: u32) -> Self {
        Self { weight: Some(NonZeroU32::new(weight).unwrap_or(NonZeroU32::MIN)), ..self }
    }

    /// How many events may be under way.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    /// How many are still outstanding when more is asked for.
    #[must_use]
    pub fn min(&self) -> usize {
        self.min.unwrap_or(self.max / 2)
    }

    /// What happens to the consumer when the subscription ends.
    #[must_use]
    pub fn on_cancel(&self) -> Cancel {
        self.cancel
    }

    /// What it counts beside the consumer's other producers, if that was said.
    #[must_use]
    pub fn share(&self) -> Option<NonZeroU32> {
        self.weight
    }

    /// Whether the bounds make sense together.
    ///
    /// # Errors
    /// Names the bound that does not hold, and its value.
    pub fn check(&self) -> Result<(), SubscribeError> {
        if self.max == 0 {
            return Err(SubscribeError::NoDemand);
        }
        if self.min() >= self.max {
            return Err(SubscribeError::MinNotBelowMax { min: self.min(), max: self.max });
        }
        Ok(())
    }
}

/// Why a subscription could not be begun; the stage goes on without it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// `max_demand` was 0.
    NoDemand,
    /// `min_demand` was not below `max_demand`.
    MinNotBelowMax {
        /// The `min_demand` given.
        min: usize,
        /// The `max_demand` it must be below.
        max: usize,
    },
    /// The consumer has ended.
    ConsumerEnded,
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDemand => f.write_str("max_demand must be at least 1, and is 0"),
            Self::MinNotBelowMax { min, max } => {
                write!(f, "min_demand must be below max_demand ({max}), and is {min}")
            }
            Self::ConsumerEnded => f.write_str("the consumer has ended"),
        }
    }
}

impl std::error::Error for SubscribeError {}
