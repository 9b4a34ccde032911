//! How long an answer of a server is waited for.
//!
//! A machine that is gone, or a network that carries nothing, does not say so: without an end to
//! patience callers would wait for as long as the operating system does, which is minutes.

use roundsman_store::StoreError;
use std::time::Duration;
use tokio::time::timeout;

/// Longer than a group takes to be written on a slow disk, shorter than senders wait.
const PATIENCE: Duration = Duration::from_secs(15);

/// The answer, or that there is none. What was asked is given up then, and the connection with it.
pub(super) async fn in_time<T>(
    asking: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(PATIENCE, asking).await.unwrap_or_else(|_| {
        let seconds = PATIENCE.as_secs();
        Err(StoreError::Unavailable(format!("its server has not answered for {seconds} s")))
    })
}
