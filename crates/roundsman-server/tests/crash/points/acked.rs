//! Points at which a client says that it has what it was sent.

use super::scene::Scene;
use crate::client::Client;

/// The acknowledgement is stored, and the word about it lost: nothing comes again.
pub(super) async fn acked_and_unanswered(mut scene: Scene) {
    scene.send("user:1", &[1]).await;
    let mut client = Client::join(&scene.address, "user:1").await;
    assert_eq!(client.message().await, (1, 1));
    client.ack(&["m-1"]).await;
    // It is settled, and nobody has read the reply.
    scene.left(0).await;
    scene.kill_and_start().await;
    scene.send("user:1", &[2]).await;
    let mut client = Client::join(&scene.address, "user:1").await;
    assert_eq!(client.message().await, (2, 1));
    client.ack(&["m-2"]).await;
    scene.end().await;
}

/// Half of what is out is acknowledged: the other half comes again, in order.
pub(super) async fn acked_by_half(mut scene: Scene) {
    scene.send("user:1", &[1, 2, 3, 4]).await;
    let mut client = Client::join(&scene.address, "user:1").await;
    for number in 1..=4 {
        assert_eq!(client.message().await, (number, 1));
    }
    client.ack(&["m-3", "m-1"]).await;
    scene.left(2).await;
    scene.kill_and_start().await;
    let mut client = Client::join(&scene.address, "user:1").await;
    assert_eq!(client.message().await, (2, 2));
    assert_eq!(client.message().await, (4, 2));
    client.ack(&["m-2", "m-4"]).await;
    scene.end().await;
}
