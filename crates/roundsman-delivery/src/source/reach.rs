//! What the source stage reads of the store: fetches and walks, under way beside it.

use super::info::{SourceInfo, Walked};
use super::lanes::Limits;
use super::stage::{PAUSE, SourceStage};
use super::walk::Walk;
use roundsman_store::{Ask, Fetched, Lane, LaneId, StoreError};
use std::collections::HashMap;
use std::sync::Arc;

/// Fetches under way at once.
const FETCHES: usize = 2;
/// Lanes in one fetch.
const FETCH_LANES: usize = 256;

impl SourceStage {
    pub(super) fn fetch(&mut self) {
        while self.fetches < FETCHES && self.lanes.has_asks() {
            let asks = self.lanes.asks(FETCH_LANES);
            if asks.is_empty() {
                return;
            }
            self.fetches += 1;
            let store = self.store.clone();
            let batch: Vec<Ask> = asks.iter().map(|(ask, _)| *ask).collect();
            let reading = Box::pin(async move {
                let answer = store.fetch(batch).await;
                if answer.is_err() {
                    tokio::time::sleep(PAUSE).await;
                }
                answer
            });
            // Told through the mailbox in either case, so that one fetch never leads to the next
            // inside the same call.
            if let Some(info) = self.at_once_or(reading, |answer| SourceInfo::Fetched(asks, answer))
                && let Some(me) = &self.me
            {
                let _ = me.info(info);
            }
        }
    }

    pub(super) fn fetched(
        &mut self,
        asks: &[(Ask, u32)],
        answer: Result<Vec<Fetched>, StoreError>,
    ) {
        self.fetches -= 1;
        match answer {
            Ok(lanes) => {
                let generations: HashMap<_, _> =
                    asks.iter().map(|(ask, generation)| (ask.lane, *generation)).collect();
                for fetched in lanes {
                    if let Some(generation) = generations.get(&fetched.lane) {
                        self.lanes.fetched(fetched, *generation);
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "reading waits for the store");
                self.lanes.fetch_failed(asks);
            }
        }
    }

    pub(super) fn step(&mut self) {
        if let Some(after) = self.walk.step() {
            self.look_up(after, SourceInfo::Walked);
        }
        let few = self.lanes.resident() < Limits::RESIDENT / 2 && !self.lanes.are_many_looking();
        if let Some(after) = self.catch_up.step(self.lanes.evicted(), few) {
            self.look_up(after, SourceInfo::CaughtUp);
        }
    }

    /// Reads a slice of the lanes that have something ready.
    fn look_up(&self, after: Option<LaneId>, tell: fn(Walked) -> SourceInfo) {
        let store = self.store.clone();
        let walking = Box::pin(async move {
            let answer = store.walk(after, Walk::SLICE).await;
            if answer.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
            answer
        });
        if let Some(info) = self.at_once_or(walking, tell)
            && let Some(me) = &self.me
        {
            let _ = me.info(info);
        }
    }

    pub(super) fn caught_up(&mut self, answer: Walked) {
        match answer {
            Ok(lanes) => {
                self.feed.meet(&lanes);
                let left = self.lanes.evicted();
                let Self { catch_up, lanes: resident, .. } = self;
                let take = |lane: &Arc<Lane>| resident.may_go_on(lane) && resident.visit(lane);
                catch_up.arrived(&lanes, left, take);
            }
            Err(error) => {
                tracing::warn!(%error, "walking waits for the store");
                self.catch_up.failed();
            }
        }
    }

    pub(super) fn walked(&mut self, answer: Walked) {
        match answer {
            Ok(lanes) => {
                self.walk.arrived(lanes.len(), lanes.last().map(|lane| lane.id));
                self.visit(&lanes);
            }
            Err(error) => {
                tracing::warn!(%error, "walking waits for the store");
                self.walk.failed();
            }
        }
    }
}
