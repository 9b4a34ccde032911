//! Phoenix Channels V2 over WebSocket: one connection, many topics, frames of five.
//!
//! A client opens `GET /socket/websocket?vsn=2.0.0` and speaks JSON arrays
//! `[join_ref, ref, topic, event, payload]`. It *joins* topics and *leaves* them; whatever it
//! pushes may be answered by one `phx_reply` with the same `ref`. Frames that carry the
//! `join_ref` of a join that is over are late and count for nothing. A `heartbeat` on the topic
//! `phoenix` is answered at once. Messages arrive as `[null, null, topic, event, payload]`.
//!
//! ```text
//!  upgrade ── who is refused, before there is a socket ─► session, one task a socket
//!                                                          │
//!     wire     frames in, one vectored write out           ├─ talk: frame, binary  the codecs
//!     outbox   what waits for this socket, bounded         │        join           who is on what
//!     hub      topics → outboxes; the engine's target      │        handler        what a topic does
//!     chunk    a batch, encoded once, answered for once    └─ close: codes
//! ```
//!
//! | a message is | when |
//! | --- | --- |
//! | delivered | the first socket of the topic has it with the kernel, and none asked for more |
//! | sent | the first that asked for acknowledgement has; the client's `ack` does the rest |
//! | absent | nobody is on the topic, or it comes again and nobody is there who asks |
//! | released | every socket that was to get it went away first |
//!
//! What waits for one socket leaves in one write. A slow client slows only itself: the engine's
//! demand bounds what no one took, the outbox what the others took and it did not.

mod binary;
mod chunk;
mod close;
mod delivery;
mod frame;
mod handler;
mod hub;
mod join;
mod outbox;
mod session;
mod talk;
mod token;
mod upgrade;
mod wire;

pub use binary::{
    BinaryPush, broadcast as binary_broadcast, push as binary_push, reply as binary_reply,
};
pub use close::Close;
pub use delivery::Delivery;
pub use frame::{Frame, NoFrame, Ref, Status, push as text_push, reply as text_reply};
pub use handler::{Body, Channel, Joined, Payload, Pushed};
pub use hub::{Hub, Limits};

use crate::App;
use crate::auth::Access;
use axum::Router;
use axum::routing::any;
use std::sync::Arc;
use upgrade::Sockets;

/// The sockets of `app`: its node's deliveries.
pub fn router(app: &App) -> Router {
    let channel = Arc::new(Delivery::new(app.node.clone()));
    routes(app.hub.clone(), app.access.clone(), channel)
}

/// Sockets that serve `channel` to the sessions of `hub`.
///
/// Requests are expected to carry `ConnectInfo<SocketAddr>`, and the connection to allow
/// upgrades.
pub fn routes(hub: Arc<Hub>, access: Arc<Access>, channel: Arc<dyn Channel>) -> Router {
    let sockets = Sockets { hub, access, channel };
    Router::new().route("/socket/websocket", any(upgrade::websocket)).with_state(sockets)
}
