//! Topics and the sessions that joined them; the engine's channel target.
//!
//! A batch is shared, not copied: the hub puts a [`Share`](super::chunk::Share) of it into the
//! outbox of every session on its topic and is done. Encoding and writing happen in the sessions'
//! own tasks, so one that is slow holds up nobody.

use super::chunk::Chunk;
use super::close::Close;
use super::outbox::{Item, Outbox};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use roundsman_delivery::{Batch, Target};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How much one socket, and all of them together, may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sockets open at once; beyond, an upgrade is answered with 503.
    pub connections: usize,
    /// Topics joined over one socket.
    pub topics: usize,
    /// Bytes of one message from a client.
    pub message: usize,
    /// Bytes kept for one socket that others have already; beyond, it reads too slowly.
    pub outbox: usize,
    /// A client that was sent something takes [`Limits::PROGRESS`] of it in this time, or all.
    pub stall: Duration,
    /// Something is heard of a client in this time. Clients beat every 30 seconds, but browsers
    /// let a page in the background act once a minute only.
    pub idle: Duration,
    /// How long a socket that is closed waits for its last words to be taken.
    pub farewell: Duration,
}

impl Limits {
    /// Bytes a slow client has to take in each span of [`Limits::stall`].
    pub const PROGRESS: u64 = 64 * 1024;

    /// So long the engine waits for a socket that is being written to, and no longer.
    pub const PATIENCE: Duration = Duration::from_millis(200);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100_000,
            topics: 100,
            message: 64 * 1024,
            outbox: 1024 * 1024,
            stall: Duration::from_secs(10),
            idle: Duration::from_secs(90),
            farewell: Duration::from_secs(2),
        }
    }
}

/// Topics and the sessions that joined them; the engine's channel target.
///
/// ```
/// use roundsman_server::channel::Hub;
///
/// let hub = Hub::default();
/// assert_eq!(hub.connections(), 0);
/// assert_eq!(hub.joined_count("user:42"), 0);
/// ```
#[derive(Default)]
pub struct Hub {
    limits: Limits,
    topics: RwLock<FxHashMap<Arc<str>, Topic>>,
    sessions: Mutex<BTreeMap<SessionId, Arc<Outbox>>>,
    next_session: AtomicU64,
    closing: AtomicBool,
    emptied: Notify,
}

/// Tells the sessions of one hub apart; ordered by when they came.
pub(super) type SessionId = u64;

#[derive(Default)]
struct Topic {
    members: BTreeMap<SessionId, Member>,
    askers: usize,
}

struct Member {
    outbox: Arc<Outbox>,
    asks: bool,
}

impl Hub {
    /// One with these limits in place of the defaults.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// What it allows.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Sockets open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.sessions.lock().len()
    }

    /// Sessions on `topic` now.
    #[must_use]
    pub fn joined_count(&self, topic: &str) -> usize {
        self.topics.read().get(topic).map_or(0, |topic| topic.members.len())
    }

    /// Takes no new sockets in from now on; those there are stay.
    pub fn stop_admitting(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Whether a new socket may come in.
    #[must_use]
    pub fn is_admitting(&self) -> bool {
        !self.closing.load(Ordering::Acquire) && self.connections() < self.limits.connections
    }

    /// Closes every socket with 1012, a few at a time, so that not all come back at once, and
    /// waits until they are gone; `within` at most.
    ///
    /// # Cancel safety
    /// Dropped early, the sockets not yet told stay open.
    pub async fn close_all(&self, within: Duration) {
        self.stop_admitting();
        let deadline = Instant::now() + within;
        let outboxes: Vec<_> = self.sessions.lock().values().cloned().collect();
        // Half of the time is for telling, the other half for going.
        let rounds = (within / 2).as_millis() / PACE.as_millis();
        let rounds = usize::try_from(rounds).unwrap_or(usize::MAX).max(1);
        let a_round = outboxes.len().div_ceil(rounds).max(A_ROUND);
        for (number, some) in outboxes.chunks(a_round).enumerate() {
            if number > 0 {
                tokio::time::sleep(PACE).await;
            }
            some.iter().for_each(|outbox| outbox.order(Close::Drain));
        }
        // Timing out is the expected end for clients that do not answer.
        let _ = tokio::time::timeout_at(deadline, self.empty()).await;
    }

    async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.connections() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Takes a session in; `None` while draining or full.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Seat> {
        let outbox = Outbox::new(self.limits.outbox);
        let mut sessions = self.sessions.lock();
        // Under the lock, so that `close_all` misses nobody.
        if self.closing.load(Ordering::Acquire) || sessions.len() >= self.limits.connections {
            return None;
        }
        let id = self.next_session.fetch_add(1, Ordering::Relaxed);
        sessions.insert(id, outbox.clone());
        drop(sessions);
        Some(Seat { hub: self.clone(), id, outbox })
    }

    pub(super) fn broadcast(&self, topic: &str, frames: &Bytes) {
        let topics = self.topics.read();
        let members = topics.get(topic).into_iter().flat_map(|topic| topic.members.values());
        let put = |member: &Member| member.outbox.put(Item::Frames(frames.clone()));
        let refused: Vec<_> = members.map(put).filter(|refused| !refused.is_empty()).collect();
        drop(topics);
        drop(refused);
    }
}

