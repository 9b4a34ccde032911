//! Receivers: one that writes down what it gets, and raw ones that do as they like.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Got {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Which connection it came over.
    pub connection: usize,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A receiver that answers each request as it is told.
pub struct Receiver {
    pub address: SocketAddr,
    pub got: mpsc::UnboundedReceiver<Got>,
}

impl Receiver {
    /// Answers 200.
    pub async fn well() -> Self {
        Self::answering(|_| status(200)).await
    }

    /// Answers what `answer` makes of a request; the whole of it, head included.
    pub async fn answering(answer: impl Fn(&Got) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, answer)
    }

    pub fn on(
        listener: TcpListener,
        answer: impl Fn(&Got) -> String + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (told, got) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            let mut connection = 0;
            while let Ok((stream, _)) = listener.accept().await {
                connection += 1;
                let (told, answer) = (told.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Ok(request) = read(&mut stream).await {
                        let request = Got { connection, ..request };
                        let answered = answer(&request);
                        let _ = told.send(request);
                        if stream.write_all(answered.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, got }
    }

    pub async fn next(&mut self) -> Got {
        super::house::soon(self.got.recv()).await.unwrap()
    }
}

/// A receiver whose every connection is handled by `handle`, from before the first byte.
pub async fn raw<F>(handle: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // It ends when the other side has had enough.
            tokio::spawn(handle(stream));
        }
    });
    address
}

/// An answer with nothing in it.
pub fn status(status: u16) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")
}

/// Reads one request.
pub async fn read(stream: &mut (impl AsyncBufReadExt + AsyncReadExt + Unpin)) -> io::Result<Got> {
    let mut got = Got::default();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        match text.split_once(": ") {
            Some((name, value)) if !got.path.is_empty() => {
                got.headers.push((name.to_lowercase(), value.to_owned()));
            }
            _ => text.split(' ').nth(1).unwrap().clone_into(&mut got.path),
        }
    }
    got.body = vec![0; got.header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut got.body).await?;
    Ok(got)
}

/// Reads a request and gives the stream back.
pub async fn after_request<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> io::Result<S> {
    let mut stream = BufReader::new(stream);
    read(&mut stream).await?;
    Ok(stream.into_inner())
}
