//! One socket, one task: reads, writes, and the times by which something has to happen.
//!
//! ```text
//!           ┌──────────────── session ────────────────┐
//!  client ─►│ wire ─frames─► talk ─answers─► outbox ──┼─► wire ─► client
//!           └───────────────────────────────▲─────────┘
//!                                  hub ─────┘ shares, orders to close
//! ```
//!
//! A turn reads what has come, then writes all that waits in one go, then reports what the kernel
//! took. A client that does not read holds up its own socket only, and only for so long.

use super::chunk::Share;
use super::close::Close;
use super::frame::NoFrame;
use super::hub::Limits;
use super::outbox::Item;
use super::talk::Talk;
use super::wire::Wire;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};

/// One socket that is open.
pub(super) struct Session {
    wire: Wire,
    talk: Talk,
    /// Shares of what the wire is writing, to be reported when the kernel has it.
    writing: Vec<Share>,
    heard: Instant,
    expires: Option<Instant>,
    /// While the kernel does not take all.
    stall: Option<Stall>,
    /// May ring early, never late; see [`Self::due`].
    alarm: Pin<Box<Sleep>>,
}

/// A write that the kernel has not taken whole.
#[derive(Clone, Copy, Debug)]
struct Stall {
    /// When it began; `None` once the engine was told not to wait.
    begun: Option<Instant>,
    /// When the kernel last took enough to count, and how many bytes it had taken by then.
    since: Instant,
    by_then: u64,
}

/// What happens when nothing else does.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// The engine stops waiting for this client.
    LetGo,
    /// The socket is closed.
    Close(Close),
}

/// How a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client said so; the answer is lined up.
    ByClient,
    /// The connection is gone.
    Gone,
    /// We say so.
    ByUs(Close),
}

impl Session {
    pub(super) fn new(wire: Wire, talk: Talk, expires: Option<Instant>) -> Self {
        let heard = Instant::now();
        let first = heard + talk.seat.limits().idle;
        let alarm = Box::pin(tokio::time::sleep_until(expires.map_or(first, |at| at.min(first))));
        Self { wire, talk, writing: Vec::new(), heard, expires, stall: None, alarm }
    }

