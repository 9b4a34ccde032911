//! Keeping the journal short: payloads that lie far back are copied forward, the state is written
//! out, and what lies before both is deleted.
//!
//! ```text
//!   before:  ─ old ─│ checkpoint n-1 │────── journal ──────│
//!   after:          │ checkpoint n-1 │────── journal ──────│ carried │ checkpoint n │
//!                   ▲ kept from here: a payload is copied once the checkpoint before the last is behind it
//! ```

use crate::config::KafkaConfig;
use crate::entry::{Kind, Strange};
use crate::error::strange;
use crate::owner::Owner;
use crate::place::Place;
use crate::replay::{self, Checkpoint};
use crate::topic;
use crate::writer::Shared;
use bytes::Bytes;
use roundsman_store::{StoreError, Timestamp};
use std::collections::HashMap;

/// A record of a checkpoint, or of payloads, weighs about this much.
const ROOM: usize = 512 << 10;

/// Whether it is time.
pub(crate) fn is_time(config: &KafkaConfig, checkpoint: &Checkpoint) -> bool {
    // In proportion to what a checkpoint weighs, so that writing them stays a part of all writing.
    checkpoint.since >= config.checkpoint_after.max(2 * checkpoint.bytes)
}

/// Writes a checkpoint. After an error the owner is no longer to be believed.
pub(crate) fn compact(
    shared: &Shared,
    owner: &mut Owner,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Shared { config, state, .. } = shared;
    let keep_from = owner.checkpoint.first;
    let (from, oldest) = {
        let mut state = state.lock();
        let (mut old, mut oldest) = (Vec::new(), u64::MAX);
        state.payloads(|payload| match Place::from_bytes(payload) {
            Some(place) if place.offset < keep_from => old.push(place),
            Some(place) => oldest = oldest.min(place.offset),
            None => {}
        });
        (old, oldest)
    };
    let began = owner.next;
    let moved = carry(shared, owner, from, now)?;
    let records = {
        let mut state = state.lock();
        if !moved.is_empty() {
            state.payloads(|payload| point_to(payload, &moved));
        }
        let header = owner.header(Kind::Part, now);
        replay::checkpoint(&state, header, owner.next, ROOM)
    };
    let first = owner.next;
    let bytes = records.iter().map(|record| record.len() as u64).sum();
    write(owner, &records)?;
    owner.checkpoint = Checkpoint { first, bytes, since: 0 };
    // What is not deleted now is deleted the next time: nothing depends on it.
    if let Err(error) = topic::shorten(config, &owner.admin, oldest.min(began)) {
        tracing::warn!(%error, "the journal could not be shortened");
    }
    Ok(())
}

/// Writes the records; the last one only once the others lie where they should, since a
/// checkpoint counts with its last.
fn write(owner: &mut Owner, records: &[Vec<u8>]) -> Result<(), StoreError> {
    let Some((last, others)) = records.split_last() else { return Ok(()) };
    for record in others {
        owner.send(record)?;
    }
    for record in others {
        owner.wait(record.len())?;
    }
    append(owner, last)
}

fn append(owner: &mut Owner, record: &[u8]) -> Result<(), StoreError> {
    owner.send(record)?;
    owner.wait(record.len())
}

/// Copies payloads to the end of the journal; answers where each lies now.
fn carry(
    shared: &Shared,
    owner: &mut Owner,
    mut places: Vec<Place>,
    now: Timestamp,
) -> Result<HashMap<Place, Place>, StoreError> {
    let mut moved = HashMap::with_capacity(places.len());
    if places.is_empty() {
        return Ok(moved);
    }
    places.sort_unstable();
    let mut record = owner.header(Kind::Carried, now).put();
    let empty = record.0.len();
    let mut at: Option<(u64, Bytes)> = None;
    for place in places {
        if at.as_ref().is_none_or(|(offset, _)| *offset != place.offset) {
            at = Some((place.offset, shared.record(place.offset)?));
        }
        let payload = at.as_ref().and_then(|(_, chunk)| place.cut(chunk));
        let payload =
            payload.ok_or_else(|| strange(&shared.config, place.offset, Strange::Damaged))?;
        moved.insert(place, Place::new(owner.next, record.0.len(), payload.len()));
        record.0.extend(&payload);
        if record.0.len() >= ROOM {
            append(owner, &record.0)?;
            record.0.truncate(empty);
        }
    }
    if record.0.len() > empty {
        append(owner, &record.0)?;
    }
    Ok(moved)
}

fn point_to(payload: &mut Bytes, moved: &HashMap<Place, Place>) {
    if let Some(place) = Place::from_bytes(payload).and_then(|place| moved.get(&place)) {
        *payload = place.to_bytes();
    }
}
