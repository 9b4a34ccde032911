//! Connections, and what the server says as words with the cure.

use crate::LogError;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use std::time::Duration;

/// A server that does not let us in within this is away.
const CONNECT: Duration = Duration::from_secs(5);
/// One that does not answer within this is; longer than a read waits for records.
const ANSWER: Duration = Duration::from_secs(10);

pub(super) async fn connect(server: &str) -> Result<MultiplexedConnection, LogError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(ANSWER));
    let client = Client::open(server)?;
    Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
}

/// What went wrong, and what helps.
impl From<RedisError> for LogError {
    fn from(error: RedisError) -> Self {
        let cure = match error.code() {
            Some("NOAUTH" | "WRONGPASS") => "; write `redis://NAME:PASSWORD@host/…`",
            _ if error.kind() == redis::ErrorKind::AuthenticationFailed => {
                "; write `redis://NAME:PASSWORD@host/…`"
            }
            Some("NOPERM") => {
                "; allow this user XREADGROUP, XACK, XAUTOCLAIM, XGROUP and XINFO on the stream, and SET \
             and EVAL on the key `STREAM:GROUP:reader`"
            }
            Some("WRONGTYPE") => "; this key is no stream: write the key that producers XADD to",
            Some("READONLY") => "; write the address of the primary",
            Some("MOVED" | "ASK" | "CROSSSLOT") => {
                "; write the address of the server that holds the stream's slot"
            }
            _ => "",
        };
        Self(format!("{error}{cure}"))
    }
}
