//! One message among those kept, without its event and payload.

use super::wants::Spot;
use crate::history::Past;
use roundsman_store::{IdSalt, LaneId, MessageId, Timestamp};
use std::sync::Arc;

/// A message that is neither settled nor dead.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) lane: LaneId,
    pub(crate) seq: u64,
    /// Its moment, while it waits outside of its lane.
    pub(crate) due: Option<Timestamp>,
    pub(crate) expires: Option<Timestamp>,
    /// Its sender said when it expires.
    pub(crate) is_named: bool,
    pub(crate) accepted: Timestamp,
    /// `None`: made here, and it lies where its id says.
    pub(crate) id: Option<Arc<str>>,
    pub(crate) past: Option<Vec<u8>>,
}

impl Kept {
    pub(crate) fn spot(&self) -> Spot {
        Spot { lane: self.lane, seq: self.seq }
    }

    pub(crate) fn attempts(&self) -> u32 {
        let history = self.past.as_deref().and_then(Past::decode_history);
        history.map_or(0, |history| history.attempts)
    }

    pub(crate) fn past(&self) -> Past {
        self.past.as_deref().map(Past::decode).unwrap_or_default()
    }

    /// Its id as text, wherever it lies.
    pub(crate) fn id(&self, salt: IdSalt) -> Arc<str> {
        match &self.id {
            Some(id) => id.clone(),
            None => MessageId::Made { salt, lane: self.lane, seq: self.seq }.to_string().into(),
        }
    }

    /// When its sender lets it expire.
    pub(crate) fn named(&self) -> Option<Timestamp> {
        self.expires.filter(|_| self.is_named)
    }

    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}
