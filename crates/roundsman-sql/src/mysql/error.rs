//! What a failure of MySQL or MariaDB means to the caller of a store.

use mysql_async::Error;
use roundsman_store::StoreError;

/// What a statement answers inside this store.
pub(super) type Sql<T> = Result<T, Error>;

/// Says what `error` means, naming the database, and where there is a cure, the cure.
pub(super) fn store_error(name: &str, error: &Error) -> StoreError {
    let Error::Server(server) = error else {
        return StoreError::Unavailable(format!("{name}: {error}"));
    };
    let what = format!("{name}: {} ({})", server.message, server.code);
    let cure = match server.code {
        // A full disk, a full table.
        1021 | 1114 => return StoreError::Full(what),
        1045 => "check user and password in the store's URL",
        1044 | 1142 | 1227 => {
            "the user needs all privileges on that database; name another by `?schema=`"
        }
        1049 => "create the database first",
        1054 | 1146 => {
            "the tables are not those that Roundsman made; name another database by `?schema=`"
        }
        // Deadlocks and waits, too many connections, going down, killed, read-only.
        1040
        | 1041
        | 1053
        | 1158..=1161
        | 1203
        | 1205
        | 1213
        | 1290
        | 1317
        | 1792
        | 1836
        | 1927
        | 3024
        | 4031 => return StoreError::Unavailable(what),
        _ => return StoreError::Unusable(what),
    };
    StoreError::Unusable(format!("{what}; {cure}"))
}

/// Whether the whole transaction was undone for the sake of another, and may be repeated.
pub(super) fn is_deadlock(error: &Error) -> bool {
    matches!(error, Error::Server(server) if [1205, 1213].contains(&server.code))
}
