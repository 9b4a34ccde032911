//! A plain WebSocket client that speaks in frames and waits for no longer than it must.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Everything that is waited for comes long before this.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    pub stream: WebSocketStream<TcpStream>,
    beats: u64,
}

/// How a handshake ended that opened no socket.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub body: String,
    pub retry_after: Option<String>,
}

impl Refused {
    /// What its problem document says.
    pub fn detail(&self) -> String {
        let problem: Value = serde_json::from_str(&self.body).expect(&self.body);
        assert_eq!(problem["status"], self.status);
        problem["detail"].as_str().unwrap().to_owned()
    }
}

impl Client {
    /// Opens a socket as every client does.
    pub async fn open(server: SocketAddr) -> Self {
        Self::open_with(server, "?vsn=2.0.0", &[]).await.unwrap().0
    }

    /// Opens a socket with this query and these further headers.
    pub async fn open_with(
        server: SocketAddr,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(Self, Response), Refused> {
        let url = format!("ws://{server}/socket/websocket{query}");
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Self::over(TcpStream::connect(server).await.unwrap(), request).await
    }

    /// One whose side of the connection holds very little.
    pub async fn open_small(server: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let tcp = socket.connect(server).await.unwrap();
        let url = format!("ws://{server}/socket/websocket?vsn=2.0.0");
        Self::over(tcp, url.into_client_request().unwrap()).await.unwrap().0
    }

    async fn over(tcp: TcpStream, request: Request) -> Result<(Self, Response), Refused> {
        match within(tokio_tungstenite::client_async(request, tcp)).await {
            Ok((stream, response)) => Ok((Self { stream, beats: 0 }, response)),
            Err(Error::Http(response)) => Err(Refused {
                status: response.status().as_u16(),
                body: String::from_utf8(response.body().clone().unwrap_or_default()).unwrap(),
                retry_after: response
                    .headers()
                    .get("retry-after")
                    .map(|value| value.to_str().unwrap().to_owned()),
            }),
            Err(other) => panic!("the handshake failed: {other}"),
        }
    }

    pub async fn send(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    pub async fn send_binary(&mut self, hex: &str) {
        self.stream.send(Message::binary(unhex(hex))).await.unwrap();
    }

    /// The next message, whatever it is; `None` where the connection ended.
    pub async fn next(&mut self) -> Option<Message> {
        within(self.stream.next()).await.and_then(Result::ok)
    }

    /// The next message, which is a text.
    pub async fn text(&mut self) -> String {
        match self.next().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("a text was to come, not {other:?}"),
        }
    }

    /// The next message, as JSON.
    pub async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// The next message is this JSON, whatever the order of its keys.
    pub async fn expect(&mut self, frame: &str) {
        let text = self.text().await;
        // What no JSON reader takes, half a surrogate pair, is echoed byte for byte all the same.
        if text != frame {
            let expected: Value = serde_json::from_str(frame).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        }
    }

    /// Nothing has come: the next thing heard is the answer to a heartbeat.
    pub async fn expect_silence(&mut self) {
        self.beats += 1;
        let reference = format!("beat-{}", self.beats);
        self.send(&format!(r#"[null,"{reference}","phoenix","heartbeat",{{}}]"#)).await;
        let reply = r#"[null,"REF","phoenix","phx_reply",{"status":"ok","response":{}}]"#;
        self.expect(&reply.replace("REF", &reference)).await;
    }

    /// Joins with the reference `1` and sees it answered.
    pub async fn join(&mut self, topic: &str, payload: &str) {
        self.send(&format!(r#"["1","1","{topic}","phx_join",{payload}]"#)).await;
        let reply = self.json().await;
        assert_eq!(reply[4]["status"], "ok", "{reply}");
    }

    /// The connection ends with this code; what comes before is passed over.
    pub async fn expect_close(&mut self, code: u16) {
        loop {
            match self.next().await {
                Some(Message::Close(Some(CloseFrame { code: seen, .. }))) => {
                    assert_eq!(u16::from(seen), code);
                    return;
                }
                Some(Message::Close(None)) | None => panic!("{code} was to come, not no code"),
                Some(_) => {}
            }
        }
    }
}

/// Waits, but not for ever.
pub async fn within<T>(waits: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, waits).await.expect("it never came")
}

/// Asks until it is so.
pub async fn until(mut so: impl FnMut() -> bool) {
    within(async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}
