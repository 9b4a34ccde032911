//! Bodies that are too large, too slow or cut off, over real sockets: a clear answer, nothing
//! stored, and the server lives on.

#![allow(clippy::unwrap_used)] // In tests, also outside of `#[test]` functions.

mod house;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use house::House;
use roundsman_server::config::{Config, Limits, StoreUrl};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ONE: &str = r#"{"topic":"user:1","payload":{"n":1}}"#;
const HEAD: &str =
    "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

async fn connect(address: SocketAddr, text: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    socket
}

/// What comes until the server closes.
async fn rest(mut socket: TcpStream) -> String {
    let mut all = Vec::new();
    let _ = socket.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// A whole request, after which the connection ends.
async fn exchange(address: SocketAddr) -> String {
    let length = ONE.len();
    let text = format!("{HEAD}Connection: close\r\nContent-Length: {length}\r\n\r\n{ONE}");
    rest(connect(address, &text).await).await
}

fn impatient() -> House {
    let limits = Limits { body_time: Duration::from_millis(50), ..Limits::default() };
    House::with(Config { store: StoreUrl::Memory, limits, ..Config::default() })
}

#[tokio::test]
async fn a_slow_body_is_given_up_on() {
    let house = impatient();
    let address = house.listen().await;
    for framing in
        ["Content-Length: 37\r\n\r\n{\"topic\"", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}"]
    {
        let answer = rest(connect(address, &format!("{HEAD}{framing}")).await).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("application/problem+json"));
    }
    assert_eq!(house.backlog().await, 0);
    assert!(exchange(address).await.starts_with("HTTP/1.1 202 "));
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_not_stored() {
    let house = House::new();
    let address = house.listen().await;
    let whole = ONE.len();
    for framing in [
        // All of a message, and less than was announced.
        format!("Content-Length: {}\r\n\r\n{ONE}", whole + 1),
        format!("Transfer-Encoding: chunked\r\n\r\n{whole:x}\r\n{ONE}\r\n"),
        format!("Transfer-Encoding: chunked\r\n\r\n{whole:x}\r\n{ONE}\r\nnonsense\r\n"),
    ] {
        let mut socket = connect(address, &format!("{HEAD}{framing}")).await;
        // Half closed: this side still listens.
        socket.shutdown().await.unwrap();
        let answer = rest(socket).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert_eq!(house.backlog().await, 0);
    assert!(exchange(address).await.starts_with("HTTP/1.1 202 "));
}

#[tokio::test]
async fn a_body_over_16_mib_is_refused() {
    let house = House::new();
    let address = house.listen().await;
    let most = 16 << 20;
    // One that fits, with white space to the brim.
    let brim = format!("{ONE}{}", " ".repeat(most - ONE.len()));
    assert_eq!(house.post_json(brim.clone()).await.status, 202);
    house.post_json(format!("{brim} ")).await.problem(413);
    // One whose length nobody announced.
    let chunk = Ok::<_, Infallible>(Bytes::from(vec![b' '; 1 << 20]));
    let chunks = vec![chunk; 17];
    house.post_json(Body::from_stream(stream::iter(chunks))).await.problem(413);
    assert_eq!(house.backlog().await, 1);
    // One that asks first is told before it sends.
    let head = format!("{HEAD}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", most + 1);
    let answer = rest(connect(address, &head).await).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // One that is sent whole hears the answer, too.
    let body = " ".repeat(most + 1);
    let text = format!("{HEAD}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", most + 1);
    let answer = rest(connect(address, &text).await).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(exchange(address).await.starts_with("HTTP/1.1 202 "));
}

#[tokio::test]
async fn bodies_in_pieces_are_one_body() {
    let house = House::new();
    let array = format!("[{ONE},{ONE},{ONE}]");
    let pieces: Vec<_> = array
        .as_bytes()
        .chunks(7)
        .map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)))
        .collect();
    let answer = house.post_json(Body::from_stream(stream::iter(pieces))).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(house.backlog().await, 3);
}

#[tokio::test]
async fn ten_thousand_messages_and_no_more() {
    let house = House::new();
    let lines = format!("{ONE}\n").repeat(10_000);
    house.post("application/x-ndjson", format!("{lines}{ONE}")).await.problem(413);
    assert_eq!(house.backlog().await, 0);
    assert_eq!(house.post("application/x-ndjson", lines).await.status, 202);
    assert_eq!(house.backlog().await, 10_000);
}
