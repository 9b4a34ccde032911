//! What becomes of a batch: who decides over it, and when the engine may send more.

use super::client::{Client, until};
use super::house::House;

const ASKING: &str = r#"{"ack":"client"}"#;

async fn asking(house: &House) -> Client {
    let mut client = Client::open(house.address).await;
    client.join("user:1", ASKING).await;
    client
}

async fn plain(house: &House) -> Client {
    let mut client = Client::open(house.address).await;
    client.join("user:1", "{}").await;
    client
}

#[tokio::test]
async fn nobody_there() {
    let house = House::open().await;
    let mut fate = house.deliver("user:1", &["{}"]);
    assert_eq!([fate.next().await, fate.next().await], ["Absent", "free"]);
    let mut client = plain(&house).await;
    client.stream.close(None).await.unwrap();
    until(|| house.hub.joined_count("user:1") == 0).await;
    assert_eq!(house.deliver("user:1", &["{}"]).next().await, "Absent");
}

#[tokio::test]
async fn one_who_asked_gets_them_wrapped() {
    let house = House::open().await;
    let mut client = asking(&house).await;
    let mut fate = house.deliver("user:1", &[r#"{"n": 1}"#, r#"{"n":2}"#]);
    let first = client.text().await;
    // The payload is byte for byte as it was sent.
    assert_eq!(first, r#"[null,null,"user:1","push",{"id":"m-1","attempt":1,"payload":{"n": 1}}]"#);
    client
        .expect(r#"[null,null,"user:1","push",{"id":"m-2","attempt":1,"payload":{"n":2}}]"#)
        .await;
    assert_eq!([fate.next().await, fate.next().await], ["Sent", "free"]);
}

#[tokio::test]
async fn where_one_asked_only_its_write_counts() {
    let house = House::open().await;
    let (mut one, mut other) = (plain(&house).await, asking(&house).await);
    let mut fate = house.deliver("user:1", &["{}"]);
    one.expect(r#"[null,null,"user:1","push",{}]"#).await;
    other.expect(r#"[null,null,"user:1","push",{"id":"m-1","attempt":1,"payload":{}}]"#).await;
    assert_eq!([fate.next().await, fate.next().await], ["Sent", "free"]);
}

#[tokio::test]
async fn what_comes_again_is_for_those_who_asked() {
    let house = House::open().await;
    let mut one = plain(&house).await;
    // Nobody asked: nobody is there for it.
    let mut fate = house.deliver_again("user:1", &["{}"]);
    assert_eq!([fate.next().await, fate.next().await], ["Absent", "free"]);
    let mut other = asking(&house).await;
    let mut fate = house.deliver_again("user:1", &["{}"]);
    other.expect(r#"[null,null,"user:1","push",{"id":"m-1","attempt":2,"payload":{}}]"#).await;
    assert_eq!([fate.next().await, fate.next().await], ["Sent", "free"]);
    one.expect_silence().await;
}

#[tokio::test]
async fn batches_arrive_in_the_order_they_came() {
    let house = House::open().await;
    let mut client = plain(&house).await;
    let mut fates: Vec<_> = (0..200)
        .map(|number| house.deliver("user:1", &[&format!(r#"{{"n":{number}}}"#)]))
        .collect();
    for number in 0..200 {
        client.expect(&format!(r#"[null,null,"user:1","push",{{"n":{number}}}]"#)).await;
    }
    for fate in &mut fates {
        assert_eq!([fate.next().await, fate.next().await], ["Delivered", "free"]);
    }
}

#[tokio::test]
async fn names_are_escaped_and_large_messages_are_whole() {
    let house = House::open().await;
    let topic = "user:\"\\\u{e9}\u{1f600}";
    let name = serde_json::to_string(topic).unwrap();
    let mut client = Client::open(house.address).await;
    client.send(&format!(r#"["1","1",{name},"phx_join",{{}}]"#)).await;
    assert_eq!(client.json().await[4]["status"], "ok");
    for size in [0, 50, 200, 70_000, 300_000] {
        let payload = format!(r#"{{"text":"{}"}}"#, "x".repeat(size));
        house.deliver(topic, &[&payload]);
        client.expect(&format!(r#"[null,null,{name},"push",{payload}]"#)).await;
    }
}
