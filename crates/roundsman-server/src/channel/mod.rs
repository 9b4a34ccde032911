//! Phoenix Channels V2 over WebSocket.

mod hub;
pub use hub::Hub;
