//! Messages kept in Redis (7.0 or newer) or Valkey: [`RedisStore`], as durable as the server is set.
//!
//! ```text
//!      accept claim settle block release promote           walk fetch find counts dead
//!            take_back replay drop_dead                                 │
//!                      │                                                │
//!  RedisStore ─────────┼────────────────────────────────────────────────┤
//!                      ▼                                                ▼
//!               writer task                                       a link of their own
//!     takes all calls that wait, sends                       scripts that write nothing; they
//!     them in one go, then WAITAOF;                          wait for nobody's sync
//!     hints, then answers
//! ```
//!
//! Every call that writes is one script ([`scripts`]): done as a whole or not at all, alone on the
//! server, and bounded. An answer comes once the server has synced what it says to its disk: before
//! it replies where `appendfsync` is `always`, and from 7.2 on it is asked (`WAITAOF`).
//!
//! # The keys
//!
//! All begin with `{prefix}:`, so that a cluster keeps them in one slot; why one for the whole store
//! is in `docs/decisions/`. Lanes are sixteen hexadecimal digits, sequences and moments decimal.
//!
//! ```text
//!  state     hash    version salt epoch seq lanes backlog held, and who shares it with others
//!  owner     string  who owns the store; expires with the lease
//!  news      set     lanes that others than the owner have put something into
//!
//!  message   hash    seq → a message, written once          (see `message`)
//!  past      hash    seq → what was tried, where anything was
//!  lane:ID   zset    seq by seq: the messages of a lane, in order
//!  due       zset    seq by moment: scheduled, and retries that left their lane
//!  expiry    zset    seq by moment: everything that expires
//!
//!  lanes     hash    name → lane            names    hash  lane → name
//!  turns     zset    lane by lane: what a walk visits, those with messages that are not blocked
//!  blocks    hash    lane → A nobody is there · U moment · P endpoint
//!  absent    zset    topic and lane         parked   zset  endpoint and lane
//!  until     zset    lane by moment         idle     zset  lane by when it ran empty
//!
//!  accounts  hash    key → backlog          held     hash  key → how many of it are held
//!  topics    hash    topic → in its lanes   later    hash  lane → how many are in `due`
//!
//!  ids       hash    a sender's id → fingerprint and what became of it
//!  moved     hash    a made id's place → where its message is now
//!  forget    zset    id by when its message was settled
//!
//!  dead      zset    seq by seq             letters  hash  seq → all but    bodies  hash  seq → event and payload
//!  claims    hash    epoch:number → the attempts of a batch
//! ```
//!
//! **What a script costs** is a handful of commands for a batch and a few for each lane in it, since
//! commands take many fields at once; never one for each message that waits. A read finds its place
//! in a lane by its sequence, so that a million messages of one key in front cost what ten do.
//!
//! **What is in memory here**: the attempts under way, which demand bounds. Nothing is cached, so
//! that nothing has to be believed after a line was cut: what became of a call is *unknown* then, and
//! the next one finds what is there.
//!
//! **One owner** ([`lease`]): everything that writes carries its epoch, and is refused by the script
//! once there is a newer one. Further nodes may stand by and accept, and one of them succeeds it ([`stand`]).

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
mod open;
mod operate;
mod probe;
mod promote;
mod reply;
mod scripts;
mod seat;
mod settle;
mod stand;
mod store;
mod writer;

pub use store::RedisStore;
