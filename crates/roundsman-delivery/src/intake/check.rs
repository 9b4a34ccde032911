//! What each field of a message may hold; the words of each fault say what would be right.

use roundsman_store::Timestamp;

/// The words of a fault.
pub mod fault {
    /// Of a topic.
    pub const TOPIC_LENGTH: &str = "a topic has 1 to 255 bytes";
    /// Of a topic.
    pub const TOPIC_CONTROL: &str = "a topic has no control characters";
    /// Of a topic.
    pub const TOPIC_RESERVED: &str = "the topic `phoenix` is the protocol's own";
    /// Of an event.
    pub const EVENT_LENGTH: &str = "an event has 1 to 255 bytes";
    /// Of an event.
    pub const EVENT_CONTROL: &str = "an event has no control characters";
    /// Of an event.
    pub const EVENT_RESERVED: &str =
        "events that begin with `phx_` or `presence_` are the protocol's own";
    /// Of an id.
    pub const ID: &str = "an id has 1 to 128 of the characters A-Z a-z 0-9 _ : -";
    /// Of the two times together.
    pub const TIMES: &str = "expires_at must be after deliver_at";
}

/// Checks a topic.
///
/// # Errors
/// The words of the fault.
pub fn check_topic(topic: &str) -> Result<(), &'static str> {
    if topic.is_empty() || topic.len() > 255 {
        return Err(fault::TOPIC_LENGTH);
    }
    if topic.chars().any(char::is_control) {
        return Err(fault::TOPIC_CONTROL);
    }
    if topic == "phoenix" {
        return Err(fault::TOPIC_RESERVED);
    }
    Ok(())
}

/// Checks an event's name.
///
/// # Errors
/// The words of the fault.
pub fn check_event(event: &str) -> Result<(), &'static str> {
    if event.is_empty() || event.len() > 255 {
        return Err(fault::EVENT_LENGTH);
    }
    if event.chars().any(char::is_control) {
        return Err(fault::EVENT_CONTROL);
    }
    if event.starts_with("phx_") || event.starts_with("presence_") {
        return Err(fault::EVENT_RESERVED);
    }
    Ok(())
}

/// Checks an id that a sender gave.
///
/// # Errors
/// The words of the fault.
pub fn check_id(id: &str) -> Result<(), &'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-');
    if id.is_empty() || id.len() > 128 || !id.bytes().all(fits) {
        return Err(fault::ID);
    }
    Ok(())
}

/// Checks the two times of a message against each other.
///
/// # Errors
/// The words of the fault.
pub fn check_times(
    deliver_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
) -> Result<(), &'static str> {
    match (deliver_at, expires_at) {
        (Some(deliver), Some(expires)) if expires <= deliver => Err(fault::TIMES),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics() {
        assert_eq!(check_topic("user:42"), Ok(()));
        assert_eq!(check_topic(&"é".repeat(127)), Ok(()));
        assert_eq!(check_topic(""), Err(fault::TOPIC_LENGTH));
        assert_eq!(check_topic(&"a".repeat(256)), Err(fault::TOPIC_LENGTH));
        assert_eq!(check_topic("a\nb"), Err(fault::TOPIC_CONTROL));
        assert_eq!(check_topic("a\u{85}b"), Err(fault::TOPIC_CONTROL));
        assert_eq!(check_topic("phoenix"), Err(fault::TOPIC_RESERVED));
    }

    #[test]
    fn events_and_ids() {
        assert_eq!(check_event("order.shipped"), Ok(()));
        assert_eq!(check_event("phx_join"), Err(fault::EVENT_RESERVED));
        assert_eq!(check_event("presence_diff"), Err(fault::EVENT_RESERVED));
        assert_eq!(check_id("order-991:a_B"), Ok(()));
        for bad in ["", "a b", "a.b", "é", "a/b"] {
            assert_eq!(check_id(bad), Err(fault::ID));
        }
        assert_eq!(check_id(&"a".repeat(129)), Err(fault::ID));
    }
}
