//! Filling in the payloads that a read left out at first.

use super::wants::Spot;
use bytes::Bytes;
use roundsman_store::Fetched;
use rustc_hash::{FxHashMap, FxHashSet};

/// Puts the payloads of these places into their records, by sequence. A record whose payload is
/// gone by now is left out.
pub(crate) fn fill(fetched: &mut [Fetched], missing: &[Spot], mut bodies: FxHashMap<u64, Bytes>) {
    let missing: FxHashSet<u64> = missing.iter().map(|spot| spot.seq).collect();
    for fetched in fetched {
        fetched.records.retain_mut(|record| {
            if !missing.contains(&record.seq) {
                return true;
            }
            let body = bodies.remove(&record.seq);
            let is_there = body.is_some();
            record.payload = body.unwrap_or_default();
            is_there
        });
    }
}
