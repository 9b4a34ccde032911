//! A receiver that is killed and started again while messages flow: each of them arrives at least
//! once or is dead with its reason, and the counts agree. `ROUNDSMAN_OUTAGE_MESSAGES=100000` makes
//! a long run.

#![allow(clippy::print_stdout)]

use super::house::{House, soon};
use super::receiver::{Receiver, status};
use roundsman_store::Inspect;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;
use tokio::time::sleep;

/// The receiver's port, bound again each time; a receiver that dies takes its connections along.
fn receiver(port: u16) -> (Runtime, Receiver) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let receiver = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(([127, 0, 0, 1], port).into()).unwrap();
        Receiver::on(socket.listen(1024).unwrap(), |_| status(200))
    });
    (runtime, receiver)
}

/// Which ids came, and how many requests.
#[derive(Default)]
struct Arrived {
    ids: HashSet<String>,
    requests: u64,
}

impl Arrived {
    fn collect(&mut self, receiver: &mut Receiver) {
        while let Ok(got) = receiver.got.try_recv() {
            self.requests += 1;
            self.ids.insert(got.header("webhook-id").to_owned());
        }
    }
}

#[test]
fn nothing_is_lost_when_the_receiver_dies_again_and_again() {
    let number = std::env::var("ROUNDSMAN_OUTAGE_MESSAGES").ok();
    let messages: usize = number.and_then(|number| number.parse().ok()).unwrap_or(5_000);
    let inside = Runtime::new().unwrap();
    let (mut outside, mut here) = receiver(0);
    let port = here.address.port();
    let house = inside.block_on(async {
        House::new(&format!(
            "[retry]\nmax_attempts = 4\nbackoff = \"10ms..100ms\"\n[[deliver]]\nto = \"webhook\"\n\
             url = \"http://127.0.0.1:{port}/\"\nallow_private = true\nper_host = 20\n\
             park_after = \"20ms\"\nprobe = \"20ms..100ms\"\n"
        ))
    });
    let house = Arc::new(house);
    let mut arrived = Arrived::default();
    let sending = inside.spawn(send(house.clone(), messages));
    while !sending.is_finished() {
        std::thread::sleep(Duration::from_millis(80));
        outside.shutdown_background();
        std::thread::sleep(Duration::from_millis(40));
        arrived.collect(&mut here);
        (outside, here) = receiver(port);
    }
    inside.block_on(soon(async {
        while house.store_counts().await.backlog > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    }));
    // What it was asked last, it has written down by the time that it is gone.
    outside.shutdown_timeout(Duration::from_secs(10));
    arrived.collect(&mut here);
    inside.block_on(agrees(&house, messages, &arrived));
}

/// Sends in small batches, so that there is something under way whenever the receiver dies.
async fn send(house: Arc<House>, messages: usize) {
    for number in 0..messages {
        house.send(&format!("t:{}", number % 50), &format!("m-{number}")).await;
        if number % 50 == 49 {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Every message arrived or is dead with its reason, and the counts say the same.
async fn agrees(house: &House, messages: usize, arrived: &Arrived) {
    let metrics = house.node.metrics();
    let (delivered, dead) =
        (metrics.delivered.load(Ordering::Relaxed), metrics.dead.load(Ordering::Relaxed));
    let requests = arrived.requests;
    let failed = metrics.failed.load(Ordering::Relaxed);
    println!(
        "{messages} messages: {delivered} delivered, {dead} dead; {requests} requests came, \
         {failed} attempts failed"
    );
    assert!(failed > 0, "a receiver that never failed shows nothing");
    assert_eq!(house.store_counts().await.dead, dead);
    assert_eq!(delivered + dead, messages as u64, "each is the one or the other");
    assert!(requests >= delivered, "what is delivered has come");
    let mut missing = 0;
    for number in 0..messages {
        let id = format!("m-{number}");
        if !arrived.ids.contains(&id) {
            let sighting = house.store.find(&id).await.unwrap().unwrap();
            assert!(sighting.reason.is_some(), "neither here nor dead: {sighting:?}");
            missing += 1;
        }
    }
    assert!(missing <= dead, "some that came are dead too: their answers were cut off");
}
