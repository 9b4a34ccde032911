//! What can be done with a message that is kept: so that lanes, keys, claims and ids follow each
//! change in one place.

use super::changes::{Back, Buried, Gone, NewId, PutOff, SettledId, Tried};
use super::kept::Kept;
use super::ledger::Ledger;
use super::wants::Spot;
use crate::fate::Fate;
use crate::history::Past;
use crate::lane_row::Shift;
use bytes::Bytes;
use roundsman_store::{Block, DeadReason, Lane, LaneId, MessageId, Timestamp};
use std::sync::Arc;

/// What a lane was when a message in it was shifted.
#[derive(Debug)]
pub(crate) struct Shifted {
    pub(crate) lane: Arc<Lane>,
    /// The newest message in it before: 0 where there was none, `None` where that is not known.
    pub(crate) previous: Option<u64>,
    pub(crate) is_blocked: bool,
}

impl Ledger {
    /// One message came in, is gone, or moved between lane and schedule.
    pub(crate) fn shift(&mut self, id: LaneId, shift: Shift) -> Option<Shifted> {
        let (ready, later) = shift.counts();
        let (shifted, held, became_idle) = self.lanes.change(id, |row| {
            let (previous, was) = (row.newest(), row.block);
            let change = row.shift(shift);
            let held = if was == Some(Block::Absent) { ready } else { 0 };
            let became_idle =
                row.ready == 0 && row.later == 0 && !std::mem::replace(&mut row.is_idle, true);
            let shifted = Shifted { lane: row.lane.clone(), previous, is_blocked: was.is_some() };
            (change, (shifted, held, became_idle))
        })?;
        if became_idle {
            self.idle.push_back((self.now(), id));
        }
        let counts = &mut self.counts;
        counts.backlog = counts.backlog.saturating_add_signed(ready + later);
        counts.scheduled = counts.scheduled.saturating_add_signed(later);
        counts.held = counts.held.saturating_add_signed(held);
        self.accounts.shift_topic(&shifted.lane.topic, ready);
        self.accounts.shift(&shifted.lane.key, ready + later, held);
        Some(shifted)
    }

    /// The attempt of this message is over; with the last one of a claim its row goes.
    pub(crate) fn conclude(&mut self, seq: u64) {
        let over = self.claims.conclude(seq);
        self.changes.claims_gone.extend(over);
    }

    /// Writes what was tried with a message that stays where it is.
    pub(crate) fn remember(&mut self, kept: &Kept, past: &Past, payload: Option<Bytes>) {
        self.touch(kept.seq);
        let (spot, is_later) = (kept.spot(), kept.due.is_some());
        self.changes.tried.push(Tried { spot, is_later, past: past.encode(), payload });
    }

    /// Ends a message for good: only its id, where the sender gave one, stays.
    pub(crate) fn finish(&mut self, kept: &Kept, attempt: u32, fate: Fate) {
        self.take_out(kept);
        let Some(id) = &kept.id else { return };
        if let MessageId::Made { .. } = MessageId::parse(id, self.salt) {
            self.changes.ids_forgotten.push(id.clone());
            self.learn(id, None);
            return;
        }
        let mut past = kept.past();
        past.history.attempts = past.history.attempts.max(attempt);
        self.settle_id(id, kept.spot(), fate, Some(&past));
    }

    pub(crate) fn settle_id(&mut self, id: &Arc<str>, spot: Spot, fate: Fate, past: Option<&Past>) {
        let at = self.now();
        let past = past.map(Past::encode);
        self.changes.ids_settled.push(SettledId { id: id.clone(), fate, at, past });
        if let Some(Some(mut known)) = self.peek_id(id) {
            (known.fate, known.settled, known.spot) = (fate, Some(at), spot);
            self.learn(id, Some(known));
        }
    }

    /// Moves a message to the dead letters.
    pub(crate) fn bury(&mut self, kept: &Kept, past: &Past, reason: DeadReason) {
        let Some(lane) = self.lanes.row(kept.lane).map(|row| row.lane.clone()) else { return };
        let (spot, is_later, at) = (kept.spot(), kept.due.is_some(), self.now());
        let past = past.encode();
        self.changes.buried.push(Buried { spot, is_later, lane, past, reason, at });
        self.take_out(kept);
        self.counts.dead += 1;
        if let Some(id) = &kept.id {
            self.settle_id(id, spot, Fate::Dead, None);
        }
    }

    /// Takes a message out of its lane until `due`.
    pub(crate) fn put_off(
        &mut self,
        kept: &Kept,
        past: &Past,
        due: Timestamp,
        payload: Option<Bytes>,
    ) {
        self.touch(kept.seq);
        let (spot, is_later) = (kept.spot(), kept.due.is_some());
        let (past, named) = (past.encode(), kept.named());
        self.changes.put_off.push(PutOff { spot, is_later, due, past, payload, named });
        if !is_later {
            self.shift(kept.lane, Shift::PutOff(kept.seq));
        }
    }

    /// Puts a message whose moment has come behind all others of its lane, under a new sequence;
    /// its id leads there from now on.
    pub(crate) fn bring_back(&mut self, kept: &Kept) {
        let seq = self.next_seq();
        if let Some(at) = kept.expires.filter(|_| !kept.is_named) {
            self.ages.returned(at);
        }
        self.touch(kept.seq);
        self.touch(seq);
        let (id, spot) = (kept.id(self.salt), kept.spot());
        self.changes.back.push(Back { spot, seq, id: id.clone(), named: kept.named() });
        let Some(shifted) = self.shift(kept.lane, Shift::Back(seq)) else { return };
        let spot = Spot { lane: kept.lane, seq };
        self.changes.ids_moved.push(NewId {
            id,
            fingerprint: None,
            spot,
            key: shifted.lane.key.clone(),
            topic: shifted.lane.topic.clone(),
            accepted: kept.accepted,
            expires: kept.expires,
        });
    }

    /// Whether a lane waits for the moment of this message, its head; `None` where the head has to
    /// be loaded.
    pub(crate) fn waits_for(&mut self, kept: &Kept) -> Option<bool> {
        let block = self.lanes.row(kept.lane).and_then(|row| row.block);
        if kept.due.is_some() || !matches!(block, Some(Block::Until(_))) {
            return Some(false);
        }
        let head = self.heads.get(&kept.lane).copied();
        if head.is_none() {
            self.wants.heads.push(kept.lane);
        }
        head.map(|head| head == Some(kept.seq))
    }

    /// Releases a lane whose head is gone, and answers it if it has anything to go on with.
    pub(crate) fn go_on(&mut self, id: LaneId) -> Option<Arc<Lane>> {
        self.set_block(id, None);
        let row = self.lanes.row(id)?;
        (row.ready > 0).then(|| row.lane.clone())
    }

    fn take_out(&mut self, kept: &Kept) {
        self.touch(kept.seq);
        let (spot, is_later) = (kept.spot(), kept.due.is_some());
        self.changes.gone.push(Gone { spot, is_later, named: kept.named() });
        // One that was found by its expiry may still be among the recent.
        self.recent.remove(&kept.seq);
        let shift = if is_later { Shift::NoMore } else { Shift::Out(kept.seq) };
        self.shift(kept.lane, shift);
    }
}
