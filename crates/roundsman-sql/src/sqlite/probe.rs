//! What *accepted* means on this file as it is set, and a look at a file without opening it.

use super::disk::Disk;
use super::error::Sql;
use super::ledger::Ledger;
use roundsman_store::{Guarantee, StoreError};
use std::path::Path;

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
    Ok(Ok(guarantee(&ledger.place.path)))
}

/// What a store in this file promises; it is set so or does not open.
pub(super) fn guarantee(path: &Path) -> Guarantee {
    let disk = Disk::under(path);
    let end = match &disk {
        Disk::Local => {
            "it is kept when this process or the machine dies, as far as the disk keeps what it \
             says it has written."
                .to_owned()
        }
        Disk::Memory => {
            "it is kept when this process dies, and lost when the machine does, since the file is \
             on a disk in memory (tmpfs)."
                .to_owned()
        }
        Disk::Network(kind) => format!(
            "it is kept as far as the other machine keeps it, since the file is on a network disk \
             ({kind}), where neither locks nor WAL files can be relied on."
        ),
    };
    Guarantee {
        store: format!("SQLite {}", rusqlite::version()),
        survives_process: true,
        survives_machine: disk == Disk::Local,
        sentence: format!(
            "An accepted message is committed and synced to the disk (WAL, synchronous=FULL): {end}"
        ),
        weaker: match disk {
            Disk::Network(_) => vec!["sqlite-network-disk".to_owned()],
            Disk::Local | Disk::Memory => Vec::new(),
        },
    }
}
