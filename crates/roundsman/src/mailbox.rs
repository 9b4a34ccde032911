//! A stage's one mailbox: many senders, one reader that takes all that waits in one swap.
//!
//! A general channel pays for every message on both ends. Here the reader exchanges its empty
//! queue for the full one under the lock, so that reading costs once a drain and not once a
//! message, and both queues keep their storage. It is unbounded on purpose: what is in it is
//! bounded by demand.

use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

pub(crate) struct Mailbox<M> {
    inner: Mutex<Inner<M>>,
}

struct Inner<M> {
    queue: VecDeque<M>,
    reader: Option<Waker>,
    closed: bool,
}

impl<M> Mailbox<M> {
    pub(crate) fn new() -> Self {
        Self { inner: Mutex::new(Inner { queue: VecDeque::new(), reader: None, closed: false }) }
    }

    /// Puts a message at the end, or gives it back if the reader has closed the box.
    #[inline]
    pub(crate) fn push(&self, message: M) -> Result<(), M> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(message);
        }
        inner.queue.push_back(message);
        let reader = inner.reader.take();
        drop(inner);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    /// Waits until something is there, then moves all of it to the end of `into`; whether it had
    /// to wait.
    ///
    /// Cancel safe: nothing is moved before it returns.
    #[inline]
    pub(crate) async fn take(&self, into: &mut VecDeque<M>) -> bool {
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            self.poll_take(cx, into)
        })
        .await;
        polls > 1
    }

    /// Moves what is there now to the end of `into`, without waiting.
    #[inline]
    pub(crate) fn try_take(&self, into: &mut VecDeque<M>) {
        exchange(&mut self.lock().queue, into);
    }

    /// Refuses all further messages and returns those nobody read.
    pub(crate) fn close(&self) -> VecDeque<M> {
        let mut inner = self.lock();
        inner.closed = true;
        inner.reader = None;
        mem::take(&mut inner.queue)
    }

    #[inline]
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>, into: &mut VecDeque<M>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.queue.is_empty() {
            match &mut inner.reader {
                Some(known) => known.clone_from(cx.waker()),
                empty => *empty = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        exchange(&mut inner.queue, into);
        Poll::Ready(())
    }

    /// No code of ours panics under this lock, so a poisoned one still holds a whole queue.
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Inner<M>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[inline]
fn exchange<M>(from: &mut VecDeque<M>, into: &mut VecDeque<M>) {
    if into.is_empty() {
        mem::swap(from, into);
    } else {
        into.append(from);
    }
}
