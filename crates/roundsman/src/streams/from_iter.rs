//! A producer of what an iterator yields.

use std::fmt;

use super::{Audience, WhenLeft};
use crate::{Emitter, Parting, Producer, Reason, Subscribe, SubscriptionId};

/// A producer that yields the iterator's items, as many as are asked for, and ends after the last.
///
/// The iterator is advanced on the stage's task: one that blocks blocks a thread of the runtime.
///
/// ```
/// use roundsman::{Reason, Subscribe, from_iter, streams::EventStream};
/// use futures_util::TryStreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let letters = roundsman::producer(from_iter("abc".chars())).spawn();
/// let out = EventStream::new().subscribe(&letters.outlet, Subscribe::default())?;
/// let text: Result<String, Reason> = out.try_collect().await;
/// assert_eq!(text, Ok("abc".to_owned()));
/// # Ok(())
/// # }
/// ```
pub fn from_iter<I>(items: I) -> FromIter<I::IntoIter>
where
    I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
{
    FromIter { items: items.into_iter(), audience: Audience::default() }
}

/// The producer that [`from_iter`] makes.
pub struct FromIter<I> {
    items: I,
    audience: Audience,
}

impl<I> FromIter<I> {
    /// Ends, with [`Reason::Shutdown`], when the last consumer leaves, rather than wait for the next.
    #[must_use]
    pub fn end_when_left(mut self) -> Self {
        self.audience.when_left = WhenLeft::End;
        self
    }
}

impl<I> Producer for FromIter<I>
where
    I: Iterator<Item: Send + 'static> + Send + 'static,
{
    type Event = I::Item;
    type Info = ();

    async fn handle_demand(
        &mut self,
        n: usize,
        out: &mut Emitter<'_, I::Item>,
    ) -> Result<(), Reason> {
        let mut missing = n;
        out.extend(self.items.by_ref().take(n).inspect(|_| missing -= 1));
        if missing > 0 { Err(Reason::Normal) } else { Ok(()) }
    }

    async fn handle_subscribe(
        &mut self,
        _: SubscriptionId,
        _: &Subscribe,
        _: &mut Emitter<'_, I::Item>,
    ) -> Result<(), Reason> {
        self.audience.joined();
        Ok(())
    }

    async fn handle_cancel(
        &mut self,
        _: SubscriptionId,
        _: Parting,
        _: &mut Emitter<'_, I::Item>,
    ) -> Result<(), Reason> {
        self.audience.left()
    }
}

impl<I> fmt::Debug for FromIter<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromIter").field("audience", &self.audience).finish_non_exhaustive()
    }
}
