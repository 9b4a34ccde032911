//! The owner's side: what was handed in is accepted, in the order of its numbers, and answered.

use super::pack::{self, Batch};
use crate::served::accept::accept;
use crate::served::call::{Call, Write};
use crate::served::changes::Answer;
use crate::served::ledger::{Ledger, Outcome, Step};
use crate::served::owner::OWNER;
use crate::served::shown::Shown;
use roundsman_store::{AcceptError, StoreError};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::WeakUnboundedSender;
use tokio::time::{Instant, sleep};

/// A part of a batch, as its row says.
#[derive(Clone, Debug)]
pub(crate) struct HandedRow {
    pub(crate) number: u64,
    pub(crate) node: u64,
    pub(crate) ticket: u64,
    /// How many parts there are; they lie in the order of their numbers.
    pub(crate) parts: usize,
    pub(crate) body: Vec<u8>,
}

/// Rows looked at, at first; twice as many where no batch among them is whole.
const ROWS: usize = 128;
/// About so many bytes are accepted in one transaction.
const WEIGHT: usize = 4 << 20;
/// The pause while there is nothing: soon after there was, and at other times.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));
const SOON: Duration = Duration::from_secs(5);

/// A batch that is whole.
#[derive(Debug)]
struct Whole {
    rows: Vec<u64>,
    node: u64,
    ticket: u64,
    /// `None`: nobody can read it.
    batch: Option<Batch>,
}

/// One round.
#[derive(Debug)]
struct Take {
    limit: usize,
    waiting: Option<VecDeque<Whole>>,
    taken: usize,
}

/// Accepts what was handed in, and answers how many batches that were.
fn take(ledger: &mut Ledger, round: &mut Take) -> Outcome<usize> {
    if round.waiting.is_none() {
        let Some(rows) = ledger.handed.take() else {
            ledger.wants.handed = Some(round.limit);
            return Step::Load;
        };
        let is_more = rows.len() >= round.limit;
        let whole = assemble(rows, is_more);
        if whole.is_empty() && is_more {
            round.limit *= 2;
            ledger.wants.handed = Some(round.limit);
            return Step::Load;
        }
        round.waiting = Some(whole);
    }
    let Some(waiting) = &mut round.waiting else { return Step::Load };
    while let Some(Whole { rows, node, ticket, batch }) = waiting.front_mut() {
        let answered = match batch.as_mut().map(|batch| accept(ledger, batch)) {
            Some(Step::Load) => return Step::Load,
            Some(Step::Flush) => return Step::Flush,
            Some(Step::Done(Ok(receipts))) => Some(Ok(receipts)),
            Some(Step::Done(Err(AcceptError::Refused(refusals)))) => Some(Err(refusals)),
            Some(Step::Done(Err(AcceptError::Store(_)))) | None => None,
        };
        ledger.changes.handed_gone.append(rows);
        // An empty one says that it could not be read.
        let answer = answered.as_ref().map(pack::pack_answer).unwrap_or_default();
        ledger.changes.answers.push(Answer { node: *node, ticket: *ticket, answer });
        round.taken += 1;
        waiting.pop_front();
    }
    Step::Done(Ok(round.taken))
}

/// The batches that are whole, in the order of their first parts, as many as one transaction takes.
/// One that is not, where there `is_more`, goes on behind the rows that were looked at; else it never
/// will be, and must not stand in the way of others.
fn assemble(rows: Vec<HandedRow>, is_more: bool) -> VecDeque<Whole> {
    let mut places = HashMap::new();
    let mut all: Vec<(HandedRow, Vec<u64>)> = Vec::new();
    for row in rows {
        match places.entry((row.node, row.ticket)) {
            Entry::Vacant(place) => {
                place.insert(all.len());
                let number = row.number;
                all.push((row, vec![number]));
            }
            Entry::Occupied(place) => {
                let (first, numbers) = &mut all[*place.get()];
                first.body.extend(row.body);
                numbers.push(row.number);
            }
        }
    }
    let (mut whole, mut weight) = (VecDeque::new(), 0);
    for (HandedRow { node, ticket, parts, body, .. }, rows) in all {
        if (is_more && rows.len() < parts) || weight > WEIGHT {
            break;
        }
        weight += body.len();
        whole.push_back(Whole { rows, node, ticket, batch: pack::unpack(&body) });
    }
    whole
}

/// Has what was handed in accepted, for as long as there is somebody who could call.
pub(in crate::served) async fn porter(desk: WeakUnboundedSender<Write>, shown: Arc<Shown>) {
    let mut last = Instant::now();
    loop {
        if shown.stands_aside() {
            sleep(OWNER.stand / 10).await;
        }
        let Some(sender) = desk.upgrade() else { return };
        if shown.stands_aside() {
            continue;
        }
        let (call, answer) = Call::new(Take { limit: ROWS, waiting: None, taken: 0 }, 0, take);
        let sent = sender.send(Box::new(call));
        drop(sender);
        match answer.await {
            _ if sent.is_err() => return,
            Ok(Ok(1..)) => last = Instant::now(),
            Ok(Ok(0)) => sleep(if last.elapsed() < SOON { PAUSE.0 } else { PAUSE.1 }).await,
            Ok(Err(StoreError::Locked(_) | StoreError::Unusable(_))) | Err(_) => return,
            Ok(Err(_)) => sleep(PAUSE.1).await,
        }
    }
}

/// The rows of a batch: in parts that any server takes in one statement.
pub(super) fn rows_of(body: &[u8]) -> impl ExactSizeIterator<Item = &[u8]> {
    const PART: usize = 512 * 1024;
    body.chunks(PART)
}

#[cfg(test)]
mod tests {
    use super::{HandedRow, assemble};
    use crate::served::handed::pack;
    use roundsman_store::Bounds;

    fn row(number: u64, node: u64, parts: usize, body: &[u8]) -> HandedRow {
        HandedRow { number, node, ticket: 5, parts, body: body.to_vec() }
    }

    #[test]
    fn parts_of_several_nodes_are_told_apart() {
        let body = pack::pack(&(Vec::new(), Bounds::NONE));
        let (head, tail) = body.split_at(3);
        let rows =
            vec![row(1, 7, 2, head), row(2, 8, 1, &body), row(3, 7, 2, tail), row(4, 9, 1, b"?")];
        let whole = assemble(rows, false);
        let seen: Vec<_> =
            whole.iter().map(|it| (it.node, it.rows.clone(), it.batch.is_some())).collect();
        assert_eq!(seen, [(7, vec![1, 3], true), (8, vec![2], true), (9, vec![4], false)]);
    }

    #[test]
    fn nothing_overtakes_what_is_not_whole_yet() {
        let body = pack::pack(&(Vec::new(), Bounds::NONE));
        let rows = vec![row(1, 8, 1, &body), row(2, 7, 2, &body[..9]), row(3, 9, 1, &body)];
        assert_eq!(assemble(rows.clone(), true).len(), 1);
        // The rest of it was lost.
        let whole = assemble(rows, false);
        assert_eq!(
            whole.iter().map(|it| it.batch.is_some()).collect::<Vec<_>>(),
            [true, false, true]
        );
    }
}
