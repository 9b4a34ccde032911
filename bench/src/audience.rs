//! The clients: joined, reading as cheaply as can be, counting what arrives and in which order.

use crate::{Error, frames, payload};
use hdrhistogram::Histogram;
use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};

/// What has arrived, at all clients together.
#[derive(Debug)]
pub(crate) struct Tally {
    /// The zero of every time in a payload.
    pub(crate) origin: Instant,
    /// Messages that arrived.
    pub(crate) received: Cell<u64>,
    /// Those that came after a later one of the same sender and topic.
    pub(crate) disordered: Cell<u64>,
    /// Clients that the server threw out.
    pub(crate) lost_clients: Cell<u64>,
    /// When the last one arrived.
    pub(crate) last: Cell<Instant>,
    /// From sent to arrived, in microseconds.
    pub(crate) latency: RefCell<Histogram<u64>>,
}

impl Tally {
    /// Nothing yet; latencies up to a minute with three digits.
    pub(crate) fn new() -> Result<Rc<Self>, Error> {
        let now = Instant::now();
        Ok(Rc::new(Self {
            origin: now,
            received: Cell::new(0),
            disordered: Cell::new(0),
            lost_clients: Cell::new(0),
            last: Cell::new(now),
            latency: RefCell::new(Histogram::new_with_bounds(1, 60_000_000, 3)?),
        }))
    }

    /// Waits until `expected` have arrived, or nothing has for five seconds.
    pub(crate) async fn wait_for(&self, expected: u64) {
        let mut seen = (self.received.get(), Instant::now());
        while self.received.get() < expected && seen.1.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(2)).await;
            if self.received.get() != seen.0 {
                seen = (self.received.get(), Instant::now());
            }
        }
    }

    /// Begins to measure here.
    pub(crate) fn reset(&self) {
        self.received.set(0);
        self.disordered.set(0);
        self.latency.borrow_mut().reset();
    }
}

/// The clients of one run; dropped, they are gone.
#[derive(Debug)]
pub(crate) struct Audience {
    tasks: Vec<JoinHandle<()>>,
}

impl Audience {
    /// Joins `clients` clients, client `i` to `topic(i % topics)`.
    pub(crate) async fn join(
        address: &str,
        clients: usize,
        topics: usize,
        tally: &Rc<Tally>,
    ) -> Result<Self, Error> {
        let scratch = Rc::new(RefCell::new(vec![0; 1 << 18]));
        let mut tasks = Vec::with_capacity(clients + 1);
        let mut streams = Vec::with_capacity(clients);
        for client in 0..clients {
            let stream = Rc::new(connect(address, &topic(client % topics)).await?);
            let listener = Listener { tally: tally.clone(), guess: 0, next: Vec::new() };
            tasks.push(spawn_local(listen(stream.clone(), listener, scratch.clone())));
            streams.push(stream);
        }
        tasks.push(spawn_local(heartbeats(streams)));
        Ok(Self { tasks })
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Topic number `i`.
pub(crate) fn topic(i: usize) -> String {
    format!("user:{i}")
}

/// Opens one socket and joins one topic.
async fn connect(address: &str, topic: &str) -> Result<TcpStream, Error> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let upgrade = format!(
        "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await?);
    }
    if !answer.starts_with(b"HTTP/1.1 101") {
        return Err(format!("no socket: {}", String::from_utf8_lossy(&answer)).into());
    }
    let join = format!(r#"["1","1","{topic}","phx_join",{{}}]"#);
    stream.write_all(&frames::masked(frames::TEXT, join.as_bytes())).await?;
    let mut reply = Vec::new();
    while frames::first(&reply).is_none() {
        reply.push(stream.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&reply).into_owned();
    if text.contains("\"ok\"") { Ok(stream) } else { Err(format!("no join: {text}").into()) }
}

/// Reads until the server is gone.
async fn listen(stream: Rc<TcpStream>, mut listener: Listener, scratch: Rc<RefCell<Vec<u8>>>) {
    let mut rest = Vec::new();
    loop {
        if stream.readable().await.is_err() {
            break;
        }
        let mut buffer = scratch.borrow_mut();
        buffer[..rest.len()].copy_from_slice(&rest);
        match stream.try_read(&mut buffer[rest.len()..]) {
            Ok(0) => break,
            Ok(n) => {
                let filled = rest.len() + n;
                let used = listener.take(&buffer[..filled], &stream);
                rest.clear();
                rest.extend_from_slice(&buffer[used..filled]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    listener.tally.lost_clients.set(listener.tally.lost_clients.get() + 1);
}

/// Keeps every socket alive, as a real client does.
async fn heartbeats(streams: Vec<Rc<TcpStream>>) {
    let beat = frames::masked(frames::TEXT, br#"[null,"2","phoenix","heartbeat",{}]"#);
    loop {
        tokio::time::sleep(Duration::from_secs(20)).await;
        for stream in &streams {
            let _ = stream.try_write(&beat);
        }
    }
}

/// What one client knows.
struct Listener {
    tally: Rc<Tally>,
    guess: usize,
    /// The number that is due of each sender.
    next: Vec<u64>,
}

impl Listener {
    /// Takes every whole frame, and says how many bytes they were.
    fn take(&mut self, bytes: &[u8], stream: &TcpStream) -> usize {
        let now = Instant::now();
        let mut at = 0;
        while let Some((frame, length)) = frames::first(&bytes[at..]) {
            at += length;
            match frame.opcode {
                frames::TEXT => self.message(frame.payload, now),
                frames::PING => {
                    let _ = stream.try_write(&frames::masked(frames::PONG, frame.payload));
                }
                _ => {}
            }
        }
        at
    }

    fn message(&mut self, message: &[u8], now: Instant) {
        let Some(at) = payload::find(message, self.guess) else { return };
        self.guess = at;
        let Some(stamp) = payload::read(&message[at..]) else { return };
        let tally = &self.tally;
        tally.received.set(tally.received.get() + 1);
        tally.last.set(now);
        let late = payload::since(tally.origin, now).saturating_sub(stamp.sent);
        let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        tally.latency.borrow_mut().saturating_record(micros.max(1));
        if self.next.len() <= stamp.sender {
            self.next.resize(stamp.sender + 1, 0);
        }
        let due = &mut self.next[stamp.sender];
        if stamp.number < *due {
            tally.disordered.set(tally.disordered.get() + 1);
        }
        *due = (*due).max(stamp.number + 1);
    }
}
