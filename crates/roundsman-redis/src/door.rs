//! Where the store is: the server, the prefix of its keys, and how its scripts are called.

use crate::error;
use crate::scripts::Verb;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, Script};
use roundsman_store::{Clock, StoreError};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The address of a store, read from its URL.
pub(crate) struct Door {
    client: Client,
    /// `{prefix}:`, before every key.
    prefix: String,
    /// By the number of the verb.
    hashes: Vec<String>,
    /// `None`: the server's.
    clock: Option<Arc<dyn Clock>>,
}

/// The prefix where the URL names none.
const PREFIX: &str = "roundsman";
/// A server that does not let us in within this is away.
const CONNECT: Duration = Duration::from_secs(5);
/// One that does not answer within this is; longer than a group may wait for its sync.
const ANSWER: Duration = Duration::from_secs(15);

impl Door {
    /// Reads `redis://[name:password@]host[:port][/database][?prefix=…]`, or `rediss://` for TLS.
    pub(crate) fn parse(url: &str, clock: Option<Arc<dyn Clock>>) -> Result<Self, StoreError> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut prefix = PREFIX.to_owned();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("prefix", given)) if is_prefix(given) => given.clone_into(&mut prefix),
                Some(("prefix", given)) => {
                    return Err(StoreError::Unusable(format!(
                        "`{given}` is no prefix; use 1 to 64 letters, digits, `-`, `_`, `.` or `:`"
                    )));
                }
                _ => {
                    return Err(StoreError::Unusable(format!(
                        "`{part}` is nothing that a Redis URL may ask for; write `?prefix=NAME`"
                    )));
                }
            }
        }
        let client = Client::open(address).map_err(|error| error::of_line(&error))?;
        let hashes = Verb::ALL.map(|verb| Script::new(verb.source()).get_hash().to_owned());
        Ok(Self { client, prefix: format!("{{{prefix}}}:"), hashes: hashes.to_vec(), clock })
    }

    /// A new connection that knows the scripts.
    pub(crate) async fn enter(&self) -> Result<MultiplexedConnection, StoreError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = connection.map_err(|error| error::of_line(&error))?;
        // A server hangs up on strangers who say more than a few bytes, without saying why.
        let hello = connection.send_packed_command(&redis::cmd("PING")).await;
        if let redis::Value::ServerError(refusal) = hello.map_err(|error| error::of_line(&error))? {
            return Err(error::of_reply(&refusal));
        }
        self.teach(&mut connection).await?;
        Ok(connection)
    }

    /// Has the server load the scripts, which it forgets when it is restarted.
    pub(crate) async fn teach(&self, line: &mut MultiplexedConnection) -> Result<(), StoreError> {
        let mut scripts = Pipeline::new();
        for verb in Verb::ALL {
            scripts.cmd("SCRIPT").arg("LOAD").arg(verb.source());
        }
        let answers = line.send_packed_commands(&scripts, 0, scripts.len()).await;
        for answer in answers.map_err(|error| error::of_line(&error))? {
            if let redis::Value::ServerError(refusal) = answer {
                return Err(error::of_reply(&refusal));
            }
        }
        Ok(())
    }

    /// A call of a script. Only those that write need an epoch.
    pub(crate) fn call(&self, verb: Verb, epoch: Option<u64>) -> Cmd {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.hashes[verb as usize]).arg(1).arg(self.key("state"));
        match epoch {
            Some(epoch) => call.arg(epoch),
            None => call.arg(""),
        };
        match &self.clock {
            Some(clock) => call.arg(clock.now().0),
            None => call.arg(""),
        };
        call
    }

    /// The name of one of the store's keys.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The server and the store on it, without a password.
    pub(crate) fn name(&self) -> String {
        let info = self.client.get_connection_info();
        let database = info.redis_settings().db();
        format!("redis {}/{database}, keys {}*", info.addr(), self.prefix)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Door").field(&self.name()).finish()
    }
}

fn is_prefix(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let door = Door::parse("redis://:secret@localhost:6380/3?prefix=shop", None).unwrap();
        assert_eq!(door.key("state"), "{shop}:state");
        assert!(door.name().contains("localhost:6380/3") && !door.name().contains("secret"));
        let plain = Door::parse("redis://localhost", None).unwrap();
        assert_eq!(plain.key("state"), "{roundsman}:state");
        for wrong in ["redis://localhost?prefix=", "redis://localhost?prefix=a{b", "redis://h?x=1"]
        {
            assert!(matches!(Door::parse(wrong, None), Err(StoreError::Unusable(_))), "{wrong}");
        }
    }
}
