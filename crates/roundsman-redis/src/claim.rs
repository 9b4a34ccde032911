//! Claiming: one entry a batch says which attempts are about to begin; after a crash it says which
//! were cut off.
//!
//! ```text
//!  epoch:number → A (alone) or nothing, then of each member ` lane seq attempt`
//! ```

use crate::door::Door;
use crate::error::strange;
use crate::link::Link;
use crate::reply::hex;
use crate::scripts::Verb;
use crate::writer::Ledger;
use redis::Cmd;
use roundsman_store::{Claim, ClaimId, History, StoreError};
use std::fmt::Write;

/// What the script is asked.
pub(crate) fn call(ledger: &Ledger, claim: &Claim, id: ClaimId) -> Cmd {
    let mut call = ledger.call(Verb::Claim);
    call.arg(ledger.claim_field(id.0)).arg(written(claim));
    call
}

fn written(claim: &Claim) -> String {
    let mut out = if claim.alone { "A".to_owned() } else { String::new() };
    for member in &claim.members {
        // Writing to a string does not fail.
        let _ = write!(out, " {} {} {}", hex(member.lane), member.seq, member.attempt);
    }
    out
}

/// Counts every attempt that was under way as cut off, one claim after the other.
pub(crate) async fn cut_off(link: &Link, door: &Door, epoch: u64) -> Result<(), StoreError> {
    let mut keys = redis::cmd("HKEYS");
    keys.arg(door.key("claims"));
    let fields = link.ask(keys).await?;
    let fields: Vec<String> =
        redis::from_redis_value(fields).map_err(|_| strange("no names of claims"))?;
    for field in fields {
        let mut look = redis::cmd("HGET");
        look.arg(door.key("claims")).arg(&field);
        let claim = crate::reply::text(link.ask(look).await?)?;
        let mut call = door.call(Verb::Cut, Some(epoch));
        let alone = if claim.starts_with('A') { "1" } else { "" };
        call.arg(field).arg(alone).arg(History::CUTS_ALONE_UNTIL_DEAD);
        for part in claim.split(' ').skip(1) {
            call.arg(part);
        }
        link.ask(call).await?;
    }
    Ok(())
}
