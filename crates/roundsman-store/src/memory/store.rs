//! The handle: the store contract over one lock, one clock and the stream of hints.

use super::hints::HintSender;
use super::state::State;
use crate::{
    AcceptError, Answer, Ask, Block, Bounds, Claim, ClaimId, Clock, Counts, DeadPage, Draft,
    Fetched, Guarantee, Hints, IdSalt, Inspect, Key, KeyCounts, Lane, LaneId, Operate, Ownership,
    Promoted, Receipt, Release, SHARDS, Settled, Settlement, Sighting, Store, StoreError, Sweep,
    Swept, TakenBack,
};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

/// Keeps messages in the memory of this process.
///
/// Clones share the messages. Everything is lost with the last clone.
///
/// ```
/// use roundsman_store::{Ask, Bounds, Draft, Key, MemoryStore, Store, SystemClock};
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new(Arc::new(SystemClock));
/// let draft = Draft {
///     topic: "user:42".into(),
///     key: Key::parse("team-7/user-42")?,
///     event: "message".into(),
///     payload: "{}".into(),
///     id: None,
///     deliver_at: None,
///     expires_at: None,
///     held: false,
/// };
/// store.accept(vec![draft], Bounds::NONE).await?;
///
/// let lanes = store.walk(None, 10).await?;
/// let ask = Ask { lane: lanes[0].id, after: 0, limit: 10, max_bytes: 65_536 };
/// let fetched = store.fetch(vec![ask]).await?;
/// assert_eq!(fetched[0].records.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Taken while `state` is still held, so that hints keep the order of commits, and used after
    /// that is let go.
    hints: Mutex<HintSender>,
    clock: Arc<dyn Clock>,
    salt: IdSalt,
}

impl MemoryStore {
    /// An empty store that goes by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let salt = IdSalt(rand::random());
        let (state, hints) = (Mutex::new(State::new(salt)), Mutex::new(HintSender::new()));
        Self { shared: Arc::new(Shared { state, hints, clock, salt }) }
    }
}

impl Shared {
    /// Runs `work` on the state, while the store is open.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> Result<T, StoreError> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(StoreError::Closed);
        }
        Ok(work(&mut state))
    }

    fn accept(&self, batch: Vec<Draft>, bounds: &Bounds) -> Result<Vec<Receipt>, AcceptError> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(StoreError::Closed.into());
        }
        let accepted = state.accept(batch, bounds, self.clock.now());
        let accepted = accepted.map_err(AcceptError::Refused)?;
        if !accepted.fresh.is_empty() {
            let mut hints = self.hints.lock();
            drop(state);
            hints.announce(accepted.fresh);
        }
        Ok(accepted.receipts)
    }

    fn close(&self) {
        self.state.lock().is_closed = true;
        self.hints.lock().close();
    }
}

impl Store for MemoryStore {
    fn accept(&self, batch: Vec<Draft>, bounds: Bounds) -> Answer<'_, Vec<Receipt>, AcceptError> {
        Box::pin(async move { self.shared.accept(batch, &bounds) })
    }

    fn walk(&self, after: Option<LaneId>, limit: usize) -> Answer<'_, Vec<Arc<Lane>>> {
        Box::pin(async move { self.shared.with(|state| state.walk(after, limit)) })
    }

    fn fetch(&self, asks: Vec<Ask>) -> Answer<'_, Vec<Fetched>> {
        Box::pin(async move {
            self.shared.with(|state| asks.iter().map(|ask| state.fetch(ask)).collect())
        })
    }

    fn claim(&self, claim: Claim) -> Answer<'_, ClaimId> {
        Box::pin(async move { self.shared.with(|state| state.claim(&claim)) })
    }

    fn settle(&self, batch: Vec<Settlement>) -> Answer<'_, Vec<Settled>> {
        Box::pin(async move {
            let now = self.shared.clock.now();
            self.shared.with(|state| {
                batch.into_iter().map(|settlement| state.settle(settlement, now)).collect()
            })
        })
    }

    fn block(&self, lanes: Vec<(LaneId, Block)>) -> Answer<'_, ()> {
        Box::pin(async move { self.shared.with(|state| state.block(&lanes)) })
    }

    fn release(&self, which: Release) -> Answer<'_, Vec<Arc<Lane>>> {
        Box::pin(async move { self.shared.with(|state| state.release(which)) })
    }

    fn promote(&self) -> Answer<'_, Promoted> {
        Box::pin(async move {
            let now = self.shared.clock.now();
            self.shared.with(|state| state.promote(now))
        })
    }

    fn probe(&self) -> Answer<'_, Guarantee> {
        Box::pin(async move {
            self.shared.with(|_| Guarantee {
                store: "memory".to_owned(),
                survives_process: false,
                survives_machine: false,
                sentence: "An accepted message is in the memory of this process: it is retried \
                           and redelivered while the process lives, and lost when it ends."
                    .to_owned(),
                weaker: Vec::new(),
            })
        })
    }

    fn ownership(&self) -> Ownership {
        Ownership { epoch: 1, shards: (0..SHARDS).collect() }
    }

    fn hints(&self) -> Option<Hints> {
        self.shared.hints.lock().take()
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.shared.close();
            Ok(())
        })
    }
}

impl Inspect for MemoryStore {
    fn find<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Sighting>> {
        Box::pin(async move { self.shared.with(|state| state.sight(id)) })
    }

    fn counts(&self) -> Answer<'_, Counts> {
        Box::pin(async move { self.shared.with(|state| state.counts()) })
    }

    fn key_counts<'a>(&'a self, key: &'a Key) -> Answer<'a, KeyCounts> {
        Box::pin(async move { self.shared.with(|state| state.key_counts(key)) })
    }

    fn salt(&self) -> IdSalt {
        self.shared.salt
    }
}

impl Operate for MemoryStore {
    fn take_back<'a>(&'a self, id: &'a str, place: Option<(LaneId, u64)>) -> Answer<'a, TakenBack> {
        let now = self.shared.clock.now();
        Box::pin(async move { self.shared.with(|state| state.take_back(id, place, now)) })
    }

    fn dead(&self, sweep: Sweep) -> Answer<'_, DeadPage> {
        Box::pin(async move { self.shared.with(|state| state.dead_page(&sweep)) })
    }

    fn replay(&self, sweep: Sweep) -> Answer<'_, Swept> {
        Box::pin(async move { self.shared.with(|state| state.replay(&sweep)) })
    }

    fn drop_dead(&self, sweep: Sweep) -> Answer<'_, Swept> {
        let now = self.shared.clock.now();
        Box::pin(async move { self.shared.with(|state| state.drop_dead(&sweep, now)) })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("salt", &self.shared.salt).finish_non_exhaustive()
    }
}
