//! The body of a webhook: the same bytes at every attempt. Pure.

use crate::http::write_time;
use bytes::Bytes;
use roundsman_store::Record;

/// `{"type": event, "timestamp": accepted at, "data": payload}`, the payload as it was sent.
///
/// Nothing of it depends on the attempt, so a receiver may compare what it gets twice.
pub(crate) fn body(record: &Record) -> Bytes {
    let mut body = Vec::with_capacity(record.payload.len() + record.event.len() + 72);
    body.extend_from_slice(br#"{"type":"#);
    // Writing a string to a vector does not fail.
    let _ = serde_json::to_writer(&mut body, &*record.event);
    body.extend_from_slice(br#","timestamp":""#);
    body.extend_from_slice(write_time(record.accepted_at).unwrap_or_default().as_bytes());
    body.extend_from_slice(br#"","data":"#);
    body.extend_from_slice(&record.payload);
    body.push(b'}');
    body.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use roundsman_store::{IdSalt, Key, Lane, LaneId, MessageId, Timestamp};
    use std::sync::Arc;

    #[test]
    fn the_payload_is_as_it_was_sent() {
        let key = Key::parse("user:42").unwrap();
        let lane = Arc::new(Lane { id: LaneId::new(0, 1), key, topic: "user:42".into() });
        let record = Record {
            id: MessageId::Made { salt: IdSalt(1), lane: lane.id, seq: 1 },
            lane,
            seq: 1,
            event: "order.\"shipped\"".into(),
            payload: Bytes::from_static(br#"{ "n":1.50, "n":2 }"#),
            accepted_at: Timestamp(1_796_119_200_123_456),
            expires_at: None,
            history: None,
        };
        assert_eq!(
            body(&record),
            r#"{"type":"order.\"shipped\"","timestamp":"2026-12-01T10:00:00.123456Z","data":{ "n":1.50, "n":2 }}"#
        );
    }
}
