//! Settling: outcomes as the script wants them, and what it answered to each.

use crate::door::Door;
use crate::error::strange;
use crate::ids::{spots, write_id};
use crate::link::Link;
use crate::message::write_failure;
use crate::reply::{Parts, hex, lane_id};
use crate::scripts::Verb;
use crate::writer::Ledger;
use redis::{Cmd, Value};
use roundsman_store::{IdSalt, Outcome, Place, Settled, Settlement, StoreError, Which};
use rustc_hash::FxHashMap;

/// Where messages lie that are named by their ids, as far as it matters: whose attempt is under way.
pub(crate) type Places = FxHashMap<String, u64>;

/// Looks up where the messages lie that a batch names by their ids.
pub(crate) async fn resolve(
    link: &Link,
    door: &Door,
    salt: IdSalt,
    batch: &[Settlement],
) -> Result<Places, StoreError> {
    let mut ids: Vec<String> = Vec::new();
    for settlement in batch {
        if let Which::Id { id, .. } = &settlement.which {
            ids.push(write_id(id, salt));
        }
    }
    let spots = spots(link, door, &ids).await?;
    // A made id leads to its own place until the message is moved.
    let seq = |id: &String, spot: Option<(char, u64)>| match spot {
        Some((_, seq)) => Some(seq),
        None => id.rsplit(':').next().and_then(|seq| seq.parse().ok()),
    };
    let place = |(id, spot)| seq(&id, spot).map(|seq| (id, seq));
    Ok(ids.into_iter().zip(spots).filter_map(place).collect())
}

/// What the script is asked.
pub(crate) fn call(ledger: &Ledger, salt: IdSalt, batch: &[Settlement], places: &Places) -> Cmd {
    let mut call = ledger.call(Verb::Settle);
    call.arg(batch.len());
    for settlement in batch {
        match settlement.which {
            Which::At { seq, .. } => call.arg(seq),
            Which::Id { .. } => call.arg(""),
        };
    }
    for Settlement { which, outcome, .. } in batch {
        let how = match which {
            Which::At { .. } => 'A',
            Which::Id { .. } => 'I',
        };
        call.arg(format!("{how}{}", letter(outcome)));
        match which {
            Which::At { lane, attempt, .. } => call.arg(hex(*lane)).arg(*attempt),
            Which::Id { id, topic } => {
                let id = write_id(id, salt);
                let seq = places.get(&id);
                let attempt = seq.and_then(|seq| ledger.claims.attempt(*seq));
                call.arg(id).arg(&**topic).arg(attempt.unwrap_or(0))
            }
        };
        add(&mut call, outcome);
    }
    call
}

fn letter(outcome: &Outcome) -> char {
    match outcome {
        Outcome::Delivered => 'D',
        Outcome::Expired | Outcome::Dropped => 'E',
        Outcome::Sent | Outcome::Released => 'S',
        Outcome::Retry { .. } => 'R',
        Outcome::Dead { .. } => 'X',
    }
}

fn add(call: &mut Cmd, outcome: &Outcome) {
    match outcome {
        Outcome::Retry { at, place, failure, payload } => {
            call.arg(at.0).arg(if *place == Place::Keep { "K" } else { "L" });
            call.arg(write_failure(failure));
            match payload {
                Some(payload) => call.arg("+").arg(&**payload),
                None => call.arg(""),
            };
        }
        Outcome::Dead { reason, failure } => {
            call.arg(reason.as_str());
            call.arg(failure.as_ref().map(write_failure).unwrap_or_default());
        }
        _ => {}
    }
}

/// What the script answered. Attempts that are over are so for the claims, too.
pub(crate) fn finish(
    ledger: &mut Ledger,
    batch: &[Settlement],
    answer: Value,
) -> Result<Vec<Settled>, StoreError> {
    let mut parts = Parts::of(answer)?;
    parts.next()?;
    let mut settled = Vec::with_capacity(batch.len());
    for settlement in batch {
        let (lane, seq, accepted) = (parts.text()?, parts.text()?, parts.moment()?);
        settled.push(match &*lane {
            "U" => {
                // Gone, but its claim may still count on it.
                if let Which::At { seq, .. } = settlement.which {
                    ledger.claims.conclude(seq);
                }
                Settled::Unknown
            }
            "S" => Settled::Stale,
            lane => {
                let seq = seq.parse().map_err(|_| strange("no sequence"))?;
                ledger.claims.conclude(seq);
                let accepted_at = accepted.unwrap_or_default();
                Settled::Done { lane: lane_id(lane)?, seq, accepted_at }
            }
        });
    }
    Ok(settled)
}
