//! Trying again until the store answers: what was decided must not be forgotten because it was away.

use roundsman_store::{Answer, StoreError};
use std::time::Duration;

/// How long to wait between two tries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    /// After the first; twice as long after each further one.
    pub(crate) first: Duration,
    /// Never longer.
    pub(crate) longest: Duration,
}

/// Calls until the store has answered, however long it is away or full; `what` waits for it, in
/// words for the log.
///
/// # Errors
/// It is closed, or cannot be used any more: no further try would help.
pub(crate) async fn until_answered<'a, T>(
    what: &str,
    pause: Pause,
    mut call: impl FnMut() -> Answer<'a, T>,
) -> Result<T, StoreError> {
    let mut wait = pause.first;
    loop {
        match call().await {
            Err(error @ (StoreError::Unavailable(_) | StoreError::Full(_))) => {
                tracing::warn!(%error, "{what} waits for the store");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(pause.longest);
            }
            answer => return answer,
        }
    }
}
