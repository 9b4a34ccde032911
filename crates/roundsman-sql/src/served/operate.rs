//! What a person does by hand: takes one back, replays dead letters and drops them.

use super::changes::{NewId, Replayed};
use super::ledger::{Ledger, Outcome, Step};
use super::wants::{DeadAsk, Spot};
use crate::fate::Fate;
use crate::history::Past;
use crate::lane_row::Shift;
use crate::letter::{self, Letter};
use roundsman_store::{Lane, LaneId, MessageId, Sweep, Swept, TakenBack};
use std::sync::Arc;

/// Takes one message back that lies where it was seen.
pub(super) fn take_back(
    ledger: &mut Ledger,
    (id, place): &mut (Arc<str>, Option<(LaneId, u64)>),
) -> Outcome<TakenBack> {
    // Which message is the head of its lane is looked for in the database.
    if ledger.has_changes() {
        return Step::Flush;
    }
    let spot = match ledger.locate_named(id) {
        Step::Done(spot) => spot,
        Step::Load => return Step::Load,
        Step::Flush => return Step::Flush,
    };
    let elsewhere = Step::Done(Ok(TakenBack::Elsewhere));
    let Some(kept) = spot.and_then(|spot| ledger.take(spot)) else { return elsewhere };
    let lies_in = kept.due.is_none().then_some((kept.lane, kept.seq));
    let is_meant = kept.id.as_ref().is_none_or(|own| own == id);
    if lies_in != *place || !is_meant {
        ledger.put_back(kept);
        return elsewhere;
    }
    let Some(is_waited_for) = ledger.waits_for(&kept) else {
        ledger.put_back(kept);
        return Step::Load;
    };
    ledger.finish(&kept, 0, Fate::Gone);
    let released = if is_waited_for { ledger.go_on(kept.lane) } else { None };
    Step::Done(Ok(TakenBack::Done { released }))
}

/// Sends dead letters again, behind all others of their lanes.
pub(super) fn replay(ledger: &mut Ledger, sweep: &mut Sweep) -> Outcome<Swept> {
    let (picked, next) = match pick(ledger, sweep) {
        Step::Done(picked) => picked,
        Step::Load => return Step::Load,
        Step::Flush => return Step::Flush,
    };
    let mut at_hand = true;
    for letter in &picked {
        // Lanes that ran empty are forgotten: the same name may have another number by now.
        let Lane { key, topic, .. } = &*letter.lane;
        at_hand &= ledger.lanes.is_name_at_hand(key, topic, &mut ledger.wants);
        at_hand &= ledger.accounts.is_at_hand(key, &mut ledger.wants);
    }
    if !at_hand {
        return Step::Load;
    }
    let mut swept = Swept { next, ..Swept::default() };
    for letter in picked {
        let id = letter.id(ledger.salt);
        let (lane, is_open) = ledger.revive(&letter, &id);
        if is_open {
            swept.lanes.push(lane.clone());
        }
        swept.done.push((id, lane));
    }
    swept.lanes.sort_unstable_by_key(|lane| lane.id);
    swept.lanes.dedup_by_key(|lane| lane.id);
    ledger.letters = None;
    Step::Done(Ok(swept))
}

/// Removes dead letters for good.
pub(super) fn drop_dead(ledger: &mut Ledger, sweep: &mut Sweep) -> Outcome<Swept> {
    let (picked, next) = match pick(ledger, sweep) {
        Step::Done(picked) => picked,
        Step::Load => return Step::Load,
        Step::Flush => return Step::Flush,
    };
    let mut swept = Swept { next, ..Swept::default() };
    for letter in picked {
        ledger.changes.dead_gone.push(letter.seq);
        ledger.counts.dead = ledger.counts.dead.saturating_sub(1);
        if let Some(id) = &letter.id {
            match MessageId::parse(id, ledger.salt) {
                MessageId::Made { .. } => ledger.changes.ids_forgotten.push(id.clone()),
                MessageId::Given(_) => {
                    let spot = Spot { lane: letter.lane.id, seq: letter.seq };
                    ledger.settle_id(id, spot, Fate::Gone, Some(&Past::default()));
                }
            }
        }
        swept.done.push((letter.id(ledger.salt), letter.lane));
    }
    ledger.letters = None;
    Step::Done(Ok(swept))
}

/// The letters that a step is about, and where to go on.
fn pick(ledger: &mut Ledger, sweep: &Sweep) -> Step<(Vec<Letter>, Option<u64>)> {
    let ask = ask(sweep);
    if let Some((_, letters)) = ledger.letters.as_ref().filter(|(asked, _)| *asked == ask) {
        let limit = sweep.limit.min(Sweep::CHANGED);
        return Step::Done(letter::step(letters.iter().cloned(), sweep, limit));
    }
    // Letters are looked for in the database.
    if ledger.has_changes() {
        return Step::Flush;
    }
    // Another step of this group may want its own first.
    ledger.wants.dead.get_or_insert(ask);
    Step::Load
}

/// What has to be looked at for a step.
pub(crate) fn ask(sweep: &Sweep) -> DeadAsk {
    DeadAsk { after: sweep.after, limit: Sweep::LOOKED_AT + 1, ids: sweep.filter.ids.clone() }
}

impl Ledger {
    /// Puts one dead letter into its lane, and answers that and whether it is open.
    fn revive(&mut self, letter: &Letter, id: &Arc<str>) -> (Arc<Lane>, bool) {
        let (key, topic) = (letter.lane.key.clone(), letter.lane.topic.clone());
        let lane = self.intern(key.clone(), topic.clone());
        let seq = self.next_seq();
        let spot = Spot { lane, seq };
        self.touch(seq);
        self.changes.replayed.push(Replayed { dead: letter.seq, spot, id: id.clone() });
        self.counts.dead = self.counts.dead.saturating_sub(1);
        let (fingerprint, accepted, expires) = (None, letter.accepted, None);
        let id = id.clone();
        self.changes.ids_moved.push(NewId { id, fingerprint, spot, key, topic, accepted, expires });
        match self.shift(lane, Shift::In(seq)) {
            Some(shifted) => (shifted.lane, !shifted.is_blocked),
            None => (letter.lane.clone(), false),
        }
    }
}
