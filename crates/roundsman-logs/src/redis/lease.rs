//! One reader at a time: two would tear the order of a stream apart.
//!
//! A key of the server names the reader, and expires when that says nothing any more. It is no fence:
//! one that stood still may hand on what it had read before, which its ids make harmless.

use super::line::connect;
use crate::LogError;
use redis::Script;
use redis::aio::MultiplexedConnection;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// How long a reader that says nothing is believed in.
const LEASE: Duration = Duration::from_secs(2);
/// How often it says that it is there, and how often others look.
const PULSE: Duration = Duration::from_millis(500);

const RENEW: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
     return redis.call('PEXPIRE', KEYS[1], ARGV[2]) else return 0 end";
const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
     return redis.call('DEL', KEYS[1]) else return 0 end";

/// The right to read, for as long as this lives.
#[derive(Debug)]
pub(super) struct Lease {
    line: MultiplexedConnection,
    key: String,
    token: String,
    lost: watch::Receiver<bool>,
    renewing: JoinHandle<()>,
}

impl Lease {
    /// Waits until nobody else has it.
    pub(super) async fn take(server: &str, stream: &str, group: &str) -> Result<Self, LogError> {
        let mut line = connect(server).await?;
        let key = format!("{stream}:{group}:reader");
        let token = format!("{:032x}", rand::random::<u128>());
        let mut waits = false;
        loop {
            let taken: Option<String> = redis::cmd("SET")
                .arg(&key)
                .arg(&token)
                .arg("NX")
                .arg("PX")
                .arg(LEASE.as_millis() as u64)
                .query_async(&mut line)
                .await?;
            if taken.is_some() {
                break;
            }
            if !std::mem::replace(&mut waits, true) {
                tracing::info!(stream, group, "another process reads this stream, or just did");
            }
            sleep(PULSE).await;
        }
        let (told, lost) = watch::channel(false);
        let renewing = tokio::spawn(renew(line.clone(), key.clone(), token.clone(), told));
        Ok(Self { line, key, token, lost, renewing })
    }

    pub(super) fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// Lets another have it at once.
    pub(super) async fn release(mut self) {
        self.renewing.abort();
        let script = Script::new(RELEASE);
        let mut call = script.key(&self.key);
        call.arg(&self.token);
        // It expires where that fails.
        let _: Result<i64, _> = call.invoke_async(&mut self.line).await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// Says again and again that the reader is there, until it is not believed any more.
async fn renew(
    mut line: MultiplexedConnection,
    key: String,
    token: String,
    lost: watch::Sender<bool>,
) {
    let script = Script::new(RENEW);
    let mut held = Instant::now();
    loop {
        sleep(PULSE).await;
        let asked = Instant::now();
        let mut call = script.key(&key);
        call.arg(&token).arg(LEASE.as_millis() as u64);
        match call.invoke_async::<i64>(&mut line).await {
            Ok(0) => break,
            Ok(_) => held = asked,
            Err(_) if held.elapsed() < LEASE => {}
            Err(_) => break,
        }
    }
    lost.send_replace(true);
}
