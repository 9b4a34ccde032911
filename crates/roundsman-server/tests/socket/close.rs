//! How sockets end: by the client, by a drain, by a connection that is just gone.

use super::client::{Client, until};
use super::house::House;
use futures_util::SinkExt;
use futures_util::future::join_all;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[tokio::test]
async fn a_clients_close_is_answered_in_kind() {
    let house = House::open().await;
    for code in [1000, 1001, 3000, 4999] {
        let mut client = Client::open(house.address).await;
        let own = CloseFrame { code: CloseCode::from(code), reason: "bye".into() };
        client.stream.send(Message::Close(Some(own))).await.unwrap();
        client.expect_close(code).await;
    }
    let mut client = Client::open(house.address).await;
    client.stream.send(Message::Close(None)).await.unwrap();
    assert_eq!(client.next().await, Some(Message::Close(None)));
    until(|| house.hub.connections() == 0).await;
}

#[tokio::test]
async fn a_connection_that_is_gone_leaves_its_topics() {
    let house = House::open().await;
    let mut client = Client::open(house.address).await;
    client.join("user:1", "{}").await;
    drop(client);
    until(|| house.told.lock().len() == 2).await;
    assert_eq!(house.told(), ["joined user:1, 1 there", "left user:1, 0 there"]);
    until(|| house.hub.connections() == 0).await;
}

#[tokio::test]
async fn a_drain_ends_every_socket_with_1012_a_few_at_a_time() {
    let house = House::open().await;
    let mut clients = Vec::new();
    for number in 0..250 {
        let mut client = Client::open(house.address).await;
        // Joined or not: no socket is closed with 1000.
        if number % 2 == 0 {
            client.join(&format!("user:{number}"), "{}").await;
        }
        clients.push(client);
    }
    let started = tokio::time::Instant::now();
    let all = join_all(clients.iter_mut().map(|client| client.expect_close(1012)));
    tokio::join!(house.hub.close_all(Duration::from_secs(20)), all);
    // Three rounds of a hundred, two pauses of 50 milliseconds.
    assert!(started.elapsed() >= Duration::from_millis(100));
    assert_eq!(house.hub.connections(), 0);
    assert_eq!(house.told().len(), 250);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_ever() {
    let house = House::open().await;
    // Never reads, so never answers; the time given is all it costs.
    let _silent = Client::open(house.address).await;
    super::client::within(house.hub.close_all(Duration::from_millis(50))).await;
    until(|| house.hub.connections() == 0).await;
}

#[tokio::test]
async fn what_was_waiting_goes_out_before_the_close() {
    let house = House::open().await;
    let mut client = Client::open(house.address).await;
    client.join("user:1", "{}").await;
    let mut fate = house.deliver("user:1", &[r#"{"n":1}"#]);
    assert_eq!(fate.next().await, "Delivered");
    house.hub.close_all(Duration::from_millis(10)).await;
    client.expect(r#"[null,null,"user:1","push",{"n":1}]"#).await;
    client.expect_close(1012).await;
    assert_eq!(house.deliver("user:1", &["{}"]).next().await, "Absent");
}
