//! A client of the sockets that acknowledges what it is told to.

use crate::run::PATIENCE;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    topic: &'static str,
}

impl Client {
    pub(crate) async fn join(address: &str, topic: &'static str) -> Self {
        let url = format!("ws://{address}/socket/websocket?vsn=2.0.0");
        let (socket, _) = connect_async(url).await.unwrap();
        let mut client = Self { socket, topic };
        client.push("phx_join", json!({"ack": "client"})).await;
        assert_eq!(client.hear("phx_reply").await["status"], "ok");
        client
    }

    pub(crate) async fn ack(&mut self, ids: &[&str]) {
        self.push("ack", json!({"ids": ids})).await;
    }

    /// The number in the next message, and which attempt it is.
    pub(crate) async fn message(&mut self) -> (u64, u64) {
        let message = self.hear("message").await;
        let number = |value: &Value| value.as_u64().unwrap();
        (number(&message["payload"]["n"]), number(&message["attempt"]))
    }

    /// The payload of the next frame of this event.
    pub(crate) async fn hear(&mut self, event: &str) -> Value {
        loop {
            let mut frame = self.next().await.expect("the socket has ended");
            if frame[3] == event {
                return frame[4].take();
            }
        }
    }

    /// The next frame; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await;
            if let Message::Text(text) = frame.expect("nothing is heard")?.ok()? {
                return Some(serde_json::from_str(&text).unwrap());
            }
        }
    }

    async fn push(&mut self, event: &str, payload: Value) {
        let frame = json!(["1", "1", self.topic, event, payload]);
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }
}
