//! Services that have ended: told to the source at once, before the outcome is durable, so that
//! the slot is free again and the key is charged for no more than its target took.

use crate::source::SourceInfo;
use parking_lot::Mutex;
use roundsman::StageRef;
use roundsman_store::LaneId;
use std::sync::Arc;
use std::time::Duration;

/// The service of a batch has ended.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) lane: LaneId,
    /// The sequences of its messages.
    pub(crate) seqs: Vec<u64>,
    /// What each of them took, in microseconds.
    pub(crate) took: u64,
}

/// Those that the source has not booked yet. Only the first of several says so, and the source then
/// books them all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ended(Arc<Mutex<Vec<Served>>>);

impl Ended {
    /// Says that a batch, these messages of a lane, is no longer with its target, where it was for
    /// `span`: what that cost is shared by its messages.
    pub(crate) fn tell(
        &self,
        source: &StageRef<SourceInfo>,
        (lane, seqs): (LaneId, Vec<u64>),
        span: Duration,
    ) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let took = (micros / seqs.len().max(1) as u64).max(1);
        let is_first = {
            let mut waiting = self.0.lock();
            waiting.push(Served { lane, seqs, took });
            waiting.len() == 1
        };
        if is_first {
            let _ = source.info(SourceInfo::Served);
        }
    }

    /// Takes them all.
    pub(crate) fn take(&self) -> Vec<Served> {
        std::mem::take(&mut self.0.lock())
    }
}
