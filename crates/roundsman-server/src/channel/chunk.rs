//! One batch on its way to all the sessions of a topic: encoded once for all, answered for once.
//!
//! Every session holds a [`Share`]. The first report decides: where a session asked for
//! acknowledgement, only the write to one that asked counts (*sent*); otherwise the first write
//! (*delivered*). Shares that are dropped unwritten leave the decision to the others; when all
//! are, the acknowledger goes with the chunk and the batch is released, back to the engine.
//!
//! The batch's slot is freed when the last share is written or dropped, or has let go of it. So
//! the engine does not run ahead of sessions that are about to write, and does not wait for those
//! whose client takes too long.

use super::frame::quoted;
use super::wire;
use bytes::Bytes;
use parking_lot::Mutex;
use roundsman_delivery::{Acknowledger, Batch, Message, Slot};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// A batch, shared by the sessions of its topic.
#[derive(Debug)]
pub(super) struct Chunk {
    topic: Arc<str>,
    messages: Vec<Message>,
    /// Every message that was not written before, the payload as it was sent.
    plain: OnceLock<Bytes>,
    /// Every message, the payload wrapped together with its id and attempt.
    asked: OnceLock<Bytes>,
    weight: usize,
    has_again: bool,
    reported: AtomicBool,
    fate: Mutex<Fate>,
}

#[derive(Debug)]
struct Fate {
    acknowledger: Option<Acknowledger>,
    /// Shares of sessions that asked, neither written nor dropped.
    askers: usize,
    written_plain: bool,
    slot: Option<Slot>,
    /// Shares that hold on to the slot.
    holders: usize,
}

impl Chunk {
    /// A chunk that is about to be shared with so many sessions, `askers` of them such as asked.
    pub(super) fn new(batch: Batch, sessions: usize, askers: usize) -> Arc<Self> {
        let weigh = |message: &Message| message.record.payload.len() + OVERHEAD;
        Arc::new(Self {
            weight: batch.messages.iter().map(weigh).sum(),
            has_again: batch.messages.iter().any(|message| message.again),
            topic: batch.topic,
            messages: batch.messages,
            plain: OnceLock::new(),
            asked: OnceLock::new(),
            reported: AtomicBool::new(false),
            fate: Mutex::new(Fate {
                acknowledger: Some(batch.acknowledger),
                askers,
                written_plain: false,
                slot: Some(batch.slot),
                holders: sessions,
            }),
        })
    }

    /// One session's share; as often as the chunk was made for.
    pub(super) fn share(self: &Arc<Self>, asks: bool) -> Share {
        Share { chunk: self.clone(), asks, written: false, holds: true }
    }

    fn encode(&self, asked: bool) -> Bytes {
        let head = format!("[null,null,{},", quoted(&self.topic));
        let mut out = Vec::with_capacity(self.weight + self.messages.len() * head.len());
        let mut text = Vec::new();
        let (mut event, mut event_json) = (None, String::new());
        for message in self.messages.iter().filter(|message| asked || !message.again) {
            let record = &message.record;
            if event != Some(&record.event) {
                (event, event_json) = (Some(&record.event), quoted(&record.event));
            }
            text.clear();
            text.extend_from_slice(head.as_bytes());
            text.extend_from_slice(event_json.as_bytes());
            text.push(b',');
            if asked {
                // An id needs no escapes, and writing into memory cannot fail.
                let _ = write!(
                    text,
                    r#"{{"id":"{}","attempt":{},"payload":"#,
                    record.id, message.attempt
                );
            }
            text.extend_from_slice(&record.payload);
            text.extend_from_slice(if asked { b"}]" } else { b"]" });
            wire::put_text(&mut out, &text);
        }
        out.into()
    }

    fn report(&self, decide: impl FnOnce(&mut Fate) -> Option<Report>) {
        if self.reported.load(Ordering::Relaxed) {
            return;
        }
        let mut fate = self.fate.lock();
        let Some(report) = decide(&mut fate) else { return };
        let Some(acknowledger) = fate.acknowledger.take() else { return };
        self.reported.store(true, Ordering::Relaxed);
        drop(fate);
        match report {
            Report::Sent => acknowledger.sent(),
            Report::Delivered => acknowledger.delivered(),
        }
    }

    /// What plain clients have counts as delivered once nobody is left who would acknowledge it.
    /// Not where some of it was for clients that asked only: those have not seen it.
    fn plain_decides(&self, fate: &Fate) -> Option<Report> {
        let decides = fate.written_plain && fate.askers == 0 && !self.has_again;
        decides.then_some(Report::Delivered)
    }
}

enum Report {
    Sent,
    Delivered,
}

/// One session's part in a chunk. Dropped before it is written, it no longer counts.
#[derive(Debug)]
pub(super) struct Share {
    chunk: Arc<Chunk>,
    asks: bool,
    written: bool,
    holds: bool,
}

impl Share {
    /// The WebSocket frames of it: encoded by the first session that needs them.
    pub(super) fn bytes(&self) -> Bytes {
        let cell = if self.asks { &self.chunk.asked } else { &self.chunk.plain };
        cell.get_or_init(|| self.chunk.encode(self.asks)).clone()
    }

    /// About how many bytes it holds in memory.
    pub(super) fn weight(&self) -> usize {
        self.chunk.weight
    }

    /// Whether the engine has been answered: from then on only slow readers keep it.
    pub(super) fn is_reported(&self) -> bool {
        self.chunk.reported.load(Ordering::Relaxed)
    }

    /// The engine need not wait for this one.
    pub(super) fn let_go(&mut self) {
        if std::mem::take(&mut self.holds) {
            let mut fate = self.chunk.fate.lock();
            fate.holders = fate.holders.saturating_sub(1);
            let slot = if fate.holders == 0 { fate.slot.take() } else { None };
            drop(fate);
            drop(slot);
        }
    }

    /// The kernel took it.
    pub(super) fn written(mut self) {
        self.written = true;
        let (chunk, asks) = (&self.chunk, self.asks);
        chunk.report(|fate| {
            if asks {
                return Some(Report::Sent);
            }
            fate.written_plain = true;
            chunk.plain_decides(fate)
        });
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.asks && !self.written {
            self.chunk.report(|fate| {
                fate.askers = fate.askers.saturating_sub(1);
                self.chunk.plain_decides(fate)
            });
        }
        self.let_go();
    }
}

/// What a message takes in an outbox beyond its payload: record, frame, event.
const OVERHEAD: usize = 200;
