//! Points between the living and the dead: a message is among the ones or the others.

use super::scene::Scene;

/// Refused, and Roundsman does not hear of it: it comes again. Heard, and killed: dead, once.
pub(super) async fn given_up_on(mut scene: Scene) {
    scene.send("hook:1", &[1]).await;
    let first = scene.receiver.next().await;
    scene.stand_still().await;
    first.answer("400 Bad Request").await;
    scene.kill_and_start().await;
    assert_eq!(scene.dead().await, []);
    scene.receiver.next().await.answer("400 Bad Request").await;
    scene.left(0).await;
    scene.kill_and_start().await;
    assert_eq!(scene.dead().await, [("m-1".to_owned(), "attempts".to_owned())]);
    scene.call("POST", "/v1/dead/drop", r#"{"ids": ["m-1"]}"#).await;
    scene.end().await;
}

/// Replayed while the process is killed: it comes, and is dead no more.
pub(super) async fn replayed(mut scene: Scene) {
    scene.send("hook:1", &[1]).await;
    scene.receiver.next().await.answer("400 Bad Request").await;
    scene.left(0).await;
    scene.call("POST", "/v1/dead/replay", r#"{"ids": ["m-1"]}"#).await;
    scene.kill_and_start().await;
    scene.receiver.next().await.answer("200 OK").await;
    scene.end().await;
}

/// Each time it is out the process ends: after three times it goes alone, after two more it is
/// dead, and what went beside it has arrived.
pub(super) async fn ends_the_process(mut scene: Scene) {
    scene.send("hook:1", &[1]).await;
    for _ in 0..5 {
        assert_eq!(scene.receiver.next().await.number(), 1);
        scene.kill_and_start().await;
    }
    scene.left(0).await;
    assert_eq!(scene.dead().await, [("m-1".to_owned(), "crash".to_owned())]);
    scene.send("hook:1", &[2]).await;
    let next = scene.receiver.next().await;
    assert_eq!(next.number(), 2);
    next.answer("200 OK").await;
    scene.call("POST", "/v1/dead/drop", r#"{"ids": ["m-1"]}"#).await;
    scene.end().await;
}
