//! A line to the server that is laid anew when it breaks, no more often than makes sense.

use crate::door::Door;
use crate::error;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, Value};
use roundsman_store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// One connection at a time. Calls from many tasks share it; each has its answers in its order.
#[derive(Debug)]
pub(crate) struct Link {
    door: Arc<Door>,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    open: Option<MultiplexedConnection>,
    /// How many connections there have been, so that a broken one is given up once.
    laid: u64,
    /// After a failure: not before this moment, with the pause after the next one.
    rest: Option<(Instant, Duration, StoreError)>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("laid", &self.laid).finish_non_exhaustive()
    }
}

/// Pauses between two attempts to connect.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

impl Link {
    pub(crate) fn to(door: Arc<Door>) -> Self {
        Self { door, line: Mutex::default() }
    }

    /// Asks one thing.
    pub(crate) async fn ask(&self, call: Cmd) -> Result<Value, StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.add_command(call);
        let answer = self.ask_all(&calls).await?.pop().unwrap_or(Value::Nil);
        match answer {
            Value::ServerError(refusal) => Err(error::of_reply(&refusal)),
            answer => Ok(answer),
        }
    }

    /// Asks several things in one go. Refusals are among the answers; an error is the line's, and
    /// leaves it unknown what was done.
    pub(crate) async fn ask_all(&self, calls: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let (mut line, number) = self.line().await?;
        let answers = self.send(&mut line, number, calls).await?;
        if !answers.iter().any(is_unknown_script) {
            return Ok(answers);
        }
        // Nothing was done of those that it did not know.
        self.door.teach(&mut line).await?;
        let again = calls.cmd_iter().zip(&answers).filter(|(_, answer)| is_unknown_script(answer));
        let mut missing = Pipeline::new();
        for (call, _) in again {
            missing.add_command(call.clone());
        }
        let mut more = self.send(&mut line, number, &missing).await?.into_iter();
        let fill = |answer| {
            if is_unknown_script(&answer) { more.next().unwrap_or(answer) } else { answer }
        };
        Ok(answers.into_iter().map(fill).collect())
    }

    async fn send(
        &self,
        line: &mut MultiplexedConnection,
        number: u64,
        calls: &Pipeline,
    ) -> Result<Vec<Value>, StoreError> {
        match line.send_packed_commands(calls, 0, calls.len()).await {
            Ok(answers) if answers.len() == calls.len() => Ok(answers),
            Ok(_) => Err(error::strange("not one answer for each call")),
            Err(failure) => {
                self.give_up(number).await;
                Err(error::of_line(&failure))
            }
        }
    }

    /// The connection, laid if need be, and its number.
    async fn line(&self) -> Result<(MultiplexedConnection, u64), StoreError> {
        let mut line = self.line.lock().await;
        if let Some(open) = &line.open {
            return Ok((open.clone(), line.laid));
        }
        let pause = match &line.rest {
            Some((until, _, error)) if Instant::now() < *until => return Err(error.clone()),
            Some((_, pause, _)) => (*pause * 2).min(PAUSE.1),
            None => PAUSE.0,
        };
        match self.door.enter().await {
            Ok(open) => {
                line.laid += 1;
                line.rest = None;
                line.open = Some(open.clone());
                Ok((open, line.laid))
            }
            Err(error) => {
                line.rest = Some((Instant::now() + pause, pause, error.clone()));
                Err(error)
            }
        }
    }

    async fn give_up(&self, number: u64) {
        let mut line = self.line.lock().await;
        if line.laid == number {
            line.open = None;
        }
    }
}

fn is_unknown_script(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(refusal) if refusal.code() == "NOSCRIPT")
}
