//! The model that histories are checked against: lists, searched from end to end.

use super::history::{End, LANES};
use crate::{Block, ClaimId, Counts, Timestamp};

/// What a store should hold.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) lanes: [Vec<Message>; LANES.len()],
    pub(super) blocks: [Option<Block>; LANES.len()],
    pub(super) scheduled: Vec<Scheduled>,
    /// With their lanes.
    pub(super) dead: Vec<(usize, Message)>,
    pub(super) names: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) label: u64,
    pub(super) id: String,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) attempts: u32,
    pub(super) failures: u32,
    pub(super) cuts: u32,
    /// The claim that its next attempt is under way by.
    pub(super) claim: Option<ClaimId>,
}

#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) due: Timestamp,
    pub(super) lane: usize,
    pub(super) message: Message,
}

impl Model {
    pub(super) fn accept(&mut self, lane: usize, message: Message, due: Option<Timestamp>) {
        match due {
            Some(due) => self.scheduled.push(Scheduled { due, lane, message }),
            None => self.lanes[lane].push(message),
        }
    }

    /// Ends an attempt; `at` is the moment of the next where there is one.
    pub(super) fn end(
        &mut self,
        lane: usize,
        index: usize,
        end: End,
        at: Timestamp,
        now: Timestamp,
    ) {
        let message = &mut self.lanes[lane][index];
        message.claim = None;
        match end {
            End::Sent | End::Released => message.attempts += 1,
            End::RetryInPlace(_) => {
                message.attempts += 1;
                message.failures += 1;
                if at > now {
                    self.blocks[lane] = Some(match self.blocks[lane] {
                        Some(Block::Until(already)) => Block::Until(at.max(already)),
                        _ => Block::Until(at),
                    });
                }
            }
            End::RetryElsewhere(_) => {
                let mut message = self.remove(lane, index);
                message.attempts += 1;
                message.failures += 1;
                self.scheduled.push(Scheduled { due: at, lane, message });
            }
            End::Dead => {
                let message = self.remove(lane, index);
                self.dead.push((lane, message));
            }
            End::Delivered | End::Expired | End::Dropped => drop(self.remove(lane, index)),
        }
    }

    pub(super) fn remove(&mut self, lane: usize, index: usize) -> Message {
        let message = self.lanes[lane].remove(index);
        self.forget_blocks();
        message
    }

    /// Takes one back; a head that its lane waited for lets it go on.
    pub(super) fn take_back(&mut self, lane: usize, index: usize) {
        if index == 0 && matches!(self.blocks[lane], Some(Block::Until(_))) {
            self.blocks[lane] = None;
        }
        self.remove(lane, index);
    }

    /// The dead letter of this id comes as new.
    pub(super) fn replay(&mut self, id: &str) -> bool {
        let Some((lane, message)) = self.exhume(id) else { return false };
        let Message { label, id, .. } = message;
        let (attempts, failures, cuts) = (0, 0, 0);
        let again = Message { label, id, expires_at: None, attempts, failures, cuts, claim: None };
        self.lanes[lane].push(again);
        true
    }

    /// Takes the dead letter of this id out.
    pub(super) fn exhume(&mut self, id: &str) -> Option<(usize, Message)> {
        let index = self.dead.iter().position(|(_, message)| message.id == id)?;
        Some(self.dead.remove(index))
    }

    pub(super) fn block(&mut self, lane: usize, block: Block) {
        if !self.lanes[lane].is_empty() {
            self.blocks[lane] = Some(block);
        }
    }

    /// Does what is due. Answers the lanes that ran empty and filled again in this one step while
    /// they were blocked: the contract does not say which came first.
    pub(super) fn promote(&mut self, now: Timestamp) -> Vec<usize> {
        for block in &mut self.blocks {
            if matches!(block, Some(Block::Until(at)) if *at <= now) {
                *block = None;
            }
        }
        let is_over = |message: &Message| {
            message.claim.is_none() && message.expires_at.is_some_and(|at| at <= now)
        };
        for (lane, block) in self.lanes.iter_mut().zip(&mut self.blocks) {
            // Once a head that is tried again is over, the rest of its lane goes on.
            if matches!(block, Some(Block::Until(_))) && lane.first().is_some_and(is_over) {
                *block = None;
            }
            lane.retain(|message| !is_over(message));
        }
        let emptied: Vec<bool> = self.lanes.iter().map(Vec::is_empty).collect();
        self.scheduled.sort_by_key(|waiting| waiting.due);
        let later = self.scheduled.partition_point(|waiting| waiting.due <= now);
        for Scheduled { lane, message, .. } in self.scheduled.drain(..later) {
            if !is_over(&message) {
                self.lanes[lane].push(message);
            }
        }
        let unsure = |lane: &usize| emptied[*lane] && self.blocks[*lane].is_some();
        let unsure: Vec<usize> = (0..LANES.len()).filter(unsure).collect();
        unsure.iter().for_each(|lane| self.blocks[*lane] = None);
        unsure
    }

    /// The process ended: what was under way was cut off.
    pub(super) fn crash(&mut self) {
        for message in self.lanes.iter_mut().flatten() {
            if message.claim.take().is_some() {
                message.attempts += 1;
                message.cuts += 1;
            }
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let in_lanes: usize = self.lanes.iter().map(Vec::len).sum();
        let held = self.lanes.iter().zip(&self.blocks);
        let held = held.filter(|(_, block)| **block == Some(Block::Absent));
        Counts {
            backlog: (in_lanes + self.scheduled.len()) as u64,
            scheduled: self.scheduled.len() as u64,
            held: held.map(|(lane, _)| lane.len() as u64).sum(),
            dead: self.dead.len() as u64,
            ids: self.names.len() as u64,
        }
    }

    /// The names of the lanes that a walk should find, sorted.
    pub(super) fn ready(&self) -> Vec<(String, String)> {
        let ready = |lane: &usize| !self.lanes[*lane].is_empty() && self.blocks[*lane].is_none();
        let lanes = (0..LANES.len()).filter(ready).map(|lane| LANES[lane]);
        let mut names: Vec<_> =
            lanes.map(|(key, topic)| (key.to_owned(), topic.to_owned())).collect();
        names.sort_unstable();
        names
    }

    fn forget_blocks(&mut self) {
        for (lane, block) in self.lanes.iter().zip(&mut self.blocks) {
            if lane.is_empty() {
                *block = None;
            }
        }
    }
}
