//! The side of a node that stands by: puts batches into the table, and waits for their answers.

use super::pack;
use super::take::rows_of;
use crate::served::backend::{Backend, Hand};
use crate::served::patience::in_time;
use roundsman_store::{AcceptError, Bounds, Draft, IdSalt, Receipt, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

/// A part of a batch, to be put into the table.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) ticket: u64,
    pub(crate) parts: usize,
    pub(crate) body: Vec<u8>,
}

/// How often answers are looked for while any is awaited.
const LOOK: Duration = Duration::from_millis(5);
/// Longer than it takes to succeed an owner.
const PATIENCE: Duration = Duration::from_secs(15);
/// About so many bytes are put into the table at once.
const WEIGHT: usize = 4 << 20;

type Bytes = Vec<u8>;
type Asked = (Bytes, oneshot::Sender<Result<Bytes, StoreError>>);

/// Where batches are handed in.
#[derive(Debug)]
pub(in crate::served) struct Mail {
    to: mpsc::UnboundedSender<Asked>,
    task: tokio::task::AbortHandle,
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mail {
    /// Hands a batch in, and waits until the owner has answered.
    pub(in crate::served) async fn give(
        &self,
        batch: (Vec<Draft>, Bounds),
        salt: IdSalt,
    ) -> Result<Vec<Receipt>, AcceptError> {
        let (to, answer) = oneshot::channel();
        self.to.send((pack::pack(&batch), to)).map_err(|_| StoreError::Closed)?;
        drop(batch);
        let answer = answer.await.unwrap_or(Err(StoreError::Closed))?;
        let answered = pack::unpack_answer(&answer, salt).ok_or_else(|| {
            let what =
                "the owner of the store, of another version, cannot read what was handed to it";
            StoreError::Unusable(what.to_owned())
        })?;
        answered.map_err(AcceptError::Refused)
    }
}

/// The task that hands in.
pub(in crate::served) struct Giver<B: Backend> {
    backend: Arc<B>,
    /// Nobody else has this number.
    node: u64,
    ticket: u64,
    connection: Option<B::Hand>,
    /// By ticket: who waits, and until when.
    waiting: HashMap<u64, (oneshot::Sender<Result<Bytes, StoreError>>, Instant)>,
}

impl<B: Backend> Giver<B> {
    /// Sets the task going.
    pub(in crate::served) fn start(backend: Arc<B>) -> Mail {
        let (to, asked) = mpsc::unbounded_channel();
        let node = rand::random::<u64>() >> 1;
        let giver = Self { backend, node, ticket: 0, connection: None, waiting: HashMap::new() };
        Mail { to, task: tokio::spawn(giver.run(asked)).abort_handle() }
    }

    async fn run(mut self, mut asked: mpsc::UnboundedReceiver<Asked>) {
        loop {
            let first = tokio::select! {
                biased;
                first = asked.recv() => match first {
                    Some(first) => Some(first),
                    None => return,
                },
                () = sleep(LOOK), if !self.waiting.is_empty() => None,
            };
            if let Some(first) = first {
                self.put(first, &mut asked).await;
            }
            if let Err(error) = self.look().await {
                tracing::warn!(store = self.backend.name(), %error, "answers of the owner are waited for");
                self.connection = None;
                sleep(LOOK * 20).await;
            }
            let now = Instant::now();
            for (_, (to, _)) in self.waiting.extract_if(|_, (_, until)| *until < now) {
                let what = "no node has taken up what was handed in; is there an owner?";
                let _ = to.send(Err(StoreError::Unavailable(what.to_owned())));
            }
        }
    }

    /// Puts a batch and those that wait behind it into the table.
    async fn put(&mut self, first: Asked, asked: &mut mpsc::UnboundedReceiver<Asked>) {
        let (mut parts, mut tickets, mut weight) = (Vec::new(), Vec::new(), 0);
        let mut next = Some(first);
        while let Some((body, to)) = next {
            self.ticket += 1;
            weight += body.len();
            let rows = rows_of(&body);
            let (ticket, of) = (self.ticket, rows.len());
            parts.extend(rows.map(|row| Part { ticket, parts: of, body: row.to_vec() }));
            tickets.push(ticket);
            self.waiting.insert(ticket, (to, Instant::now() + PATIENCE));
            next = if weight < WEIGHT { asked.try_recv().ok() } else { None };
        }
        let node = self.node;
        let put = async {
            let connection = self.connection().await?;
            in_time(connection.put(node, parts)).await
        };
        if let Err(error) = put.await {
            self.connection = None;
            for ticket in tickets {
                let Some((to, _)) = self.waiting.remove(&ticket) else { continue };
                let _ = to.send(Err(error.clone()));
            }
        }
    }

    async fn connection(&mut self) -> Result<&mut B::Hand, StoreError> {
        if self.connection.is_none() {
            self.connection = Some(in_time(self.backend.hand()).await?);
        }
        self.connection.as_mut().ok_or(StoreError::Closed)
    }

    /// Looks for answers, and tells whoever waits for them.
    async fn look(&mut self) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let node = self.node;
        let answers = in_time(self.connection().await?.answers(node)).await?;
        let tickets: Vec<_> = answers.iter().map(|(ticket, _)| *ticket).collect();
        for (ticket, answer) in answers {
            let Some((to, _)) = self.waiting.remove(&ticket) else { continue };
            // Whoever asked may be gone; the answer was for them alone.
            let _ = to.send(Ok(answer));
        }
        if tickets.is_empty() {
            return Ok(());
        }
        in_time(self.connection().await?.forget(node, tickets)).await
    }
}
