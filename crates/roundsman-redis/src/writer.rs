//! The task that writes: takes every call that waits, sends them in one go, waits until the server
//! has them on its disk, and only then tells anybody.
//!
//! While one group is being synced the next one gathers, so that durability costs latency and
//! hardly any throughput.

use crate::claims::Claims;
use crate::door::Door;
use crate::error;
use crate::link::Link;
use crate::scripts::Verb;
use crate::seat::Seat;
use parking_lot::Mutex;
use redis::{Cmd, Pipeline, Value};
use roundsman_store::{HintSender, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// A call on its way to the server.
pub(crate) struct Write {
    /// Bytes of it, about.
    pub(crate) weight: usize,
    /// Says what is asked, in the order of the calls.
    pub(crate) prepare: Box<dyn FnOnce(&mut Ledger) -> Cmd + Send>,
    /// Hears what was answered, in the same order, and tells the caller.
    pub(crate) finish: Box<Finish>,
}

/// How an answer is taken.
pub(crate) type Finish = dyn FnOnce(&mut Ledger, Result<Value, StoreError>) + Send;

/// What the calls that write share.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) door: Arc<Door>,
    pub(crate) seat: Arc<Seat>,
    pub(crate) claims: Claims,
    pub(crate) hints: Arc<Mutex<HintSender>>,
}

impl Ledger {
    /// A call of a script, under this opening's epoch. Without one it is refused, as it should be.
    pub(crate) fn call(&self, verb: Verb) -> Cmd {
        self.door.call(verb, self.seat.epoch().ok())
    }

    /// The name of a claim's entry. No other opening has the same.
    pub(crate) fn claim_field(&self, claim: u64) -> String {
        format!("{}:{claim}", self.seat.epoch().unwrap_or(0))
    }
}

/// Everything that the task owns.
#[derive(Debug)]
pub(crate) struct Writer {
    link: Link,
    ledger: Ledger,
    inbox: UnboundedReceiver<Write>,
    /// The server can say when what was written is on its disk.
    waits: bool,
    under_way: Arc<AtomicUsize>,
    token: String,
    ended: oneshot::Sender<Result<(), StoreError>>,
}

/// The task from outside.
pub(crate) struct Started {
    pub(crate) desk: UnboundedSender<Write>,
    /// How many attempts are under way, for those who read.
    pub(crate) under_way: Arc<AtomicUsize>,
    /// Told at the very end.
    pub(crate) ended: oneshot::Receiver<Result<(), StoreError>>,
}

impl std::fmt::Debug for Write {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Write").field("weight", &self.weight).finish_non_exhaustive()
    }
}

/// So many calls at most share a group, and so many bytes: those behind them must not wait for ever.
const GROUP: usize = 256;
const GROUP_BYTES: usize = 16 << 20;
/// How long the server may take to have a group on its disk, in milliseconds.
const SYNC: u64 = 10_000;

impl Writer {
    /// Sets the task going.
    pub(crate) fn start(link: Link, ledger: Ledger, waits: bool, token: String) -> Started {
        let (desk, inbox) = unbounded_channel();
        let (ended_sender, ended) = oneshot::channel();
        let under_way = Arc::new(AtomicUsize::new(0));
        let started = Started { desk, under_way: under_way.clone(), ended };
        let writer = Self { link, ledger, inbox, waits, under_way, token, ended: ended_sender };
        tokio::spawn(writer.run());
        started
    }

    /// Runs until there is nobody left who could call.
    async fn run(mut self) {
        while let Some(group) = self.gather().await {
            self.perform(group).await;
        }
        let mut leave = self.ledger.door.call(Verb::Leave, None);
        leave.arg(&self.token);
        let left = self.link.ask(leave).await;
        let _ = self.ended.send(left.map(drop));
    }

    /// Waits for a call, and takes along those that wait behind it.
    async fn gather(&mut self) -> Option<Vec<Write>> {
        let first = self.inbox.recv().await?;
        let (mut weight, mut group) = (first.weight, vec![first]);
        while group.len() < GROUP && weight < GROUP_BYTES {
            let Ok(next) = self.inbox.try_recv() else { break };
            weight += next.weight;
            group.push(next);
        }
        Some(group)
    }

    async fn perform(&mut self, group: Vec<Write>) {
        let (mut calls, mut finishes) = (Pipeline::with_capacity(group.len() + 2), Vec::new());
        for write in group {
            calls.add_command((write.prepare)(&mut self.ledger));
            finishes.push(write.finish);
        }
        self.close_claims(&mut calls);
        if self.waits {
            calls.cmd("WAITAOF").arg(1).arg(0).arg(SYNC);
        }
        let answers = match self.link.ask_all(&calls).await {
            Ok(answers) => self.synced(answers),
            Err(error) => Err(error),
        };
        match answers {
            Ok(answers) => {
                for (finish, answer) in finishes.into_iter().zip(answers) {
                    let answer = match answer {
                        Value::ServerError(refusal) => Err(error::of_reply(&refusal)),
                        answer => Ok(answer),
                    };
                    finish(&mut self.ledger, answer);
                }
            }
            Err(failure) => {
                tracing::warn!(error = %failure, "a group of calls came to nothing, or may have");
                for finish in finishes {
                    finish(&mut self.ledger, Err(failure.clone()));
                }
                // It may have been done all the same.
                self.ledger.hints.lock().walk();
            }
        }
        self.under_way.store(self.ledger.claims.len(), Ordering::Relaxed);
    }

    /// Removes entries of claims that are over. A crash before it is harmless: their members are
    /// gone, or have had their attempts.
    fn close_claims(&mut self, calls: &mut Pipeline) {
        let closed = self.ledger.claims.take_closed();
        if closed.is_empty() {
            return;
        }
        let fields: Vec<String> =
            closed.into_iter().map(|id| self.ledger.claim_field(id)).collect();
        calls.cmd("HDEL").arg(self.ledger.door.key("claims")).arg(fields);
    }

    /// The answers, once the server says that what they tell is on its disk.
    fn synced(&self, mut answers: Vec<Value>) -> Result<Vec<Value>, StoreError> {
        if !self.waits {
            return Ok(answers);
        }
        match answers.pop() {
            Some(Value::Array(synced)) if synced.first() == Some(&Value::Int(1)) => Ok(answers),
            Some(Value::ServerError(refusal)) => Err(StoreError::Unavailable(format!(
                "the server does not say that it is on its disk: {refusal}"
            ))),
            _ => Err(StoreError::Unavailable(
                "the server has not had it on its disk within ten seconds".to_owned(),
            )),
        }
    }
}
