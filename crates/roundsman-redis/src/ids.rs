//! Ids as the scripts know them, and where the messages lie that they lead to.
//!
//! ```text
//!  g and a sender's own     → ids    fingerprint (32 digits), then K seq · X seq · what is remembered
//!  m lane:sequence, made    → moved  K seq · X seq, once the message has left its first place
//! ```

use crate::door::Door;
use crate::error::strange;
use crate::link::Link;
use crate::reply::{hex, lane_id};
use redis::{Pipeline, Value};
use roundsman_store::{IdSalt, MessageId, StoreError};

/// An id as the scripts know it.
pub(crate) fn write_id(id: &str, salt: IdSalt) -> String {
    match MessageId::parse(id, salt) {
        MessageId::Given(id) => format!("g{id}"),
        MessageId::Made { lane, seq, .. } => format!("m{}:{seq}", hex(lane)),
    }
}

/// Reads what [`write_id`] wrote.
pub(crate) fn read_id(written: &str, salt: IdSalt) -> Result<MessageId, StoreError> {
    if let Some(given) = written.strip_prefix('g') {
        return Ok(MessageId::Given(given.into()));
    }
    let place = written.strip_prefix('m').and_then(|place| place.split_once(':'));
    let (lane, seq) = place.ok_or_else(|| strange("no id"))?;
    let seq = seq.parse().map_err(|_| strange("no id"))?;
    Ok(MessageId::Made { salt, lane: lane_id(lane)?, seq })
}

/// Where the messages of these ids lie: K kept or X dead, and the sequence.
pub(crate) async fn spots(
    link: &Link,
    door: &Door,
    ids: &[String],
) -> Result<Vec<Option<(char, u64)>>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut calls = Pipeline::with_capacity(ids.len());
    for id in ids {
        let key = if id.starts_with('g') { "ids" } else { "moved" };
        calls.cmd("HGET").arg(door.key(key)).arg(&id[1..]);
    }
    let answers = link.ask_all(&calls).await?;
    Ok(ids.iter().zip(answers).map(|(id, answer)| spot(id, answer)).collect())
}

fn spot(id: &str, answer: Value) -> Option<(char, u64)> {
    let Value::BulkString(bytes) = answer else { return None };
    let text = String::from_utf8(bytes).ok()?;
    let text = if id.starts_with('g') { text.get(FINGERPRINT..)? } else { &text };
    let state = text.chars().next().filter(|state| "KX".contains(*state))?;
    Some((state, text[1..].parse().ok()?))
}

/// Digits of a fingerprint.
const FINGERPRINT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use roundsman_store::LaneId;

    #[test]
    fn ids_and_back() {
        let salt = IdSalt(9);
        let made = MessageId::Made { salt, lane: LaneId::new(255, 1 << 40), seq: 1 << 50 };
        for id in [made, MessageId::Given("order-991".into())] {
            assert_eq!(read_id(&write_id(&id.to_string(), salt), salt).unwrap(), id);
        }
    }
}
