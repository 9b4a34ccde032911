//! Points on a message's way out: claimed, under way, done.

use super::scene::Scene;
use crate::run::PATIENCE;
use crate::wire::exchange;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Claimed and with its receiver, who has not answered: it comes again, as it was.
pub(super) async fn claimed_and_unsent(mut scene: Scene) {
    scene.send("hook:1", &[1]).await;
    let first = scene.receiver.next().await;
    scene.kill_and_start().await;
    let again = scene.receiver.next().await;
    assert_eq!(again.body, first.body, "a body is the same at every attempt");
    again.answer("200 OK").await;
    scene.end().await;
}

/// Done, and Roundsman does not hear of it: a duplicate, the same bytes.
pub(super) async fn done_and_unheard(mut scene: Scene) {
    scene.send("hook:1", &[1]).await;
    let first = scene.receiver.next().await;
    scene.stand_still().await;
    let body = first.body.clone();
    first.answer("200 OK").await;
    scene.kill_and_start().await;
    let again = scene.receiver.next().await;
    assert_eq!(again.body, body);
    again.answer("200 OK").await;
    scene.end().await;
}

/// Told to stop, and killed because that took too long: as any crash.
pub(super) async fn stopped_too_slowly(mut scene: Scene) {
    scene.send("hook:1", &[1]).await;
    let first = scene.receiver.next().await;
    scene.signal("TERM").await;
    let is_draining = async {
        while exchange(&scene.address, "GET", "/readyz", "").await.is_ok_and(|it| it.0 != 503) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, is_draining).await.expect("it does not drain");
    scene.kill_and_start().await;
    drop(first);
    scene.receiver.next().await.answer("200 OK").await;
    scene.end().await;
}
