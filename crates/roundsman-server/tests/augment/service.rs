//! A service over HTTP that does its worst, and counts who asks it.

use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the service does when it is asked.
pub(super) enum Act {
    /// Answers 200 with this body.
    Well(String),
    /// Answers with this status line, these further header lines and this body.
    Says(&'static str, String, String),
    /// The same, after so long.
    Late(Duration, String),
    /// The same, its body a byte every so long.
    Drips(Duration, String),
    /// Promises more than this and closes.
    BreaksOff(String),
    /// Nothing, as long as it is waited for.
    Hangs,
    /// Closes without a word.
    Closes,
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// When it was there.
    pub(super) at: Instant,
    /// The path with the query, head and body.
    pub(super) path: String,
    pub(super) head: String,
    pub(super) body: String,
}

impl Asked {
    /// What is asked for: behind `=`, divided by commas.
    pub(super) fn values(&self) -> Vec<String> {
        let values = self.path.split_once('=').map_or("", |(_, values)| values);
        values.split(',').map(str::to_owned).collect()
    }
}

type Acts = dyn Fn(&Asked) -> Act + Send + Sync;

/// The service.
pub(super) struct Service {
    pub(super) address: SocketAddr,
    asked: Mutex<Vec<Asked>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    act: Mutex<Arc<Acts>>,
}

/// One that is there while a request is.
struct Under(Arc<Service>);

impl Drop for Under {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Service {
    /// One that acts like this.
    pub(super) async fn start(act: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            asked: Mutex::default(),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            act: Mutex::new(Arc::new(act)),
        });
        let serves = service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that went away is what many of these tests are about.
                tokio::spawn(serves.clone().serve(stream));
            }
        });
        service
    }

    /// Acts like this from now on.
    pub(super) fn acts(&self, act: impl Fn(&Asked) -> Act + Send + Sync + 'static) {
        *self.act.lock() = Arc::new(act);
    }

    /// The URL that asks for many values at once.
    pub(super) fn many(&self) -> String {
        format!("http://{}/?ids={{values}}", self.address)
    }

    /// The URL that asks for one.
    pub(super) fn one(&self) -> String {
        format!("http://{}/?id={{value}}", self.address)
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) -> std::io::Result<()> {
        let mut buffer = Vec::new();
        while let Some(asked) = request(&mut stream, &mut buffer).await? {
            let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
            let under = Under(self.clone());
            self.asked.lock().push(asked.clone());
            let act = self.act.lock().clone();
            if !perform(act(&asked), &mut stream, under).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Acts; whether the connection lives on.
async fn perform(act: Act, stream: &mut TcpStream, under: Under) -> std::io::Result<bool> {
    let whole = |status: &str, headers: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")
    };
    let answer = match act {
        Act::Well(body) => whole("200 OK", "", &body),
        Act::Says(status, headers, body) => whole(status, &headers, &body),
        Act::Late(span, body) => {
            if !stays_for(stream, span).await {
                return Ok(false);
            }
            whole("200 OK", "", &body)
        }
        Act::Drips(span, body) => {
            let head = whole("200 OK", "", &body);
            let (head, _) = head.split_at(head.len() - body.len());
            stream.write_all(head.as_bytes()).await?;
            for byte in body.bytes() {
                stream.write_all(&[byte]).await?;
                if !stays_for(stream, span).await {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        Act::BreaksOff(body) => {
            let length = body.len() + 10;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            stream.write_all(head.as_bytes()).await?;
            return Ok(false);
        }
        Act::Hangs => {
            stays_for(stream, Duration::from_hours(1)).await;
            return Ok(false);
        }
        Act::Closes => return Ok(false),
    };
    // It is done with the request before anybody can know that.
    drop(under);
    stream.write_all(answer.as_bytes()).await?;
    Ok(true)
}

/// Whether whoever asked is still there after so long.
async fn stays_for(stream: &mut TcpStream, span: Duration) -> bool {
    tokio::time::timeout(span, stream.read(&mut [0])).await.is_err()
}

/// The next request of a connection.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Asked>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length =
                head.split("content-length: ").nth(1).and_then(|it| it.split("\r\n").next());
            let length: usize = length.map_or(0, |it| it.parse().unwrap());
            let whole = end + 4 + length;
            if buffer.len() >= whole {
                let path = String::from_utf8_lossy(&buffer[..end]);
                let path = path.split(' ').nth(1).unwrap().to_owned();
                let body = String::from_utf8_lossy(&buffer[end + 4..whole]).into_owned();
                buffer.drain(..whole);
                return Ok(Some(Asked { at: Instant::now(), path, head, body }));
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}
