//! Why a stage ended or a subscription was given up, as a value.

use std::{any::Any, fmt, sync::Arc};

/// Why a stage ended, or why a subscription did.
///
/// Any error becomes a reason through `?`, so that a handler needs no mapping of its own. It
/// follows that `Reason` is not itself an [`std::error::Error`].
///
/// ```
/// use roundsman::Reason;
///
/// fn parse(text: &str) -> Result<u64, Reason> {
///     Ok(text.parse::<u64>()?)
/// }
/// assert_eq!(parse("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The work is done. A stage that ends for this reason lets its buffered events leave first.
    Normal,
    /// Somebody told it to stop.
    Shutdown,
    /// The producer was gone when the subscription was made.
    NoProducer,
    /// The dispatcher takes one subscription of a stage, and there is one. Stops no consumer.
    AlreadySubscribed,
    /// The dispatcher has no place for the subscription; the text says why.
    Refused(Arc<str>),
    /// A handler returned an error; the text is what it said.
    Failed(Arc<str>),
    /// A handler panicked; the text is the panic's message.
    Panicked(Arc<str>),
    /// The task was dropped before the stage ended: it was killed, or its runtime shut down.
    Killed,
}

impl Reason {
    /// A failure in the words of `what`.
    pub fn failed(what: impl fmt::Display) -> Self {
        Self::Failed(what.to_string().into())
    }

    /// Whether this is an orderly end: [`Reason::Normal`] or [`Reason::Shutdown`].
    ///
    /// A transient subscription survives an orderly end of its producer and no other.
    #[must_use]
    pub fn is_orderly(&self) -> bool {
        matches!(self, Self::Normal | Self::Shutdown)
    }

    /// Reads the message out of what a panic carried.
    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a text".to_owned());
        Self::Panicked(text.into())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("done"),
            Self::Shutdown => f.write_str("told to stop"),
            Self::NoProducer => f.write_str("the producer had already ended"),
            Self::AlreadySubscribed => f.write_str("this stage is already subscribed"),
            Self::Refused(why) | Self::Failed(why) => f.write_str(why),
            Self::Panicked(text) => write!(f, "panicked: {text}"),
            Self::Killed => f.write_str("dropped before it had ended"),
        }
    }
}

impl<E: std::error::Error> From<E> for Reason {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}
