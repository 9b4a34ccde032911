//! A receiver of webhooks: as many connections as come, answered at once, or never.

use crate::audience::Tally;
use crate::{Error, payload};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, spawn_local};

/// A receiver; dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

/// Requests for this path, that of the first topic, are never answered by one that hangs.
const HANGS: &[u8] = b"/user%3A0 ";

/// What every request is answered with.
pub(crate) const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

impl Receiver {
    /// Listens on a free port and counts what comes.
    pub(crate) async fn start(tally: &Rc<Tally>, hangs: bool) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let tally = tally.clone();
        let task = spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection that breaks is its sender's to make again.
                spawn_local(serve(stream, tally.clone(), hangs));
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, tally: Rc<Tally>, hangs: bool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    let mut guess = 0;
    while let Some(whole) = request(&mut stream, &mut buffer).await? {
        if hangs && buffer[5..].starts_with(HANGS) {
            std::future::pending::<()>().await;
        }
        if let Some(at) = payload::find(&buffer[..whole], guess) {
            guess = at;
            arrived(&tally, &buffer[at..whole]);
        }
        buffer.drain(..whole);
        stream.write_all(ANSWER).await?;
    }
    Ok(())
}

/// Reads until a request is whole; its length, or `None` once there are no more.
pub(crate) async fn request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Option<usize>> {
    loop {
        if let Some(whole) = length(buffer).filter(|whole| *whole <= buffer.len()) {
            return Ok(Some(whole));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn arrived(tally: &Tally, body: &[u8]) {
    let Some(stamp) = payload::read(body) else { return };
    let now = Instant::now();
    let waited = payload::since(tally.origin, now).saturating_sub(stamp.sent);
    let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
    tally.latency.borrow_mut().saturating_record(micros.max(1));
    tally.received.set(tally.received.get() + 1);
    tally.last.set(now);
}

/// The length of a request, head and body, once its head is there.
fn length(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&buffer[..head]).ok()?;
    let at = text.find("content-length: ")? + "content-length: ".len();
    let digits = text[at..].lines().next()?;
    Some(head + digits.parse::<usize>().ok()?)
}
