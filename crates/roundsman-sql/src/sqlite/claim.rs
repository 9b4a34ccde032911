//! Claiming: one row a batch says which attempts are about to begin.

use super::error::Sql;
use super::ledger::Ledger;
use super::row::int;
use crate::claims;
use roundsman_store::{Claim, ClaimId, StoreError};
use rusqlite::Connection;

/// Writes the row.
pub(super) fn claim(ledger: &mut Ledger, claim: Claim) -> Sql<Result<ClaimId, StoreError>> {
    let Claim { members, alone } = claim;
    let Ledger { connection, claims, .. } = ledger;
    let id = claims.next();
    if members.is_empty() {
        return Ok(Ok(ClaimId(id)));
    }
    connection.prepare_cached("INSERT INTO claim VALUES (?1, ?2, ?3)")?.execute((
        int(id),
        alone,
        claims::encode(&members),
    ))?;
    for member in &members {
        if let Some(over) = claims.enter(id, member) {
            delete(connection, over)?;
        }
    }
    Ok(Ok(ClaimId(id)))
}

/// Removes the row of a claim that is over.
pub(super) fn delete(connection: &Connection, id: u64) -> Sql<()> {
    connection.prepare_cached("DELETE FROM claim WHERE id = ?1")?.execute([int(id)]).map(drop)
}
