//! What a failure of PostgreSQL means to the caller of a store.

use roundsman_store::StoreError;
use std::error::Error as _;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// What a statement answers inside this store.
pub(super) type Sql<T> = Result<T, Error>;

/// Says what `error` means, naming the database, and where there is a cure, the cure.
pub(super) fn store_error(name: &str, error: &Error) -> StoreError {
    let Some(db) = error.as_db_error() else {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        return StoreError::Unavailable(format!("{name}: {error}{cause}"));
    };
    let what = format!("{name}: {} ({})", db.message(), db.code().code());
    let code = db.code();
    if *code == SqlState::DISK_FULL {
        return StoreError::Full(what);
    }
    match cure(code) {
        Some(cure) => StoreError::Unusable(format!("{what}; {cure}")),
        // The server goes down, comes up, has no room for a connection, or is a replica by now.
        None if is_passing(code) => StoreError::Unavailable(what),
        None => StoreError::Unusable(what),
    }
}

fn cure(code: &SqlState) -> Option<&'static str> {
    Some(match code {
        code if *code == SqlState::INVALID_PASSWORD
            || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION =>
        {
            "check user and password in the store's URL"
        }
        code if *code == SqlState::INVALID_CATALOG_NAME => "create the database first",
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "the user needs CREATE on the database, or a schema of its own that is named by \
             `?schema=`"
        }
        code if *code == SqlState::UNDEFINED_TABLE || *code == SqlState::UNDEFINED_COLUMN => {
            "the schema is not one that Roundsman made; name another by `?schema=`"
        }
        _ => return None,
    })
}

/// Whether the same call may succeed later, by the class of the code.
fn is_passing(code: &SqlState) -> bool {
    let code = code.code();
    // Connection, transaction rollback, resources, intervention, system; and read-only.
    ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class))
        || code == "25006"
        || code == "25P02"
        || code == "25P03"
}
