//! What an operator may do to the messages of a running node: take one back, and see, replay and
//! drop the dead.

use super::handle::Node;
use crate::feed::{Happening, Watch};
use crate::source::SourceInfo;
use roundsman_store::{DeadPage, Key, LaneId, State, StoreError, Sweep, Swept, TakenBack};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

/// What became of a request to take a message back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeBack {
    /// It is gone, and was or will be dispatched no more.
    Done,
    /// It is in flight, or waits for its acknowledgement.
    InFlight,
    /// It has come to its end already: this one.
    Over(State),
    /// No message of this id is known.
    Unknown,
}

impl Node {
    /// Takes a message back that is not in flight. Once this is done it is never dispatched, and
    /// the rest of its lane goes on; its id is remembered as that of a settled message is.
    ///
    /// # Errors
    /// The store failed, and whether the message is gone is unknown, or cannot do it.
    ///
    /// # Cancel safety
    /// Dropped, it goes on; only its answer is lost.
    pub async fn take_back(&self, id: &str) -> Result<TakeBack, StoreError> {
        let (node, id) = (self.clone(), Arc::<str>::from(id));
        // A task of its own: whoever asked may leave in the middle, and a fence has to come down.
        let asked = tokio::spawn(async move { node.look_and_take(&id).await });
        asked.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Looks until it is where it was seen: a message that comes due meanwhile moves.
    async fn look_and_take(&self, id: &Arc<str>) -> Result<TakeBack, StoreError> {
        loop {
            let Some(seen) = self.find(id).await? else { return Ok(TakeBack::Unknown) };
            match seen.state {
                State::InFlight => return Ok(TakeBack::InFlight),
                State::Delivered | State::Dead | State::Expired => {
                    return Ok(TakeBack::Over(seen.state));
                }
                State::Scheduled | State::Ready | State::Held | State::Retrying => {}
            }
            let taken = match seen.place {
                None => self.shared().store.take_back(id, None).await?,
                Some((lane, seq)) if self.fence(lane, seq).await? => {
                    self.take_behind_fence(id, lane, seq).await?
                }
                Some(_) => return Ok(TakeBack::InFlight),
            };
            if let TakenBack::Done { .. } = taken {
                self.metrics().taken_back.fetch_add(1, Ordering::Relaxed);
                self.shared().feed.taken_back(id, seen.key, seen.topic);
                return Ok(TakeBack::Done);
            }
        }
    }

    async fn fence(&self, lane: LaneId, seq: u64) -> Result<bool, StoreError> {
        let (answer, heard) = oneshot::channel();
        let asked = self.shared().source.info(SourceInfo::Fence(lane, seq, answer));
        asked.map_err(|_| StoreError::Closed)?;
        heard.await.map_err(|_| StoreError::Closed)
    }

    async fn take_behind_fence(
        &self,
        id: &str,
        lane: LaneId,
        seq: u64,
    ) -> Result<TakenBack, StoreError> {
        let shared = self.shared();
        let taken = shared.store.take_back(id, Some((lane, seq))).await;
        let is_gone = matches!(taken, Ok(TakenBack::Done { .. }));
        let _ = shared.source.info(SourceInfo::Unfence(lane, seq, is_gone));
        if let Ok(TakenBack::Done { released: Some(lane) }) = &taken {
            let _ = shared.source.info(SourceInfo::Lanes(vec![lane.clone()]));
        }
        taken
    }

    /// Watches what happens to the messages of a key, and of those below it, from now on.
    ///
    /// A watcher that does not keep up loses events and is told how many.
    ///
    /// # Cancel safety
    /// Dropped before it is done, nobody watches.
    pub async fn watch(&self, key: Key) -> Watch {
        let watch = self.shared().feed.watch(key);
        // What is out already is asked after, so that its end has a name.
        let (answer, heard) = oneshot::channel();
        if self.shared().source.info(SourceInfo::Resident(answer)).is_ok()
            && let Ok(lanes) = heard.await
        {
            self.shared().feed.meet(&lanes);
        }
        watch
    }

    /// One step through the dead letters; go on behind [`DeadPage::next`].
    ///
    /// # Errors
    /// The store failed, or keeps no dead letters that can be looked through.
    pub async fn dead(&self, sweep: Sweep) -> Result<DeadPage, StoreError> {
        self.shared().store.dead(sweep).await
    }

    /// One step of sending dead letters again, as if they were new; go on behind [`Swept::next`].
    ///
    /// What is replayed may die again at once and come up behind the cursor: a sweep over all of
    /// them ends if its filter names a moment ([`until`](roundsman_store::DeadFilter::until)).
    ///
    /// # Errors
    /// The store failed, and whether the step was made is unknown, or cannot replay.
    ///
    /// # Cancel safety
    /// Dropped, the step is made whole or not at all.
    pub async fn replay(&self, sweep: Sweep) -> Result<Swept, StoreError> {
        let swept = self.shared().store.replay(sweep).await?;
        self.metrics().replayed.fetch_add(swept.done.len() as u64, Ordering::Relaxed);
        self.shared().feed.operated(&swept, &Happening::Replayed);
        if !swept.lanes.is_empty() {
            let _ = self.shared().source.info(SourceInfo::Lanes(swept.lanes.clone()));
        }
        Ok(swept)
    }

    /// One step of removing dead letters for good; go on behind [`Swept::next`].
    ///
    /// # Errors
    /// The store failed, and whether the step was made is unknown, or cannot drop them.
    ///
    /// # Cancel safety
    /// Dropped, the step is made whole or not at all.
    pub async fn drop_dead(&self, sweep: Sweep) -> Result<Swept, StoreError> {
        let swept = self.shared().store.drop_dead(sweep).await?;
        self.metrics().dead_dropped.fetch_add(swept.done.len() as u64, Ordering::Relaxed);
        self.shared().feed.operated(&swept, &Happening::DeadDropped);
        Ok(swept)
    }
}
