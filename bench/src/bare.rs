//! The bare server: parses the body, answers 202, writes each message to its socket; nothing else.
//!
//! The same HTTP and WebSocket libraries as Roundsman with the same buffers, one write a message.
//! What Roundsman costs beyond this is the price of its promises; what it saves is its batching.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Request, Response, StatusCode, header};
use axum::routing::{get, post};
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Who joined which topic.
type Topics = Arc<RwLock<HashMap<String, Vec<mpsc::Sender<Utf8Bytes>>>>>;

/// Serves until it is killed.
pub(crate) fn serve() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("bare is listening on http://{}", listener.local_addr()?);
        std::io::stdout().flush()?;
        let router = Router::new()
            .route("/v1/messages", post(accept))
            .route("/socket/websocket", get(upgrade))
            .layer(axum::extract::DefaultBodyLimit::max(16 << 20))
            .with_state(Topics::default());
        axum::serve(listener, router).await
    })
}

/// A message of a request.
#[derive(Deserialize)]
struct Outgoing<'a> {
    topic: &'a str,
    event: &'a str,
    #[serde(borrow)]
    payload: &'a RawValue,
}

async fn accept(State(topics): State<Topics>, body: Bytes) -> StatusCode {
    let parsed = if body.starts_with(b"[") {
        serde_json::from_slice::<Vec<Outgoing<'_>>>(&body)
    } else {
        serde_json::from_slice::<Outgoing<'_>>(&body).map(|message| vec![message])
    };
    let Ok(messages) = parsed else { return StatusCode::BAD_REQUEST };
    for message in messages {
        let (topic, event, payload) = (message.topic, message.event, message.payload.get());
        let joined = topics.read().get(topic).cloned().unwrap_or_default();
        let frame = Utf8Bytes::from(format!(r#"[null,null,"{topic}","{event}",{payload}]"#));
        for socket in joined {
            let _ = socket.send(frame.clone()).await;
        }
    }
    StatusCode::ACCEPTED
}

async fn upgrade(State(topics): State<Topics>, mut request: Request<Body>) -> Response<Body> {
    let key =
        request.headers().get("sec-websocket-key").map(|key| derive_accept_key(key.as_bytes()));
    let mut response = Response::new(Body::empty());
    let Some(Ok(accept)) = key.map(|key| key.parse()) else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(&mut request).await else { return };
        let config = WebSocketConfig::default().read_buffer_size(BUFFER).write_buffer_size(0);
        let io = TokioIo::new(upgraded);
        session(WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await, topics)
            .await;
    });
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, header::HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// One socket: answers what a client says, writes what is for it.
async fn session<S>(mut socket: WebSocketStream<S>, topics: Topics)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (outgoing, mut mailbox) = mpsc::channel(1024);
    loop {
        tokio::select! {
            said = socket.next() => {
                let Some(Ok(Message::Text(text))) = said else { break };
                let Ok((join, r#ref, topic, event, _)) = serde_json::from_str::<Said<'_>>(&text)
                else { break };
                if event == "phx_join" {
                    topics.write().entry(topic.into()).or_default().push(outgoing.clone());
                }
                let reply = r#"{"status":"ok","response":{}}"#;
                let reply = format!(
                    r#"[{},{},"{topic}","phx_reply",{reply}]"#,
                    join.get(), r#ref.get()
                );
                if socket.send(Message::text(reply)).await.is_err() { break }
            }
            Some(frame) = mailbox.recv() => {
                if socket.send(Message::Text(frame)).await.is_err() { break }
            }
        }
    }
}

/// What a client says: a frame of the protocol, join reference first.
type Said<'a> = (&'a RawValue, &'a RawValue, &'a str, &'a str, &'a RawValue);

/// Bytes of each socket's read buffer, as Roundsman has them.
const BUFFER: usize = 1024;
