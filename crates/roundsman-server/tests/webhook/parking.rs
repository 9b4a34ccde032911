//! Endpoints that keep failing: parked as a whole, tried, and served again; no attempt burned.

use super::house::House;
use super::receiver::{Receiver, status};
use roundsman_store::State;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A receiver that fails on `/bad` as long as the switch is off, and how often it was asked there.
async fn moody() -> (Receiver, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (well, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (switch, count) = (well.clone(), asked.clone());
    let receiver = Receiver::answering(move |got| {
        if got.path != "/bad" || switch.load(Ordering::Relaxed) {
            return status(200);
        }
        count.fetch_add(1, Ordering::Relaxed);
        status(500)
    })
    .await;
    (receiver, well, asked)
}

fn rules(receiver: &Receiver, more: &str) -> String {
    let address = receiver.address;
    format!(
        "[retry]\nbackoff = \"1ms..50ms\"\nmax_attempts = 1000\n[[deliver]]\ntopics = \"bad:*\"\n\
         to = \"webhook\"\nurl = \"http://{address}/bad\"\nallow_private = true\n\
         park_after = \"50ms\"\nprobe = \"50ms..200ms\"\n{more}[[deliver]]\nto = \"webhook\"\n\
         url = \"http://{address}/good\"\nallow_private = true\n"
    )
}

async fn parked(house: &House) {
    house
        .until("it is parked", async |house| {
            house.webhooks.ailing(1).0.first().is_some_and(|ailing| ailing.state == "parked")
        })
        .await;
}

#[tokio::test]
async fn its_messages_wait_unharmed_and_all_arrive_once_it_answers() {
    let (receiver, well, asked) = moody().await;
    let house = House::new(&rules(&receiver, ""));
    for number in 0..20 {
        house.send(&format!("bad:{number}"), &format!("early-{number}")).await;
    }
    parked(&house).await;
    for number in 0..300 {
        house.send(&format!("bad:{number}"), &format!("late-{number}")).await;
    }
    // Another rule to the same host goes on as if nothing were.
    for number in 0..20 {
        house.send("good", &format!("good-{number}")).await;
        house.once(&format!("good-{number}"), State::Delivered).await;
    }
    let before = asked.load(Ordering::Relaxed);
    house.until("it is tried", async |_| asked.load(Ordering::Relaxed) >= before + 3).await;
    let late = house.once("late-7", State::Ready).await;
    assert_eq!((late.history.failures, late.attempts.len()), (0, 0));
    let failed = house.node.metrics().failed.load(Ordering::Relaxed);
    assert!(failed <= asked.load(Ordering::Relaxed) as u64, "{failed}");

    well.store(true, Ordering::Relaxed);
    for number in 0..300 {
        let late = house.once(&format!("late-{number}"), State::Delivered).await;
        assert_eq!(late.history.failures, 0, "not one attempt was burned");
    }
    for number in 0..20 {
        house.once(&format!("early-{number}"), State::Delivered).await;
    }
    assert_eq!(house.webhooks.ailing(1).1, 0, "nothing is remembered of it");
}

#[tokio::test]
async fn a_rule_can_give_up_on_an_endpoint_until_somebody_says_otherwise() {
    let (receiver, well, asked) = moody().await;
    let house = House::new(&rules(&receiver, "disable_after = \"300ms\"\n"));
    for number in 0..20 {
        house.send(&format!("bad:{number}"), &format!("{number}")).await;
    }
    house
        .until("it is disabled", async |house| {
            house.webhooks.ailing(1).0.first().is_some_and(|ailing| ailing.state == "disabled")
        })
        .await;
    let before = asked.load(Ordering::Relaxed);
    well.store(true, Ordering::Relaxed);
    house.send("bad:0", "later").await;
    house.send("good", "good").await;
    house.once("good", State::Delivered).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(asked.load(Ordering::Relaxed), before, "it is not even tried");
    house.once("later", State::Ready).await;
    for endpoint in house.webhooks.enable() {
        house.node.release_endpoint(endpoint);
    }
    for id in ["later", "0", "19"] {
        house.once(id, State::Delivered).await;
    }
}

#[tokio::test]
async fn in_order_it_comes_back_in_order() {
    let (mut receiver, well, _) = moody().await;
    let house = House::new(&rules(&receiver, "order = \"topic\"\n"));
    for number in 0..12 {
        house.send(&format!("bad:{number}"), &format!("{number}-0")).await;
    }
    parked(&house).await;
    for again in 1..5 {
        for number in 0..12 {
            house.send(&format!("bad:{number}"), &format!("{number}-{again}")).await;
        }
    }
    well.store(true, Ordering::Relaxed);
    for number in 0..12 {
        house.once(&format!("{number}-4"), State::Delivered).await;
    }
    let mut last = [0; 12];
    while let Ok(got) = receiver.got.try_recv() {
        let (lane, number) = got.header("webhook-id").split_once('-').unwrap();
        let (lane, number): (usize, usize) = (lane.parse().unwrap(), number.parse().unwrap());
        assert!(number >= last[lane], "{lane}: {number} after {}", last[lane]);
        last[lane] = number;
    }
    assert_eq!(last, [4; 12]);
}
