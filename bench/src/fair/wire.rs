//! What sends: connections with one request under way each, that outlive their server.

use super::hooks::splitmix;
use super::play::Party;
use crate::senders::whole_length;
use crate::{Error, payload};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where the server listens now.
pub(crate) type Address = Rc<RefCell<String>>;

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire {
    address: Address,
    stream: Option<TcpStream>,
    /// Messages carry an id, so that one whose answer did not come can be sent again.
    named: bool,
}

/// A message: the number of its party, and which of the party's.
pub(crate) type Number = (usize, u64);

impl Wire {
    pub(crate) fn new(address: &Address, named: bool) -> Self {
        Self { address: address.clone(), stream: None, named }
    }

    /// Has messages accepted. With ids, as often as it takes; else once.
    pub(crate) async fn post(
        &mut self,
        parties: &[Party],
        messages: &[Number],
    ) -> Result<(), Error> {
        let body = self.body(parties, messages);
        let begun = Instant::now();
        loop {
            let fault = match self.try_post(&body).await {
                Ok(()) => return Ok(()),
                Err(fault) => fault,
            };
            self.stream = None;
            if !self.named || begun.elapsed() > PATIENCE {
                return Err(fault);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn try_post(&mut self, body: &str) -> Result<(), Error> {
        if self.stream.is_none() {
            let address = self.address.borrow().clone();
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut().ok_or("no connection")?;
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + body).as_bytes()).await?;
        let mut answer = Vec::with_capacity(1024);
        while whole_length(&answer).is_none_or(|whole| answer.len() < whole) {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err("the server closed a sender's connection".into());
            }
        }
        if answer.starts_with(b"HTTP/1.1 202") {
            return Ok(());
        }
        Err(format!("refused: {}", String::from_utf8_lossy(&answer)).into())
    }

    fn body(&self, parties: &[Party], messages: &[Number]) -> String {
        let mut body = String::with_capacity(messages.len() * 400);
        for (who, number) in messages {
            let Party { topic, key } = &parties[*who];
            let mut payload = payload::blank(*who).into_bytes();
            payload::patch(&mut payload, Duration::ZERO, *number);
            let payload = String::from_utf8_lossy(&payload);
            let id = if self.named { format!(r#""id":"{who}-{number}","#) } else { String::new() };
            body.push(if body.is_empty() { '[' } else { ',' });
            body += &format!(
                r#"{{"topic":"{topic}","key":{key},"event":"n",{id}"payload":{payload}}}"#
            );
        }
        body + "]"
    }
}

/// When each quiet party sends within a second: at any moment, each at its own, in order.
pub(crate) fn moments(parties: usize) -> Vec<(Duration, usize)> {
    let moment = |who: usize| Duration::from_micros(splitmix(who as u64) % 1_000_000);
    let mut moments: Vec<_> = (0..parties).map(|who| (moment(who), who)).collect();
    moments.sort_unstable();
    moments
}

/// A server that does not come back within this time ends the benchmark.
const PATIENCE: Duration = Duration::from_secs(20);
