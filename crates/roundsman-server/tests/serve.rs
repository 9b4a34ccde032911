//! A server inside this process: two beside each other, its bounds, its TLS.

#![allow(clippy::unwrap_used, clippy::panic)]

use futures_util::{SinkExt, StreamExt};
use reqwest::{Certificate, Client, StatusCode};
use roundsman_server::config::{Auth, Config, Limits, StoreUrl, Tls};
use roundsman_server::{ServeError, Server, Stopped};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// Longer than anything here takes on a loaded machine; only a failure gets there.
const PATIENCE: Duration = Duration::from_secs(60);

fn config() -> Config {
    let listen = "127.0.0.1:0".parse().unwrap();
    Config { listen, store: StoreUrl::Memory, ..Config::default() }
}

fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

fn key_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name)
}

async fn send(server: &Server, payload: Value) {
    let posted = client().post(format!("{}/v1/messages", server.url()));
    let message = json!({"topic": "user:1", "payload": payload});
    assert_eq!(posted.json(&message).send().await.unwrap().status(), StatusCode::ACCEPTED);
}

/// What one connection gets to read until its end.
async fn exchange(server: &Server, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn two_servers_in_one_process_share_nothing() {
    let one = Server::start(config()).await.unwrap();
    let other = Server::start(config()).await.unwrap();
    send(&one, json!({"at": "one"})).await;
    send(&other, json!({"at": "other"})).await;
    send(&other, json!({"at": "other"})).await;

    let url = format!("ws://{}/socket/websocket?vsn=2.0.0", one.address());
    let (mut socket, _) = connect_async(url).await.unwrap();
    let join = json!(["1", "1", "user:1", "phx_join", {}]).to_string();
    socket.send(Message::text(join)).await.unwrap();
    let mut frames = Vec::new();
    while frames.len() < 2 {
        let frame = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        frames.push(serde_json::from_str::<Value>(frame.to_text().unwrap()).unwrap());
    }
    assert_eq!(frames[0][3], "phx_reply");
    assert_eq!(frames[1], json!([null, null, "user:1", "message", {"at": "one"}]));

    assert_eq!(other.stop(PATIENCE).await, Stopped { cut: 0, kept: 2 });
    let ready = client().get(format!("{}/readyz", one.url())).send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
    drop(socket);
    assert_eq!(one.stop(PATIENCE).await, Stopped { cut: 0, kept: 0 });
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let server = Server::start(config()).await.unwrap();
    let taken = Config { listen: server.address(), ..config() };
    match Server::start(taken).await {
        Err(ServeError::Listen(address, error)) => {
            assert_eq!((address, error.kind()), (server.address(), ErrorKind::AddrInUse));
        }
        other => panic!("{other:?}"),
    }
    let address = server.address();
    server.stop(PATIENCE).await;
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let server = Server::start(Config { limits, ..config() }).await.unwrap();
    let mut first = TcpStream::connect(server.address()).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    first.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let refused = exchange(&server, request).await;
    assert!(
        refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 5"),
        "{refused}"
    );

    // A socket counts for the hub, no more for the API: its connection is free again.
    drop(first);
    let url = format!("ws://{}/socket/websocket?vsn=2.0.0", server.address());
    let socket = loop {
        if let Ok((socket, _)) = connect_async(&url).await {
            break socket;
        }
    };
    while !exchange(&server, b"GET /healthz HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 200") {}
    drop(socket);
    server.stop(PATIENCE).await;
}

#[tokio::test]
async fn slow_headers_are_not_waited_for() {
    let limits = Limits { header_time: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(Config { limits, ..config() }).await.unwrap();
    assert_eq!(exchange(&server, b"GET /healthz HTTP/1.1\r\nhost: loc").await, "");
    assert_eq!(exchange(&server, b"").await, "");
    let garbage = exchange(&server, b"\x16\x03\x01 no request\r\n\r\n").await;
    assert!(garbage.starts_with("HTTP/1.1 400 "), "{garbage}");
    let alive = client().get(format!("{}/healthz", server.url())).send().await.unwrap();
    assert_eq!(alive.status(), StatusCode::OK);
    server.stop(PATIENCE).await;
}

#[tokio::test]
async fn tls_of_its_own() {
    let tls = Some(Tls { cert: key_file("tls.pem"), key: key_file("tls.key") });
    let server = Server::start(Config { tls, ..config() }).await.unwrap();
    assert!(server.url().starts_with("https://127.0.0.1:"));
    let _ = client();
    let certificate = std::fs::read(key_file("tls.pem")).unwrap();
    let trusting = Client::builder()
        .tls_certs_only([Certificate::from_pem(&certificate).unwrap()])
        .build()
        .unwrap();
    let alive = trusting.get(format!("{}/healthz", server.url())).send().await.unwrap();
    assert_eq!(alive.status(), StatusCode::OK);
    assert!(client().get(format!("{}/healthz", server.url())).send().await.is_err());

    // What is no handshake does no harm, and the files can be read again.
    assert!(!exchange(&server, b"GET / HTTP/1.1\r\n\r\n").await.contains("HTTP"));
    assert_eq!(server.reload(&server.app().config).unwrap(), [""; 0]);
    let wrong = Tls { cert: key_file("tls.pem"), key: key_file("es256.key") };
    let wrong = Config { tls: Some(wrong), ..config() };
    assert!(matches!(server.reload(&wrong), Err(ServeError::Tls(why)) if why.contains("tls.pem")));
    let again = trusting.get(format!("{}/healthz", server.url())).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
    server.stop(PATIENCE).await;
}

#[tokio::test]
async fn what_others_can_reach_stays_closed() {
    let listen = "0.0.0.0:0".parse().unwrap();
    let closed = Config { listen, auth: Some(Auth::default()), ..config() };
    let server = Server::start(closed.clone()).await.unwrap();
    let opened = Config { auth: None, ..closed };
    assert_eq!(server.reload(&opened).unwrap(), ["auth"]);
    let stats = format!("http://127.0.0.1:{}/v1/stats", server.address().port());
    assert_eq!(client().get(stats).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    server.stop(PATIENCE).await;
}
