//! What a failure of SQLite means to the caller of a store.

use roundsman_store::StoreError;
use rusqlite::ErrorCode;
use std::path::Path;

/// What a statement answers inside this store.
pub(super) type Sql<T> = rusqlite::Result<T>;

/// Says what `error` means, naming the file.
pub(super) fn store_error(path: &Path, error: &rusqlite::Error) -> StoreError {
    let what = format!("{}: {error}", path.display());
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(what),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Unusable(what),
        Some(_) => StoreError::Unavailable(what),
        None => StoreError::Unusable(what),
    }
}

/// A value in the file that no version of this store can have written.
pub(super) fn strange(
    column: usize,
    what: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(what))
}
