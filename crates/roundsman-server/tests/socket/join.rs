//! Joins and leaves: who is told what, and in which order.

use super::client::{Client, until};
use super::house::House;
use roundsman_server::channel::Limits;

#[tokio::test]
async fn the_channel_hears_of_a_join_once_the_hub_has_it_and_of_a_leave_once_it_has_not() {
    let house = House::open().await;
    let mut client = Client::open(house.address).await;
    client.join("user:1", "{}").await;
    client.send(r#"["1","2","user:1","phx_leave",{}]"#).await;
    client.expect(r#"["1","2","user:1","phx_reply",{"status":"ok","response":{}}]"#).await;
    client.expect(r#"["1","1","user:1","phx_close",{}]"#).await;
    client.join("user:1", r#"{"ack":"client"}"#).await;
    client.stream.close(None).await.unwrap();
    until(|| house.told.lock().len() == 4).await;
    let told = house.told();
    assert_eq!(told[..2], ["joined user:1, 1 there", "left user:1, 0 there"]);
    assert_eq!(told[2..], ["joined user:1 asking, 1 there", "left user:1 asking, 0 there"]);
    until(|| house.hub.connections() == 0).await;
}

#[tokio::test]
async fn a_second_join_ends_the_first_as_it_was() {
    let house = House::open().await;
    let mut client = Client::open(house.address).await;
    client.join("user:1", r#"{"ack":"client"}"#).await;
    client.send(r#"["2","2","user:1","phx_join",{}]"#).await;
    client.expect(r#"["2","2","user:1","phx_reply",{"status":"ok","response":{"got":{}}}]"#).await;
    client.expect(r#"["1","1","user:1","phx_close",{}]"#).await;
    assert_eq!(
        house.told(),
        ["joined user:1 asking, 1 there", "left user:1 asking, 0 there", "joined user:1, 1 there"]
    );
    // What is delivered now is not wrapped: this join did not ask.
    house.deliver("user:1", &[r#"{"n":1}"#]);
    client.expect(r#"[null,null,"user:1","push",{"n":1}]"#).await;
}

#[tokio::test]
async fn a_crash_is_a_leave() {
    let house = House::open().await;
    let mut client = Client::open(house.address).await;
    for event in ["crash", "latercrash"] {
        client.join("user:1", "{}").await;
        client.send(&format!(r#"["1","2","user:1","{event}",{{}}]"#)).await;
        client.expect(r#"["1","1","user:1","phx_error",{"reason":"channel_crash"}]"#).await;
        assert_eq!(house.told(), ["joined user:1, 1 there", "left user:1, 0 there"]);
    }
    client.expect_silence().await;
}

#[tokio::test]
async fn a_late_crash_does_not_end_a_newer_join() {
    let house = House::open().await;
    let mut client = Client::open(house.address).await;
    client.join("user:1", "{}").await;
    client.send(r#"["1","2","user:1","latercrash",{}]"#).await;
    client.send(r#"["3","3","user:1","phx_join",{}]"#).await;
    let mut events = Vec::new();
    while events.last().is_none_or(|event| event != "phx_reply") {
        events.push(client.json().await[3].as_str().unwrap().to_owned());
    }
    // Whether the crash or the join came first, the second join lives.
    while house.told.lock().len() < 3 {
        tokio::task::yield_now().await;
    }
    client.send(r#"["3","4","user:1","okonly",{}]"#).await;
    let mut replies = 0;
    while replies == 0 {
        let frame = client.json().await;
        replies += usize::from(frame[1] == "4" && frame[4]["status"] == "ok");
    }
    assert_eq!(house.hub.joined_count("user:1"), 1);
}

#[tokio::test]
async fn a_hundred_topics_and_no_more() {
    let house = House::open().await;
    let mut client = Client::open(house.address).await;
    for number in 0..100 {
        client.join(&format!("user:{number}"), "{}").await;
    }
    client.send(r#"["9","9","user:one-more","phx_join",{}]"#).await;
    client.expect(r#"["9","9","user:one-more","phx_reply",{"status":"error","response":{"reason":"too many channels joined"}}]"#).await;
    // Joining one of the hundred again is not one more.
    client.send(r#"["10","10","user:7","phx_join",{}]"#).await;
    assert_eq!(client.json().await[4]["status"], "ok");
    assert_eq!(client.json().await[3], "phx_close");
    drop(client);
    until(|| house.hub.connections() == 0).await;
    assert_eq!(house.hub.joined_count("user:7"), 0);
}

#[tokio::test]
async fn where_none_may_be_joined_none_is() {
    let limits = Limits { topics: 0, ..Limits::default() };
    let house = House::with(limits, "").await;
    let mut client = Client::open(house.address).await;
    client.send(r#"["1","1","user:1","phx_join",{}]"#).await;
    assert_eq!(client.json().await[4]["status"], "error");
    assert!(house.told().is_empty());
    client.expect_silence().await;
}

#[tokio::test]
async fn answers_that_take_time_do_not_hold_up_the_socket() {
    let house = House::open().await;
    let mut client = Client::open(house.address).await;
    client.join("user:1", "{}").await;
    client.send(r#"["1","never","user:1","never",{}]"#).await;
    client.expect_silence().await;
    client.send(r#"["1","7","user:1","later",{"a":1}]"#).await;
    client.expect(r#"["1","7","user:1","phx_reply",{"status":"ok","response":{"a":1}}]"#).await;
}

#[tokio::test]
async fn everyone_on_a_topic_gets_what_is_for_it() {
    let house = House::open().await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::open(house.address).await;
        client.join("user:1", "{}").await;
        clients.push(client);
    }
    let mut elsewhere = Client::open(house.address).await;
    elsewhere.join("user:2", "{}").await;
    assert_eq!(house.hub.joined_count("user:1"), 3);
    let mut fate = house.deliver("user:1", &[r#"{"n":1}"#, r#"{"n":2}"#]);
    for client in &mut clients {
        client.expect(r#"[null,null,"user:1","push",{"n":1}]"#).await;
        client.expect(r#"[null,null,"user:1","push",{"n":2}]"#).await;
    }
    elsewhere.expect_silence().await;
    assert_eq!([fate.next().await, fate.next().await], ["Delivered", "free"]);
}
