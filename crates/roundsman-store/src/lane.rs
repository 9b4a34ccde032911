//! Lanes: a key and a topic together, interned as an integer that begins with its shard.

use crate::{Key, Timestamp};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// How many shards there are; a lane belongs to one, by its key's widest part.
pub const SHARDS: u16 = 256;

/// The number of a lane: its shard in the top 16 bits, then a number within the store.
///
/// Indexes that begin with it are ordered by (shard, lane).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u64);

impl LaneId {
    /// Lane `number` (below 2⁴⁸) of `shard` (below [`SHARDS`]).
    #[must_use]
    pub fn new(shard: u16, number: u64) -> Self {
        Self((u64::from(shard) << 48) | (number & 0xffff_ffff_ffff))
    }

    /// The shard it belongs to.
    #[must_use]
    pub fn shard(self) -> u16 {
        u16::try_from(self.0 >> 48).unwrap_or(u16::MAX)
    }

    /// Its number without the shard.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0 & 0xffff_ffff_ffff
    }
}

/// A key and a topic together: the unit of order, of reading and of waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Its number.
    pub id: LaneId,
    /// Whom its messages are charged to.
    pub key: Key,
    /// What clients join.
    pub topic: Arc<str>,
}

/// Why a lane waits. Kept with the lane, never with its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Nobody has joined its topic; released by a join.
    Absent,
    /// Its head is to be tried again at this moment; [`Store::promote`](crate::Store::promote)
    /// releases it then.
    Until(Timestamp),
    /// Its endpoint is parked; released when that answers again
    /// ([`Release::Endpoint`](crate::Release::Endpoint)).
    Parked(Endpoint),
}

/// What a lane's messages cannot be delivered without: the address they go to, or a lookup.
///
/// A number that is the same for the same name on every machine and in every run.
///
/// ```
/// use roundsman_store::Endpoint;
///
/// assert_eq!(Endpoint::of("https://example.com/hook"), Endpoint::of("https://example.com/hook"));
/// assert_ne!(Endpoint::of("https://example.com/hook"), Endpoint::of("https://example.org/hook"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint(pub u64);

impl Endpoint {
    /// The endpoint of this name: the first 8 bytes of its SHA-256. Strangers choose addresses, and
    /// two that share a number would be parked together.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let mut first = [0; 8];
        first.copy_from_slice(&Sha256::digest(name.as_bytes())[..8]);
        Self(u64::from_le_bytes(first))
    }
}

/// The shard of a key: by a hash of its widest part that is the same on every machine.
///
/// FNV-1a, 64 bits (Fowler, Noll, Vo), folded to eight.
#[must_use]
pub fn shard_of(key: &Key) -> u16 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in key.widest().bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    u16::try_from((hash ^ (hash >> 32)) % u64::from(SHARDS)).unwrap_or(0)
}
