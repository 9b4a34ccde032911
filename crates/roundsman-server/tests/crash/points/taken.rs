//! Points on a message's way in: sent, stored, scheduled.

use super::scene::{Scene, body};
use crate::proxy::Proxy;
use crate::run::PATIENCE;
use crate::wire::post;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Before the store has it: it is not there, and nobody was told that it is.
pub(super) async fn sent_by_half(mut scene: Scene) {
    let body = body("hook:1", &[1]);
    let mut line = TcpStream::connect(&scene.address).await.unwrap();
    let request = request(&body);
    line.write_all(&request.as_bytes()[..request.len() - 5]).await.unwrap();
    scene.kill_and_start().await;
    scene.left(0).await;
    assert_eq!(scene.send("hook:1", &[1]).await, [false]);
    scene.receiver.next().await.answer("200 OK").await;
    scene.end().await;
}

/// Stored, and the answer is lost: it is there, and sending it again adds nothing.
pub(super) async fn stored_and_unanswered(mut scene: Scene) {
    let mut line = TcpStream::connect(&scene.address).await.unwrap();
    line.write_all(request(&body("hook:1", &[1])).as_bytes()).await.unwrap();
    // It is stored as soon as it goes on, and nobody has read the answer.
    let first = scene.receiver.next().await;
    scene.kill_and_start().await;
    drop((line, first));
    assert_eq!(scene.send("hook:1", &[1, 2]).await, [true, false]);
    for _ in 0..2 {
        scene.receiver.next().await.answer("200 OK").await;
    }
    scene.end().await;
}

/// The store's answers get lost from one of them on, each in turn, and the process with them: it
/// is there or it is not, and sent again it comes once.
pub(super) async fn unheard((mut scene, proxy): (Scene, Proxy)) {
    for answers in 0..ANSWERS {
        let number = answers.unsigned_abs();
        proxy.let_through(Some(answers));
        let (address, body) = (scene.address.clone(), body("hook:1", &[number]));
        let posted = tokio::spawn(async move { post(&address, &body).await.is_ok() });
        timeout(PATIENCE, proxy.holds_back()).await.expect("the store is not asked");
        scene.kill().await;
        posted.await.unwrap();
        while scene.receiver.has_more() {}
        proxy.let_through(None);
        scene.start().await;
        scene.send("hook:1", &[number]).await;
        assert_eq!(scene.take_all().await, [number], "after {answers} answers");
    }
    scene.end().await;
}

/// More than a store gives to a message on its way through.
const ANSWERS: i64 = 6;

/// Killed again and again while it makes its tables, each time a few answers of the store later:
/// what the one before has made does not stand in the next one's way.
pub(super) async fn made_by_half((mut scene, proxy): (Scene, Proxy)) {
    scene.kill().await;
    scene.wipe().await;
    for answers in (0..MAKING).step_by(3) {
        proxy.let_through(Some(answers));
        scene.spawn();
        timeout(PATIENCE, proxy.holds_back()).await.expect("the store is not asked");
        scene.kill().await;
    }
    proxy.let_through(None);
    scene.start().await;
    scene.send("hook:1", &[1]).await;
    assert_eq!(scene.take_all().await, [1]);
    scene.end().await;
}

/// About what a store answers to one that makes its tables.
const MAKING: i64 = 45;

/// Scheduled, and the process that would have woken it is gone: it comes once, and not before.
pub(super) async fn scheduled(mut scene: Scene) {
    let due = Timestamp::now() + SignedDuration::from_millis(1_500);
    let message =
        json!({"topic": "hook:1", "id": "m-1", "payload": {"n": 1}, "deliver_at": due.to_string()});
    scene.call("POST", "/v1/messages", &message.to_string()).await;
    scene.kill_and_start().await;
    let first = scene.receiver.next().await;
    assert!(Timestamp::now() >= due, "it is early");
    // Woken, and the process that woke it is gone as well.
    scene.kill_and_start().await;
    let again = scene.receiver.next().await;
    assert_eq!(again.body, first.body);
    again.answer("200 OK").await;
    scene.end().await;
}

fn request(body: &str) -> String {
    format!(
        "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
