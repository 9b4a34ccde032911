//! What of a stage's events a subscription is for: a partition, a selection, or all.

use std::{fmt, sync::Arc};

/// Names a partition: a number, or a text where partitions were given names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Partition {
    /// Counted from 0.
    Number(usize),
    /// By its name.
    Name(Arc<str>),
}

impl From<usize> for Partition {
    fn from(number: usize) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Partition {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => write!(f, "{name:?}"),
        }
    }
}

/// Says of each event whether a consumer is to get it.
pub type Selector<E> = Arc<dyn Fn(&E) -> bool + Send + Sync>;

/// What of a stage's events a subscription is for. Dispatchers read of it what concerns them.
pub struct Place<E> {
    /// The partition, where the dispatcher has any.
    pub partition: Option<Partition>,
    /// The selection, where the dispatcher selects; all without one.
    pub selector: Option<Selector<E>>,
}

impl<E> Clone for Place<E> {
    fn clone(&self) -> Self {
        Self { partition: self.partition.clone(), selector: self.selector.clone() }
    }
}

impl<E> Default for Place<E> {
    fn default() -> Self {
        Self { partition: None, selector: None }
    }
}

impl<E> fmt::Debug for Place<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place")
            .field("partition", &self.partition)
            .field("selects", &self.selector.is_some())
            .finish()
    }
}
