//! Who gets a socket: everything that is refused is refused before there is one.

use super::client::{Client, Refused};
use super::house::House;
use roundsman_server::channel::Limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn refused(status: u16) -> Refused {
    Refused { status, body: String::new(), retry_after: None }
}

async fn outcome(house: &House, query: &str, headers: &[(&'static str, &str)]) -> Refused {
    match Client::open_with(house.address, query, headers).await {
        Ok((mut client, _)) => {
            client.expect_silence().await;
            refused(101)
        }
        Err(answer) => {
            assert!(answer.detail().len() > 20, "it does not say why: {}", answer.body);
            Refused { body: String::new(), ..answer }
        }
    }
}

#[tokio::test]
async fn versions() {
    let house = House::open().await;
    for query in ["?vsn=2.0.0", "?vsn=2.0.9", "?a[b]=1&vsn=2.0.0", "?vsn=1.0.0&vsn=2.0.0"] {
        assert_eq!(outcome(&house, query, &[]).await, refused(101), "{query}");
    }
    for query in
        ["", "?vsn=1.0.0", "?vsn=3.0.0", "?vsn=abc", "?vsn=2.1.0", "?vsn[]=2.0.0", "?vsn=%ff"]
    {
        assert_eq!(outcome(&house, query, &[]).await, refused(403), "{query}");
    }
}

#[tokio::test]
async fn origins() {
    let house = House::open().await;
    let own = format!("http://{}", house.address);
    for (origin, status) in [(&*own, 101), ("http://evil.com", 403), ("null", 403)] {
        let answer = outcome(&house, "?vsn=2.0.0", &[("origin", origin)]).await;
        assert_eq!(answer, refused(status), "{origin}");
    }
}

#[tokio::test]
async fn subprotocols() {
    let house = House::open().await;
    let name = "sec-websocket-protocol";
    let offered = [(name, "phoenix, base64url.bearer.phx.YWJjLmRlZg")];
    let opened = Client::open_with(house.address, "?vsn=2.0.0", &offered).await;
    assert_eq!(opened.unwrap().1.headers()[name], "phoenix");
    let unknown = [(name, "graphql-ws")];
    assert_eq!(outcome(&house, "?vsn=2.0.0", &unknown).await, refused(403));
    let none = Client::open_with(house.address, "?vsn=2.0.0", &[]).await;
    assert!(!none.unwrap().1.headers().contains_key(name));
}

#[tokio::test]
async fn strangers_and_proxies() {
    let house = House::open().await;
    let foreign = outcome(&house, "?vsn=2.0.0", &[("host", "evil.example")]).await;
    assert_eq!(foreign, refused(421));
    let proxied = outcome(&house, "?vsn=2.0.0", &[("x-forwarded-for", "10.0.0.1")]).await;
    assert_eq!(proxied, refused(403));
}

#[tokio::test]
async fn as_many_as_there_may_be_and_none_while_draining() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let house = House::with(limits, "").await;
    let mut first = Client::open(house.address).await;
    let busy = outcome(&house, "?vsn=2.0.0", &[]).await;
    assert_eq!((busy.status, busy.retry_after.is_some()), (503, true));
    first.stream.close(None).await.unwrap();
    super::client::until(|| house.hub.connections() == 0).await;
    assert_eq!(outcome(&house, "?vsn=2.0.0", &[]).await, refused(101));
    house.hub.close_all(Duration::from_secs(10)).await;
    let draining = outcome(&house, "?vsn=2.0.0", &[]).await;
    assert_eq!((draining.status, draining.retry_after.is_some()), (503, true));
}

async fn answered(house: &House, request: &str) -> String {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(request.replace("HOST", &house.address.to_string()).as_bytes()).await.unwrap();
    let mut answer = String::new();
    super::client::within(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn what_is_no_handshake_is_told_so() {
    let house = House::open().await;
    let whole = "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: HOST\r\n\
        Connection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for (part, instead) in [
        ("close, Upgrade", "close"),
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Version: 13", "Version: 8"),
        ("Sec-WebSocket-Key", "X-Key"),
        ("GET ", "POST "),
    ] {
        let answer = answered(&house, &whole.replace(part, instead)).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{instead}: {answer}");
        assert!(answer.contains("`connection` must contain `upgrade`"), "{answer}");
    }
}
