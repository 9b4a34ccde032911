//! Draining the outbox: each row is checked as an HTTP body is, and accepted as it leaves the table.
//!
//! There is no cursor: commits finish out of order, and a number seen is no promise that the lower
//! ones were. What was accepted is deleted, so the oldest rows that are visible are always the next.
//! It is polled: a trigger that notifies would take a lock of the whole server in each commit of an
//! application.

use crate::config::Limits;
use crate::http::{Checks, Loose};
use roundsman_delivery::{IntakeError, Node};
use roundsman_store::{AcceptError, Draft, OutboxRow, Refusal, StoreError};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;

/// Rows of one transaction.
const BATCH: usize = 500;
/// The pause after the last row, which doubles up to the second of them while nothing comes.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(25));
/// The pause while the store is away.
const AWAY: Duration = Duration::from_secs(1);
/// Keys at their bounds that are left out at once; the rest of the table waits with them then.
const FULL: usize = 200;

/// Drains the outbox of the node's store, if it has one, until the node takes nothing in any more.
pub(crate) async fn drain(node: Node, limits: Limits) {
    if node.outbox().is_none() {
        return;
    }
    let (mut pause, mut full) = (PAUSE.0, Vec::new());
    loop {
        match step(&node, &limits, &mut full).await {
            Ok(true) => pause = PAUSE.0,
            Ok(false) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE.1);
                full.clear();
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "the outbox waits for the store");
                tokio::time::sleep(AWAY).await;
            }
        }
    }
}

/// Takes the next rows, but for those of keys that are `full`. Answers whether there may be more.
async fn step(node: &Node, limits: &Limits, full: &mut Vec<Arc<str>>) -> Result<bool, StoreError> {
    let Some(outbox) = node.outbox() else { return Err(StoreError::Closed) };
    let rows = outbox.rows(BATCH, limits.message + 1, full.clone()).await?;
    let mut more = !rows.is_empty() && full.len() < FULL;
    let (mut ready, mut faults) = (Vec::new(), Vec::new());
    for row in rows {
        match check(node, limits, &row) {
            Ok(draft) => ready.push((row.number, row.account().clone(), draft)),
            Err(words) => faults.push((row.number, words)),
        }
    }
    while !ready.is_empty() {
        let drafts = ready.iter().map(|(_, _, draft): &(_, _, Draft)| draft.clone()).collect();
        let numbers = ready.iter().map(|(number, _, _)| *number).collect();
        match node.accept_rows(drafts, numbers).await {
            Ok(_) => break,
            Err(IntakeError::Draining) => return Err(StoreError::Closed),
            Err(IntakeError::Accept(AcceptError::Store(error))) => return Err(error),
            Err(IntakeError::Accept(AcceptError::Refused(refusals))) => {
                let conflicts = refusals.iter().any(|refusal| refusal.bound.is_none());
                for Refusal { index, bound } in refusals {
                    let Some((number, account, _)) = ready.get(index) else { continue };
                    match bound {
                        None => faults.push((*number, CONFLICT.to_owned())),
                        Some(_) if conflicts || full.contains(account) => {}
                        Some(_) => full.push(account.clone()),
                    }
                }
                // All of a key waits when one of its rows does: they keep their order.
                let marked = |number| faults.iter().any(|(fault, _)| *fault == number);
                ready.retain(|(number, account, _)| !marked(*number) && !full.contains(account));
            }
        }
    }
    more &= full.len() < FULL;
    if !faults.is_empty() {
        tracing::warn!(
            rows = faults.len(),
            "rows of the outbox are at fault; see their column error"
        );
        outbox.mark(faults).await?;
    }
    Ok(more)
}

const CONFLICT: &str = "/id: this id was given to a message that differs from this one; \
     give another id, then set error to NULL";

/// The message of a row, or what is wrong with it: exactly what the API would say of it.
fn check(node: &Node, limits: &Limits, row: &OutboxRow) -> Result<Draft, String> {
    const AGAIN: &str = "; mend the row, then set error to NULL";
    let checks = Checks { rules: &node.rules(), limits, is_joined: &|topic| node.is_joined(topic) };
    body(row, limits).and_then(|body| checks.draft(&body)).map_err(|words| words + AGAIN)
}

/// A row as the body of a request.
fn body(row: &OutboxRow, limits: &Limits) -> Result<String, String> {
    if row.payload.len() > limits.message {
        let most = limits.message;
        return Err(format!(
            "/payload: a message has at most {most} bytes of field names and values"
        ));
    }
    let payload: &RawValue = serde_json::from_str(&row.payload)
        .map_err(|error| format!("/payload: no JSON: {error}"))?;
    let loose = Loose {
        topic: &row.topic,
        payload: payload.get(),
        event: row.event.as_deref(),
        key: row.key.as_deref(),
        id: row.id.as_deref(),
        deliver_at: row.deliver_at,
        expires_at: row.expires_at,
    };
    loose.body().map_err(|(field, words)| format!("/{field}: {words}"))
}
