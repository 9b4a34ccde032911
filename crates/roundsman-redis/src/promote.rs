//! Doing what is due by the clock: blocks that end, messages whose moment has come, what expired,
//! old ids, and lanes that have been empty for a while.

use crate::door::Door;
use crate::error::strange;
use crate::reply::Parts;
use crate::scripts::Verb;
use crate::writer::Ledger;
use redis::{Cmd, Value};
use roundsman_store::{Promoted, StoreError};

/// At most so many of each kind in one call, so that no other call waits for long.
const AT_ONCE: usize = 512;
/// How long a lane is kept empty, in microseconds: most fill again at once.
const IDLE: u64 = 5_000_000;

/// Asks what has expired. Those under way are among them, and `under_way` is how many that may be.
pub(crate) fn look(door: &Door, under_way: usize) -> Cmd {
    let mut call = door.call(Verb::Expired, None);
    call.arg(AT_ONCE + under_way);
    call
}

/// The sequences of what has expired.
pub(crate) fn looked(answer: Value) -> Result<Vec<u64>, StoreError> {
    let mut parts = Parts::of(answer)?;
    let mut expired = Vec::with_capacity(parts.len());
    while parts.len() > 0 {
        expired.push(parts.number()?);
    }
    Ok(expired)
}

/// What the script is asked. What is under way is its owner's to settle.
pub(crate) fn call(ledger: &Ledger, expired: &[u64]) -> Cmd {
    let mut call = ledger.call(Verb::Promote);
    call.arg(AT_ONCE).arg(IDLE);
    let over = expired.iter().filter(|seq| ledger.claims.attempt(**seq).is_none());
    for seq in over.take(AT_ONCE) {
        call.arg(*seq);
    }
    call
}

/// What the script did; `looked` is how many had expired when it was asked.
pub(crate) fn finish(looked: usize, answer: Value) -> Result<Promoted, StoreError> {
    let mut parts = Parts::of(answer)?;
    let (more, expired) = (parts.number()? != 0, parts.number()?);
    let (mut nexts, mut next) = (parts.list()?, None);
    while nexts.len() > 0 {
        let score = nexts.text()?;
        if !score.is_empty() {
            let at = score.parse::<f64>().map_err(|_| strange("no moment"))?;
            let at = crate::reply::moment(&format!("{at:.0}"))?;
            next = [next, at].into_iter().flatten().min();
        }
    }
    let mut lanes = parts.lanes()?;
    lanes.sort_unstable_by_key(|lane| lane.id);
    Ok(Promoted { lanes, expired, next, again: more || (expired > 0 && looked >= AT_ONCE) })
}
