//! Blocking and releasing lanes as a whole, and walking those that are not blocked.

use super::ledger::{Ledger, Outcome, Step};
use super::wants::{Waiting, WalkAsk};
use roundsman_store::{Block, Lane, LaneId, Release};
use std::sync::Arc;

/// Blocks those of these lanes that have messages.
pub(super) fn block(ledger: &mut Ledger, lanes: &mut Vec<(LaneId, Block)>) -> Outcome<()> {
    if !ledger.are_lanes_at_hand(lanes.iter().map(|(id, _)| *id)) {
        return Step::Load;
    }
    for (id, block) in lanes {
        ledger.set_block(*id, Some(*block));
    }
    Step::Done(Ok(()))
}

/// Releases lanes, and answers those of them that have messages.
pub(super) fn release(ledger: &mut Ledger, which: &mut Release) -> Outcome<Vec<Arc<Lane>>> {
    let lanes = match which {
        Release::Lanes(lanes) => std::mem::take(lanes),
        Release::Topic(topic) => match waiting(ledger, Waiting::Topic(topic.clone())) {
            Some(lanes) => lanes,
            None => return Step::Load,
        },
        Release::Endpoint(endpoint) => match waiting(ledger, Waiting::Endpoint(*endpoint)) {
            Some(lanes) => lanes,
            None => return Step::Load,
        },
        Release::Endpoints => match waiting(ledger, Waiting::Endpoints) {
            Some(lanes) => lanes,
            None => return Step::Load,
        },
    };
    if !ledger.are_lanes_at_hand(lanes.iter().copied()) {
        *which = Release::Lanes(lanes);
        return Step::Load;
    }
    let mut released = Vec::with_capacity(lanes.len());
    for id in lanes {
        ledger.set_block(id, None);
        let row = ledger.lanes.row(id);
        released.extend(row.filter(|row| row.ready > 0).map(|row| row.lane.clone()));
    }
    Step::Done(Ok(released))
}

/// The lanes that wait for this; `None` where that has to be loaded.
fn waiting(ledger: &mut Ledger, waiting: Waiting) -> Option<Vec<LaneId>> {
    let Some(mut lanes) = ledger.waiting.remove(&waiting) else {
        ledger.wants.waiting.push(waiting);
        return None;
    };
    lanes.extend(ledger.lanes.blocked_now(&waiting));
    lanes.sort_unstable();
    lanes.dedup();
    lanes.retain(|id| {
        let row = ledger.lanes.row(*id);
        row.is_some_and(|row| waiting.is(&row.lane.topic, row.block))
    });
    Some(lanes)
}

/// A walk, and how far it has come.
#[derive(Debug)]
pub(super) struct Walk {
    after: Option<LaneId>,
    limit: usize,
    found: Vec<Arc<Lane>>,
}

impl Walk {
    pub(super) fn from(after: Option<LaneId>, limit: usize) -> Self {
        Self { after, limit, found: Vec::new() }
    }
}

/// The next lanes that have messages and are not blocked.
///
/// The rows say which lanes have their turn; whether there is anything in one of them now, memory
/// knows better, and where a lane is not in memory its row is exact. So no message is looked for,
/// and none of the dead rows that messages leave behind are met.
pub(super) fn walk(ledger: &mut Ledger, walk: &mut Walk) -> Outcome<Vec<Arc<Lane>>> {
    let ask = WalkAsk { after: walk.after, limit: walk.limit - walk.found.len() };
    let Some((_, rows)) = ledger.walked.take_if(|(asked, _)| *asked == ask) else {
        // Another walk of this group may want its own first.
        ledger.wants.walk.get_or_insert(ask);
        return Step::Load;
    };
    let is_over = rows.len() < ask.limit;
    walk.after = rows.last().map_or(walk.after, |stored| Some(stored.lane.id));
    for stored in rows {
        let row = ledger.lanes.row(stored.lane.id);
        let has_turn = row.map_or(stored.ready > 0, |row| row.ready > 0 && row.block.is_none());
        if has_turn {
            walk.found.push(stored.lane);
        }
    }
    if is_over || walk.found.len() >= walk.limit {
        return Step::Done(Ok(std::mem::take(&mut walk.found)));
    }
    let limit = walk.limit - walk.found.len();
    ledger.wants.walk.get_or_insert(WalkAsk { after: walk.after, limit });
    Step::Load
}
