//! The senders: requests built once, numbers patched in, one request under way on each connection.

use crate::audience::{Tally, topic};
use crate::scenario::Load;
use crate::{Error, payload};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One sender and its connection.
#[derive(Debug)]
pub(crate) struct Sender {
    stream: TcpStream,
    requests: Vec<Request>,
    /// Messages sent to each topic so far.
    numbers: Vec<u64>,
    turn: usize,
    answer: Vec<u8>,
}

/// A request whose length never changes.
#[derive(Debug)]
struct Request {
    bytes: Vec<u8>,
    /// Where each message's payload begins, and its topic.
    messages: Vec<(usize, usize)>,
}

/// When a paced sender sends: every `every`, the first time at `first`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beat {
    /// The first time.
    pub(crate) first: Instant,
    /// From one to the next.
    pub(crate) every: Duration,
}

impl Sender {
    /// Connects sender `index` of a load and builds its requests.
    pub(crate) async fn connect(address: &str, load: &Load, index: usize) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        // As many requests as it takes to visit every topic equally often.
        let different = load.topics / divisor(load.topics, load.batch);
        let requests = (0..different).map(|i| Request::build(address, load, index, i));
        let (numbers, answer) = (vec![0; load.topics], vec![0; 1 << 16]);
        Ok(Self { stream, requests: requests.collect(), numbers, turn: 0, answer })
    }

    /// Sends so many requests one after the other.
    pub(crate) async fn send(
        &mut self,
        requests: usize,
        beat: Option<Beat>,
        tally: &Rc<Tally>,
    ) -> Result<(), Error> {
        for i in 0..requests {
            let due = beat.map(|beat| beat.first + beat.every * u32::try_from(i).unwrap_or(0));
            if let Some(due) = due {
                tokio::time::sleep_until(due.into()).await;
            }
            // A late request counts from when it was due: waiting is latency too.
            let sent = payload::since(tally.origin, due.unwrap_or_else(Instant::now));
            let request = &mut self.requests[self.turn];
            for (at, topic) in &request.messages {
                payload::patch(&mut request.bytes[*at..], sent, self.numbers[*topic]);
                self.numbers[*topic] += 1;
            }
            self.stream.write_all(&request.bytes).await?;
            self.turn = (self.turn + 1) % self.requests.len();
            self.accepted().await?;
        }
        Ok(())
    }

    /// Reads one answer to its end. Anything but 202 ends the benchmark: a load that is refused
    /// measures nothing.
    async fn accepted(&mut self) -> Result<(), Error> {
        let mut filled = 0;
        let mut whole = None;
        while whole.is_none_or(|whole| filled < whole) {
            if filled == self.answer.len() {
                self.answer.resize(filled * 2, 0);
            }
            let n = self.stream.read(&mut self.answer[filled..]).await?;
            if n == 0 {
                return Err("the server closed a sender's connection".into());
            }
            filled += n;
            whole = whole.or_else(|| whole_length(&self.answer[..filled]));
        }
        if self.answer.starts_with(b"HTTP/1.1 202") {
            return Ok(());
        }
        Err(format!("refused: {}", String::from_utf8_lossy(&self.answer[..filled])).into())
    }
}

impl Request {
    fn build(address: &str, load: &Load, sender: usize, index: usize) -> Self {
        let mut body = String::from(if load.batch > 1 { "[" } else { "" });
        let mut messages = Vec::with_capacity(load.batch);
        for i in 0..load.batch {
            let number = (index * load.batch + i) % load.topics;
            body.push_str(&format!(r#"{{"topic":"{}","event":"n","payload":"#, topic(number)));
            messages.push((body.len(), number));
            body.push_str(&payload::blank(sender));
            body.push_str(if i + 1 < load.batch { "}," } else { "}" });
        }
        body.push_str(if load.batch > 1 { "]" } else { "" });
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        messages.iter_mut().for_each(|(at, _)| *at += head.len());
        Self { bytes: (head + &body).into_bytes(), messages }
    }
}

/// The length of an answer, head and body, once its head is there.
pub(crate) fn whole_length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).ok()?.to_ascii_lowercase();
    let length = text.split("content-length:").nth(1)?.lines().next()?.trim();
    Some(head + length.parse::<usize>().ok()?)
}

fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}
