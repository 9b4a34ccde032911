//! Lookups: where what messages lack is found.

use crate::Trouble;
use bytes::Bytes;
use futures_util::FutureExt;
use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What is looked up: a string, a number, `true` or `false`, as JSON, the way the sender wrote it.
pub type Value = Arc<str>;

/// What there is for each value that there is something for, as JSON. A value that is not in it is
/// missing; one that was not asked for is let go.
pub type Found = HashMap<Value, Bytes>;

/// An answer on its way.
pub type Finding = Pin<Box<dyn Future<Output = Result<Found, Trouble>> + Send>>;

/// Where what messages lack is found: a database, a service, a table in memory.
///
/// Asked for values that are all different, as many as are looked up together at most. Never more
/// often, nor for more at once, than the augmentation says; an answer that takes longer than its
/// `timeout` is dropped. A lookup that panics has failed.
///
/// ```
/// use roundsman_delivery::{Finding, Lookup, Value};
///
/// /// Knows how long a name is.
/// struct Lengths;
///
/// impl Lookup for Lengths {
///     fn look_up(&self, names: Vec<Value>) -> Finding {
///         Box::pin(async move {
///             let length = |name: &Value| (name.len() - 2).to_string().into();
///             Ok(names.into_iter().map(|name| (name.clone(), length(&name))).collect())
///         })
///     }
/// }
/// ```
pub trait Lookup: Send + Sync + 'static {
    /// Finds what there is for these values.
    ///
    /// # Errors
    /// [`Trouble`] says what went wrong with all of them; where it has a
    /// [`not_before`](Trouble::not_before), nothing more is asked before that moment.
    fn look_up(&self, values: Vec<Value>) -> Finding;
}

impl<F> Lookup for F
where
    F: Fn(Vec<Value>) -> Result<Found, Trouble> + Send + Sync + 'static,
{
    fn look_up(&self, values: Vec<Value>) -> Finding {
        Box::pin(std::future::ready(self(values)))
    }
}

/// What a lookup says within its time, and whether that ran out.
pub(super) async fn answer(
    lookup: &dyn Lookup,
    values: Vec<Value>,
    within: Duration,
) -> (Result<Found, Trouble>, bool) {
    let asked = AssertUnwindSafe(async { lookup.look_up(values).await }).catch_unwind();
    match timeout(within, asked).await {
        Ok(Ok(answer)) => (answer, false),
        Ok(Err(_)) => (Err("the lookup panicked".into()), false),
        Err(_) => (Err(format!("no answer within {within:?}").as_str().into()), true),
    }
}
