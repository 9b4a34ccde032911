//! Clients that do not read: they are cut off, and cost the others nothing.

use super::client::{Client, until};
use super::house::House;
use roundsman_server::channel::Limits;
use std::time::Duration;

/// A message of this size; some hundreds of them fill every buffer there is on the way.
fn large(number: usize) -> String {
    format!(r#"{{"n":{number},"text":"{}"}}"#, "x".repeat(100_000))
}

#[tokio::test]
async fn the_others_get_everything_while_one_never_reads() {
    let limits = Limits { outbox: 400_000, ..Limits::default() };
    let house = House::with(limits, "").await;
    let mut slow = Client::open_small(house.address).await;
    slow.join("user:1", "{}").await;
    let mut quick = Client::open(house.address).await;
    quick.join("user:1", "{}").await;
    let mut number = 0;
    while house.hub.joined_count("user:1") == 2 {
        let mut fate = house.deliver("user:1", &[&large(number)]);
        let frame = quick.json().await;
        assert_eq!(frame[4]["n"], number);
        // The first who has it decides; the slot comes back although the other has it not.
        assert_eq!([fate.next().await, fate.next().await], ["Delivered", "free"]);
        number += 1;
        assert!(number < 2_000, "so much is never kept for one socket");
    }
    quick.expect_silence().await;
    // It does not take the words that say why either; its connection ends all the same.
    until(|| house.hub.connections() == 1).await;
}

#[tokio::test]
async fn one_alone_is_cut_off_and_what_it_did_not_take_goes_back() {
    let limits = Limits { stall: Duration::from_millis(300), ..Limits::default() };
    let house = House::with(limits, "").await;
    let mut slow = Client::open_small(house.address).await;
    slow.join("user:1", "{}").await;
    // Far more than the bound of the outbox: what nobody else has is not held against it.
    let mut fates: Vec<_> =
        (0..150).map(|number| house.deliver("user:1", &[&large(number)])).collect();
    until(|| house.hub.connections() == 0).await;
    let mut last = String::new();
    for fate in &mut fates {
        // The slot may come back before the fate is known: a stalled client holds up nobody.
        let mut said = [fate.next().await, fate.next().await];
        said.sort();
        assert_eq!(said[1], "free");
        last.clone_from(&said[0]);
    }
    assert_eq!(last, "Released");
    assert_eq!(house.told(), ["joined user:1, 1 there", "left user:1, 0 there"]);
}

#[tokio::test]
async fn a_client_that_floods_and_never_reads_is_cut_off() {
    let limits = Limits { outbox: 100_000, ..Limits::default() };
    let house = House::with(limits, "").await;
    let client = Client::open_small(house.address).await;
    let mut stream = client.stream;
    let text = format!(r#"["1","{}","user:1","echo",{{}}]"#, "x".repeat(20_000));
    let flood = async {
        use futures_util::SinkExt;
        while stream.send(tokio_tungstenite::tungstenite::Message::text(&text)).await.is_ok() {}
    };
    super::client::within(flood).await;
    until(|| house.hub.connections() == 0).await;
}
