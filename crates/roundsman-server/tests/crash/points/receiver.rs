//! A receiver of webhooks that answers when it is told to.

use crate::run::PATIENCE;
use crate::wire::request;
use serde_json::Value;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(super) struct Receiver {
    pub(super) address: String,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
}

/// A message that waits for its answer.
pub(super) struct Arrival {
    pub(super) body: Vec<u8>,
    line: BufReader<TcpStream>,
    /// Takes the line back, for the next request on it.
    lines: mpsc::UnboundedSender<BufReader<TcpStream>>,
}

impl Receiver {
    pub(super) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, arrivals) = mpsc::unbounded_channel();
        let (lines, mut free) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let line = tokio::select! {
                    Ok((stream, _)) = listener.accept() => BufReader::new(stream),
                    Some(line) = free.recv() => line,
                };
                tokio::spawn(read(line, tell.clone(), lines.clone()));
            }
        });
        Self { address, arrivals }
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> Arrival {
        timeout(PATIENCE, self.arrivals.recv()).await.expect("nothing arrives").unwrap()
    }

    /// Whether something has arrived of which nobody has taken note.
    pub(super) fn has_more(&mut self) -> bool {
        self.arrivals.try_recv().is_ok()
    }
}

impl Arrival {
    /// The number in its payload.
    pub(super) fn number(&self) -> u64 {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["data"]["n"].as_u64().unwrap()
    }

    /// Answers; whether anybody is there to hear it is another matter.
    pub(super) async fn answer(mut self, status: &str) {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        if self.line.write_all(answer.as_bytes()).await.is_ok() {
            // The receiver is gone where the test is over.
            let _ = self.lines.send(self.line);
        }
    }
}

/// One request, or the end of the line.
async fn read(
    mut line: BufReader<TcpStream>,
    tell: mpsc::UnboundedSender<Arrival>,
    lines: mpsc::UnboundedSender<BufReader<TcpStream>>,
) {
    if let Ok(body) = request(&mut line).await {
        let _ = tell.send(Arrival { body, line, lines });
    }
}