impl Target for Hub {
    fn deliver(&self, batch: Batch) {
        let topics = self.topics.read();
        let Some(topic) = topics.get(&batch.topic) else {
            drop(topics);
            return batch.acknowledger.absent();
        };
        // What was written before is for clients that asked. Without any, nobody is there for it,
        // and what is behind it in the lane must not overtake it.
        if topic.askers == 0 && batch.messages.iter().any(|message| message.again) {
            drop(topics);
            return batch.acknowledger.absent();
        }
        let for_askers = batch.messages.iter().all(|message| message.again);
        let sessions = if for_askers { topic.askers } else { topic.members.len() };
        let chunk = Chunk::new(batch, sessions, topic.askers);
        let members = topic.members.values().filter(|member| member.asks || !for_askers);
        let put = |member: &Member| member.outbox.put(Item::Share(chunk.share(member.asks)));
        let refused: Vec<_> = members.map(put).filter(|refused| !refused.is_empty()).collect();
        // What is refused answers the engine when it goes: not under the lock.
        drop(topics);
        drop(refused);
    }
}

/// A session's place in a hub; given up when dropped. Topics are left first.
#[derive(Debug)]
pub(super) struct Seat {
    hub: Arc<Hub>,
    id: SessionId,
    pub(super) outbox: Arc<Outbox>,
}

impl Seat {
    pub(super) fn limits(&self) -> &Limits {
        &self.hub.limits
    }

    pub(super) fn join(&self, topic: &Arc<str>, asks: bool) {
        let mut topics = self.hub.topics.write();
        let topic = topics.entry(topic.clone()).or_default();
        topic.askers += usize::from(asks);
        topic.members.insert(self.id, Member { outbox: self.outbox.clone(), asks });
    }

    pub(super) fn leave(&self, name: &str) {
        let mut topics = self.hub.topics.write();
        let Some(topic) = topics.get_mut(name) else { return };
        if let Some(member) = topic.members.remove(&self.id) {
            topic.askers -= usize::from(member.asks);
        }
        if topic.members.is_empty() {
            topics.remove(name);
        }
    }

    pub(super) fn broadcast(&self, topic: &str, frames: &Bytes) {
        self.hub.broadcast(topic, frames);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.outbox.close();
        let mut sessions = self.hub.sessions.lock();
        sessions.remove(&self.id);
        if sessions.is_empty() {
            drop(sessions);
            self.hub.emptied.notify_waiters();
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("connections", &self.connections())
            .field("topics", &self.topics.read().len())
            .field("limits", &self.limits)
            .finish()
    }
}

/// Between two rounds of closing.
const PACE: Duration = Duration::from_millis(50);

/// Sockets told to go in one round, at least.
const A_ROUND: usize = 100;
