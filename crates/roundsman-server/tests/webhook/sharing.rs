//! Endpoints of one rule beside each other: those that hang keep their own slots, and no more.

use super::house::House;
use super::receiver::{Receiver, status};
use roundsman_store::State;

/// With every default, four requests go to a host at once, one of them to an endpoint.
#[tokio::test]
async fn three_endpoints_that_hang_leave_the_fourth_slot_to_all_others() {
    let receiver = Receiver::answering(|got| {
        let hangs = got.path.starts_with("/hang");
        if hangs { String::new() } else { status(200) }
    })
    .await;
    let address = receiver.address;
    let house = House::new(&format!(
        "[[deliver]]\nto = \"webhook\"\nurl = \"http://{address}/{{topic}}\"\norder = \"none\"\n\
         allow_private = true\ntimeout = \"5m\"\n"
    ));
    for number in 0..120 {
        // Many lanes of each, and many messages in each lane.
        let (topic, key) = (format!("hang-{}", number % 3), format!("key-{}", number % 12));
        house.send_for(&topic, &key, &format!("hung-{number}"), "{}").await;
    }
    for number in 0..60 {
        house.send(&format!("well-{}", number % 20), &format!("well-{number}")).await;
    }
    for number in 0..60 {
        house.once(&format!("well-{number}"), State::Delivered).await;
    }
    assert_eq!(house.store_counts().await.backlog, 120, "what hangs hangs still");
}
