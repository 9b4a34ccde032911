//! What *accepted* means on this file as it is set, and a look at a file without opening it.

use super::error::Sql;
use super::ledger::Ledger;
use roundsman_store::{Guarantee, StoreError};

/// Asks the connection that writes, not the code that set it up.
pub(super) fn probe(ledger: &mut Ledger, (): ()) -> Sql<Result<Guarantee, StoreError>> {
    let connection = &ledger.connection;
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") || synchronous < 2 {
        return Ok(Err(StoreError::Unusable(format!(
            "{}: journal_mode is {mode} and synchronous is {synchronous}, not WAL and FULL; put \
             the file on a local disk",
            ledger.place.path.display()
        ))));
    }
    Ok(Ok(guarantee()))
}

/// What this kind of store promises; it is set so or does not open.
pub(super) fn guarantee() -> Guarantee {
    Guarantee {
        store: format!("SQLite {}", rusqlite::version()),
        survives_process: true,
        survives_machine: true,
        sentence: "An accepted message is committed and synced to the disk (WAL, \
                   synchronous=FULL): it is kept when this process or the machine dies, as far \
                   as the disk keeps what it says it has written."
            .to_owned(),
        weaker: Vec::new(),
    }
}
