//! Messages kept in Redis or Valkey: [`RedisStore`].

mod accept;
mod block;
mod claim;
mod claims;
mod door;
mod error;
mod fetch;
mod ids;
mod inspect;
mod lease;
mod link;
mod message;
mod operate;
mod probe;
mod promote;
mod reply;
mod scripts;
mod settle;
mod store;
mod writer;

pub use store::RedisStore;
