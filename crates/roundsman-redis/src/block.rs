//! Blocking and releasing lanes as a whole.

use crate::reply::{Parts, hex};
use crate::scripts::Verb;
use crate::writer::Ledger;
use redis::{Cmd, Value};
use roundsman_store::{Block, Lane, LaneId, Release, StoreError};
use std::sync::Arc;

/// At most so many lanes in one call, so that nobody waits for long.
pub(crate) const AT_ONCE: usize = 512;

/// What the script is asked; `None` releases.
pub(crate) fn call(ledger: &Ledger, lanes: &[(LaneId, Option<Block>)]) -> Cmd {
    let mut call = ledger.call(Verb::Block);
    for (lane, block) in lanes {
        call.arg(hex(*lane)).arg(match block {
            None => String::new(),
            Some(Block::Absent) => "A".to_owned(),
            Some(Block::Until(at)) => format!("U{}", at.0),
            Some(Block::Parked(endpoint)) => format!("P{:016x}", endpoint.0),
        });
    }
    call
}

/// Those of them that have messages.
pub(crate) fn finish(answer: Value) -> Result<Vec<Arc<Lane>>, StoreError> {
    Parts::of(answer)?.lanes()
}

/// Which lanes a release by what they wait for is about, as the script wants it.
pub(crate) fn what(which: &Release) -> Option<String> {
    match which {
        Release::Topic(topic) => Some(format!("A{topic}")),
        Release::Endpoint(endpoint) => Some(format!("P{:016x}", endpoint.0)),
        Release::Endpoints => Some("P".to_owned()),
        Release::Lanes(_) => None,
    }
}

/// One step of such a release.
pub(crate) fn release(ledger: &Ledger, what: &str) -> Cmd {
    let mut call = ledger.call(Verb::Release);
    call.arg(what).arg(AT_ONCE);
    call
}

/// Whether there may be more, and those that have messages.
pub(crate) fn released(answer: Value) -> Result<(bool, Vec<Arc<Lane>>), StoreError> {
    let mut parts = Parts::of(answer)?;
    Ok((parts.number()? != 0, parts.lanes()?))
}
