//! How a message that was looked up is shown.

use super::time::write_time;
use roundsman_store::Sighting;
use serde_json::{Map, Value, json};

/// A message as `GET /v1/messages/{id}` answers it; what does not apply is left out.
pub(super) fn show(sighting: &Sighting) -> Value {
    let history = &sighting.history;
    let failures: Vec<Value> = sighting
        .attempts
        .iter()
        .map(|failed| {
            let at = write_time(failed.at);
            let mut shown = json!({ "attempt": failed.number, "at": at, "why": &*failed.what });
            if let Some(status) = failed.status {
                shown["status"] = status.into();
            }
            if let Some(answer) = &failed.answer {
                shown["answer"] = (&**answer).into();
            }
            shown
        })
        .collect();
    let mut shown = Map::new();
    let mut show = |name: &str, value: Value| {
        if !value.is_null() {
            shown.insert(name.to_owned(), value);
        }
    };
    show("id", json!(&*sighting.id));
    show("state", json!(sighting.state.as_str()));
    show("topic", json!(&*sighting.topic));
    // A settled message keeps no event: its name is gone with the payload.
    show("event", Some(&*sighting.event).filter(|event| !event.is_empty()).into());
    show("key", sighting.key.parts().collect());
    show("accepted_at", write_time(sighting.accepted_at).into());
    show("due_at", sighting.due_at.and_then(write_time).into());
    show("expires_at", sighting.expires_at.and_then(write_time).into());
    show("settled_at", sighting.settled_at.and_then(write_time).into());
    show("reason", sighting.reason.map(|reason| reason.as_str()).into());
    show("attempts", json!(history.attempts));
    show("first_attempt_at", history.first_attempt_at.and_then(write_time).into());
    show("failed", json!(history.failures));
    show("cut_off", json!(history.cuts));
    show("failures", failures.into());
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use roundsman_store::{Attempt, Failure, History, Key, State, Timestamp};

    #[test]
    fn a_retrying_message_says_why() {
        let sighting = Sighting {
            id: "order-1".into(),
            state: State::Retrying,
            topic: "user:42".into(),
            key: Key::from_parts(["team/7", "user-42"]).unwrap(),
            event: "push".into(),
            accepted_at: Timestamp(0),
            due_at: Some(Timestamp(60_000_000)),
            expires_at: None,
            settled_at: None,
            history: History { attempts: 2, failures: 1, cuts: 1, ..History::default() },
            attempts: vec![Attempt::failed(1, Failure::new(Timestamp(1_500_000), "no"))],
            reason: None,
            place: None,
        };
        let shown = json!({
            "id": "order-1", "state": "retrying", "topic": "user:42", "event": "push",
            "key": ["team/7", "user-42"], "accepted_at": "1970-01-01T00:00:00Z",
            "due_at": "1970-01-01T00:01:00Z", "attempts": 2, "failed": 1, "cut_off": 1,
            "failures": [{"attempt": 1, "at": "1970-01-01T00:00:01.5Z", "why": "no"}],
        });
        assert_eq!(show(&sighting), shown);
    }
}
