//! What the server and the line to it say, as store errors that name the cure.

use redis::{ErrorKind, RedisError, ServerError};
use roundsman_store::StoreError;

/// What an error reply means.
pub(crate) fn of_reply(error: &ServerError) -> StoreError {
    let what = || format!("{} {}", error.code(), error.details().unwrap_or_default());
    match error.code() {
        "OOM" => StoreError::Full(
            "the server has reached its maxmemory; raise that, or wait until messages are settled"
                .to_owned(),
        ),
        "MISCONF" => StoreError::Full(format!(
            "the server cannot write its append-only file; give it room on its disk ({})",
            what()
        )),
        "READONLY" => StoreError::Unavailable(
            "the server is a read-only replica; give `store` the address of the primary".to_owned(),
        ),
        "FENCED" => StoreError::Locked(
            "another Roundsman has taken it over while this one did not answer; start this one again, \
             to stand by, or once the other has ended"
                .to_owned(),
        ),
        "EMPTIED" => StoreError::Unusable(
            "the store is no longer on the server: it was flushed, or restarted without what it \
             had written; restore its append-only file, or restart to begin with an empty store"
                .to_owned(),
        ),
        "NOAUTH" | "WRONGPASS" => StoreError::Unusable(format!(
            "the server refuses the name or password; write `redis://NAME:PASSWORD@host` ({})",
            what()
        )),
        "NOPERM" => StoreError::Unusable(format!(
            "the server does not let this user do what a store does; allow it all commands on keys \
             that begin with the prefix ({})",
            what()
        )),
        "MOVED" | "ASK" | "CROSSSLOT" => StoreError::Unusable(format!(
            "the server is one of a cluster and does not hold the slot of the prefix; give `store` \
             the address of the one that does ({})",
            what()
        )),
        _ => StoreError::Unavailable(format!("the server answers: {}", what())),
    }
}

/// What a failure of the line means: nobody knows what became of what was asked.
pub(crate) fn of_line(error: &RedisError) -> StoreError {
    match error.kind() {
        ErrorKind::AuthenticationFailed => StoreError::Unusable(format!(
            "the server refuses the name or password; write `redis://NAME:PASSWORD@host` ({error})"
        )),
        ErrorKind::InvalidClientConfig => StoreError::Unusable(error.to_string()),
        _ => match error.code() {
            Some("NOAUTH" | "WRONGPASS") => StoreError::Unusable(format!(
                "the server refuses the name or password; write `redis://NAME:PASSWORD@host` \
                 ({error})"
            )),
            _ => StoreError::Unavailable(error.to_string()),
        },
    }
}

/// An answer that no version of the scripts gives.
pub(crate) fn strange(what: &str) -> StoreError {
    StoreError::Unusable(format!(
        "the server's answer cannot be understood ({what}); is something else writing below the \
         store's prefix?"
    ))
}
