//! What one augmentation goes by.

use super::lookup::Lookup;
use super::pointer::Pointer;
use bytes::Bytes;
use roundsman_store::{Endpoint, Pattern};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One augmentation: what is looked up for which messages, where it goes, and within which bounds.
///
/// ```
/// use roundsman_delivery::{Augment, Found, Value};
///
/// let names = |ids: Vec<Value>| Ok(ids.into_iter().map(|id| (id, "\"Ada\"".into())).collect::<Found>());
/// let augment = Augment::new("names", "/user_id", "/name", names)?;
/// let gentle = Augment { concurrency: 2, ..augment };
/// assert_eq!(gentle.batch, 100);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone)]
pub struct Augment {
    /// Its name, in metrics, in messages' troubles and in the mark of what was delivered without.
    pub name: Arc<str>,
    /// Which messages.
    pub topics: Pattern,
    /// What of the payload is looked up: a string, a number, `true` or `false`. A message without
    /// it passes unchanged.
    pub value: Pointer,
    /// Where what was found goes.
    pub into: Pointer,
    /// Queries at once, at most.
    pub concurrency: usize,
    /// Values in one query, at most.
    pub batch: usize,
    /// How long the first value of a query waits for others.
    pub batch_wait: Duration,
    /// Queries a second, at most; kept in every tenth of a second.
    pub rate: Option<f64>,
    /// How long a query may take, all of its answer included.
    pub timeout: Duration,
    /// How long an answer serves, that there is nothing included; zero: not at all.
    pub cache: Duration,
    /// Bytes of answers that are kept, at most.
    pub cache_bytes: u64,
    /// How long beyond that an answer serves while a new one is fetched.
    pub stale: Duration,
    /// What becomes of messages whose query failed.
    pub on_failure: OnFailure,
    /// What becomes of messages that there is nothing for.
    pub on_missing: OnMissing,
    /// How a source that fails is tried again: after the first of these spans, each time twice as
    /// long, up to the second.
    pub probe: (Duration, Duration),
    /// What is made of a payload and what was found for it, before it goes in.
    pub shape: Option<Arc<dyn Shape>>,
    /// Where it is found.
    pub lookup: Arc<dyn Lookup>,
}

/// What becomes of messages whose query failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// They are tried again as after a failed delivery.
    #[default]
    Retry,
    /// They are delivered as they are, but for the augmentation's name in `/augment_failed`.
    Deliver,
    /// They are dead.
    Dead,
}

/// What becomes of messages that there is nothing for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnMissing {
    /// They are delivered as they are.
    #[default]
    Deliver,
    /// They are dead.
    Dead,
    /// This takes the place of what was not found, as JSON.
    Default(Bytes),
}

/// Makes what goes into a message of what was found.
pub trait Shape: Send + Sync + 'static {
    /// What goes into this payload, as JSON.
    ///
    /// # Errors
    /// It cannot be made, and why; trying again would not help, so the message is dead, or
    /// delivered as it is.
    fn shape(&self, payload: &[u8], found: &[u8]) -> Result<Bytes, String>;
}

impl Augment {
    /// An augmentation with every default: what stands at `value` is looked up, and what is found
    /// goes to `into`; both are JSON pointers into the payload.
    ///
    /// # Errors
    /// One of the two is no pointer.
    pub fn new(name: &str, value: &str, into: &str, lookup: impl Lookup) -> Result<Self, String> {
        Ok(Self {
            name: name.into(),
            topics: Pattern::new("*"),
            value: value.parse()?,
            into: into.parse()?,
            concurrency: 10,
            batch: 100,
            batch_wait: Duration::from_millis(2),
            rate: None,
            timeout: Duration::from_secs(1),
            cache: Duration::ZERO,
            cache_bytes: 64 << 20,
            stale: Duration::ZERO,
            on_failure: OnFailure::Retry,
            on_missing: OnMissing::Deliver,
            probe: (Duration::from_secs(1), Duration::from_mins(1)),
            shape: None,
            lookup: Arc::new(lookup),
        })
    }

    /// What messages wait for while its source is left alone.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::of(&format!("augment:{}", self.name))
    }
}

impl fmt::Debug for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Augment")
            .field("name", &self.name)
            .field("topics", &self.topics)
            .field("value", &self.value)
            .field("into", &self.into)
            .finish_non_exhaustive()
    }
}
