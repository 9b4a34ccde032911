//! The row of a lane as a writer sees it: changed in memory, written once a commit.

use roundsman_store::{Block, Key, Lane};
use std::sync::Arc;

/// One lane.
#[derive(Debug)]
pub(crate) struct LaneRow {
    pub(crate) lane: Arc<Lane>,
    /// Messages in it.
    pub(crate) ready: u64,
    /// Messages that wait outside of it for their moment.
    pub(crate) later: u64,
    pub(crate) block: Option<Block>,
    /// Whether walks visit it. Cleared late, when it is blocked or forgotten.
    pub(crate) turn: bool,
    /// The newest message in it, where that is known.
    pub(crate) tail: Option<u64>,
    /// Whether it is queued to be forgotten.
    pub(crate) is_idle: bool,
    pub(crate) change: Change,
}

/// How one message comes to a lane, or leaves it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shift {
    /// It is the newest in the lane from now on.
    In(u64),
    /// It was in the lane and is gone.
    Out(u64),
    /// It is new, and waits outside of the lane.
    Later,
    /// It waited outside and is gone.
    NoMore,
    /// It was in the lane and waits outside now.
    PutOff(u64),
    /// It waited outside and is the newest in the lane from now on.
    Back(u64),
}

impl Shift {
    /// What this adds to those in the lane, and to those outside.
    pub(crate) fn counts(self) -> (i64, i64) {
        match self {
            Self::In(_) => (1, 0),
            Self::Out(_) => (-1, 0),
            Self::Later => (0, 1),
            Self::NoMore => (0, -1),
            Self::PutOff(_) => (-1, 1),
            Self::Back(_) => (1, -1),
        }
    }
}

impl LaneRow {
    /// The newest message in it: 0 where there is none, `None` where that is not known.
    pub(crate) fn newest(&self) -> Option<u64> {
        if self.ready == 0 { Some(0) } else { self.tail }
    }

    /// Counts it, and answers what has to be written. An empty lane is not blocked.
    pub(crate) fn shift(&mut self, shift: Shift) -> Change {
        let (ready, later) = shift.counts();
        self.ready = self.ready.saturating_add_signed(ready);
        self.later = self.later.saturating_add_signed(later);
        match shift {
            Shift::In(seq) | Shift::Back(seq) => self.tail = Some(seq),
            Shift::Out(seq) | Shift::PutOff(seq) if self.tail == Some(seq) => self.tail = None,
            _ => {}
        }
        if self.ready == 0 && self.block.take().is_some() {
            return Change::Turn;
        }
        if self.ready > 0 && self.block.is_none() && !self.turn {
            self.turn = true;
            return Change::Turn;
        }
        // Those outside of the lane are counted by no index: they cannot come late.
        if later == 0 { Change::Counts } else { Change::Turn }
    }

    /// Blocks it if there is something in it, or releases it. Answers its key, and how many
    /// messages more wait for someone to join.
    pub(crate) fn set_block(&mut self, block: Option<Block>) -> (Change, Option<(Key, i64)>) {
        let block = block.filter(|_| self.ready > 0);
        if self.block == block {
            return (Change::Nothing, None);
        }
        let was = std::mem::replace(&mut self.block, block);
        self.turn = block.is_none() && self.ready > 0;
        let records = i64::try_from(self.ready).unwrap_or(i64::MAX);
        let held = match (was, block) {
            (_, Some(Block::Absent)) => records,
            (Some(Block::Absent), _) => -records,
            _ => 0,
        };
        (Change::Turn, Some((self.lane.key.clone(), held)))
    }
}

/// What has to be written of a lane, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    Nothing,
    /// `ready`, which is written late.
    Counts,
    /// That, and what has to be in the file with the next commit.
    Turn,
    /// It has no row yet.
    New,
}