    /// Serves the socket until it ends, by whatever side.
    pub(super) async fn run(mut self) {
        let end = poll_fn(|context| self.poll(context)).await;
        let left = self.talk.leave_hub();
        let farewell = self.talk.seat.limits().farewell;
        if end != End::Gone && end != End::ByUs(Close::Slow) {
            if let End::ByUs(close) = end {
                tracing::debug!(?close, "socket closed");
                self.wire.put_close(close);
            }
            // Timing out means that the client does not take it: then it goes without.
            let flushed = poll_fn(|context| self.wire.poll_flush(context));
            if let Ok(Ok(())) = tokio::time::timeout(farewell, flushed).await {
                self.writing.drain(..).for_each(Share::written);
            }
        }
        self.writing.clear();
        self.talk.left(&left);
        if let End::ByUs(Close::Slow) | End::Gone = end {
            return;
        }
        // Closed with bytes unread, TCP would throw away what the client has not read yet.
        let quiet = poll_fn(|context| self.poll_quiet(context));
        let _ = tokio::time::timeout(farewell, quiet).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            let order = self.talk.seat.outbox.poll_order(context);
            match order {
                // An acknowledgement that is settled is answered before the server goes.
                Some(Close::Drain) if self.talk.owes() => {}
                Some(close) => return Poll::Ready(End::ByUs(close)),
                None => {}
            }
            let more = match self.read(context) {
                Ok(more) => more,
                Err(end) => return Poll::Ready(end),
            };
            if let Poll::Ready(Err(_)) = self.poll_write(context) {
                return Poll::Ready(End::Gone);
            }
            if let Some(close) = self.overdue(context) {
                return Poll::Ready(End::ByUs(close));
            }
            let is_answered = order.is_some() && !self.talk.owes();
            if !is_answered && (!more || !self.talk.has_time()) {
                return Poll::Pending;
            }
        }
    }

    /// Reads what has come, but not for ever: whether it stopped before the end of it.
    fn read(&mut self, context: &mut Context<'_>) -> Result<bool, End> {
        for _ in 0..FRAMES_A_TURN {
            if !self.talk.has_time() {
                return Ok(true);
            }
            let Poll::Ready(message) = self.wire.poll_read(context) else { return Ok(false) };
            let message = message.map_err(|error| end_of(&error))?;
            self.heard = Instant::now();
            let no_frame = |NoFrame| End::ByUs(Close::NoFrame);
            match message {
                Message::Text(text) => self.talk.text(&text).map_err(no_frame)?,
                Message::Binary(data) => self.talk.binary(&data).map_err(no_frame)?,
                // Answered below us; after a close the next read says that it is one.
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
            }
        }
        Ok(true)
    }

    /// Writes all that waits. Ready when nothing does.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        loop {
            let flushed = self.wire.poll_flush(context);
            self.watch(flushed.is_pending());
            ready!(flushed)?;
            self.writing.drain(..).for_each(Share::written);
            let items = self.talk.seat.outbox.take();
            if items.is_empty() {
                self.writing = Vec::new();
                return Poll::Ready(Ok(()));
            }
            for item in items {
                match item {
                    Item::Frames(frames) => self.wire.put(frames),
                    Item::Answer(answer) => self.talk.answer(answer),
                    Item::Share(share) => {
                        self.wire.put(share.bytes());
                        self.writing.push(share);
                    }
                }
            }
        }
    }

    /// Notes since when the kernel takes less than it should.
    fn watch(&mut self, stalls: bool) {
        let (now, taken) = (Instant::now(), self.wire.taken());
        self.stall = match self.stall {
            _ if !stalls => None,
            Some(stall) if taken - stall.by_then < Limits::PROGRESS => Some(stall),
            Some(stall) => Some(Stall { since: now, by_then: taken, ..stall }),
            None => Some(Stall { begun: Some(now), since: now, by_then: taken }),
        };
    }

    /// What has not happened in time; else the alarm is set for what comes next.
    fn overdue(&mut self, context: &mut Context<'_>) -> Option<Close> {
        loop {
            let (at, due) = self.due();
            if at < self.alarm.deadline() {
                self.alarm.as_mut().reset(at);
            }
            if self.alarm.as_mut().poll(context).is_pending() {
                return None;
            }
            if at > Instant::now() {
                self.alarm.as_mut().reset(at);
                continue;
            }
            match due {
                Due::Close(close) => return Some(close),
                Due::LetGo => self.let_go(),
            }
        }
    }

    fn let_go(&mut self) {
        if let Some(stall) = &mut self.stall {
            stall.begun = None;
        }
        self.writing.iter_mut().for_each(Share::let_go);
        self.talk.seat.outbox.let_go();
    }

    /// What comes next, if nothing else does.
    fn due(&self) -> (Instant, Due) {
        let limits = self.talk.seat.limits();
        let idle = (self.heard + limits.idle, Due::Close(Close::Idle));
        let expiry = self.expires.map(|at| (at, Due::Close(Close::TokenRanOut)));
        let slow = self.stall.map(|stall| (stall.since + limits.stall, Due::Close(Close::Slow)));
        let patience = self.stall.and_then(|stall| stall.begun);
        let patience = patience.map(|begun| (begun + Limits::PATIENCE, Due::LetGo));
        [expiry, slow, patience]
            .into_iter()
            .flatten()
            .fold(idle, |first, next| if next.0 < first.0 { next } else { first })
    }

    /// Ready when the client has closed too.
    fn poll_quiet(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if ready!(self.wire.poll_shutdown(context)).is_err() {
            return Poll::Ready(());
        }
        self.wire.poll_discard(context)
    }
}

fn end_of(error: &Error) -> End {
    match error {
        Error::ConnectionClosed => End::ByClient,
        Error::Capacity(_) => End::ByUs(Close::TooLarge),
        Error::Utf8(_) => End::ByUs(Close::NotText),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::Gone,
        Error::Protocol(_) => End::ByUs(Close::Protocol),
        _ => End::Gone,
    }
}

/// Frames read before what waits is written: a flood of them must not keep the rest waiting.
const FRAMES_A_TURN: usize = 32;
