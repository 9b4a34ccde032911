//! What is too large, too old or no WebSocket frame at all.

use super::client::{Client, until};
use super::house::House;
use futures_util::SinkExt;
use roundsman_server::channel::Limits;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

const LARGEST: usize = 64 * 1024;

/// A join whose frame has exactly this many bytes.
fn join_of(bytes: usize) -> String {
    let frame = r#"["1","1","user:1","phx_join",""]"#;
    frame.replace(r#""""#, &format!("\"{}\"", "x".repeat(bytes - frame.len())))
}

#[tokio::test]
async fn a_frame_of_64_kib_and_no_more() {
    let house = House::open().await;
    let mut client = Client::open(house.address).await;
    client.send(&join_of(LARGEST)).await;
    assert_eq!(client.json().await[4]["status"], "ok");
    client.send(&join_of(LARGEST + 1)).await;
    client.expect_close(1009).await;
    until(|| house.hub.connections() == 0).await;
}

#[tokio::test]
async fn a_much_larger_one_is_told_so_too() {
    let house = House::open().await;
    let mut client = Client::open(house.address).await;
    // The server stops reading long before the end; the client hears why all the same.
    let _ = client.stream.send(Message::text("x".repeat(1_000_000))).await;
    client.expect_close(1009).await;
}

#[tokio::test]
async fn fragments_count_together_and_pings_may_come_between() {
    let house = House::open().await;
    let mut client = Client::open(house.address).await;
    let text = join_of(LARGEST);
    let (head, tail) = text.split_at(30_000);
    for (tail, fits) in [(tail.to_owned(), true), (format!("{tail} "), false)] {
        let first = Frame::message(head.to_owned(), OpCode::Data(Data::Text), false);
        let rest = Frame::message(tail, OpCode::Data(Data::Continue), true);
        let between = Message::Ping(b"between".as_slice().into());
        for part in [Message::Frame(first), between, Message::Frame(rest)] {
            client.stream.send(part).await.unwrap();
        }
        assert_eq!(client.next().await, Some(Message::Pong(b"between".as_slice().into())));
        if fits {
            assert_eq!(client.json().await[4]["status"], "ok");
        }
    }
    client.expect_close(1009).await;
}

#[tokio::test]
async fn text_that_is_not_utf_8() {
    let house = House::open().await;
    let mut client = Client::open(house.address).await;
    let frame = Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true);
    client.stream.send(Message::Frame(frame)).await.unwrap();
    client.expect_close(1007).await;
}

#[tokio::test]
async fn bytes_that_are_no_websocket_frame() {
    let house = House::open().await;
    let mut client = Client::open(house.address).await;
    // Not masked, as a client has to.
    client.stream.get_mut().write_all(&[0x81, 0x02, b'h', b'i']).await.unwrap();
    client.expect_close(1002).await;
    let mut client = Client::open(house.address).await;
    client.stream.get_mut().write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    client.expect_close(1002).await;
    until(|| house.hub.connections() == 0).await;
}

#[tokio::test]
async fn silence_ends_a_socket_and_heartbeats_keep_it() {
    let limits = Limits { idle: Duration::from_millis(400), ..Limits::default() };
    let house = House::with(limits, "").await;
    let mut silent = Client::open(house.address).await;
    let mut beating = Client::open(house.address).await;
    beating.join("user:1", "{}").await;
    let ended = tokio::spawn(async move { silent.expect_close(1002).await });
    while !ended.is_finished() {
        beating.expect_silence().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ended.await.unwrap();
    beating.send(r#"["1","2","user:1","okonly",{}]"#).await;
    beating.expect(r#"["1","2","user:1","phx_reply",{"status":"ok","response":{}}]"#).await;
}

#[tokio::test]
async fn one_that_sends_much_and_waits_for_answers_is_answered_in_the_end() {
    let house = House::open().await;
    let mut client = Client::open(house.address).await;
    client.join("user:1", "{}").await;
    // More than are worked on at once.
    for number in 0..200 {
        client.send(&format!(r#"["1","{number}","user:1","later",{{}}]"#)).await;
    }
    let mut seen = Vec::new();
    for _ in 0..200 {
        seen.push(client.json().await[1].as_str().unwrap().parse::<u32>().unwrap());
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..200));
}
