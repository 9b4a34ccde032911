//! Looking in: one message by its id, and the counts, which are kept as things change.

use super::ids::{Fate, Gone, Spot};
use super::kept::Past;
use super::state::State;
use crate::{Block, Counts, DeadReason, Key, KeyCounts, MessageId, Sighting, State as Seen};
use crate::{History, Timestamp};
use std::sync::Arc;

impl State {
    /// See [`Inspect::counts`](crate::Inspect::counts).
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            backlog: self.backlog,
            scheduled: self.schedule.len() as u64,
            held: self.lanes.held(),
            dead: self.dead.len() as u64,
            ids: self.ids.len() as u64,
        }
    }

    /// See [`Inspect::key_counts`](crate::Inspect::key_counts).
    #[must_use]
    pub fn key_counts(&self, key: &Key) -> KeyCounts {
        let row = self.lanes.keys.find(key);
        row.map(|row| KeyCounts { backlog: row.backlog, held: row.held }).unwrap_or_default()
    }

    /// See [`Inspect::find`](crate::Inspect::find).
    #[must_use]
    pub fn sight(&self, id: &str) -> Option<Sighting> {
        if let Some(spot) = self.spot(id) {
            return self.sight_kept(spot);
        }
        let MessageId::Given(id) = MessageId::parse(id, self.salt) else { return None };
        match &self.ids.find(&id)?.fate {
            Fate::Gone(gone) => sight_gone(id, gone),
            Fate::Kept(_) => None,
        }
    }

    pub(super) fn sight_kept(&self, spot: Spot) -> Option<Sighting> {
        let (kept, lane) = self.look(spot)?;
        let (state, due_at) = self.state_of(spot);
        let (Spot::Lane(_, seq) | Spot::Schedule(_, seq) | Spot::Dead(seq)) = spot;
        let (reason, settled_at) = self.end_of(spot);
        Some(Sighting {
            id: kept.id(lane.id, seq, self.salt).to_string().into(),
            state,
            topic: lane.topic.clone(),
            key: lane.key.clone(),
            event: kept.event.clone(),
            accepted_at: kept.accepted_at,
            due_at,
            expires_at: kept.expires_at,
            settled_at,
            history: kept.history(),
            attempts: kept.past.as_ref().map(|past| past.log.clone()).unwrap_or_default(),
            reason,
            place: matches!(spot, Spot::Lane(..)).then_some((lane.id, seq)),
        })
    }

    /// What a message does at its spot, and until when where that is known.
    fn state_of(&self, spot: Spot) -> (Seen, Option<Timestamp>) {
        let has_failed = self.look(spot).is_some_and(|(kept, _)| kept.history().failures > 0);
        match spot {
            Spot::Dead(_) => (Seen::Dead, None),
            Spot::Schedule(due, _) if has_failed => (Seen::Retrying, Some(due)),
            Spot::Schedule(due, _) => (Seen::Scheduled, Some(due)),
            Spot::Lane(lane, _) => match self.lanes.find(lane).and_then(|state| state.block) {
                Some(Block::Absent) => (Seen::Held, None),
                Some(Block::Until(at)) if has_failed => (Seen::Retrying, Some(at)),
                _ => (Seen::Ready, None),
            },
        }
    }

    fn end_of(&self, spot: Spot) -> (Option<DeadReason>, Option<Timestamp>) {
        let Spot::Dead(seq) = spot else { return (None, None) };
        self.dead.get(&seq).map(|letter| (letter.reason, letter.died_at)).unzip()
    }
}

fn sight_gone(id: Arc<str>, gone: &Gone) -> Option<Sighting> {
    let past = gone.past.as_deref().cloned().unwrap_or_default();
    let Past { history, log, .. } = past;
    Some(Sighting {
        id,
        state: gone.state?,
        topic: gone.lane.topic.clone(),
        key: gone.lane.key.clone(),
        event: "".into(),
        accepted_at: gone.accepted_at,
        due_at: None,
        expires_at: gone.expires_at,
        settled_at: Some(gone.settled_at),
        history: History { attempts: gone.attempts, ..history },
        attempts: log,
        reason: None,
        place: None,
    })
}
