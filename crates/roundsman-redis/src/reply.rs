//! Reading replies: what a script answers, as the types that are expected of it.

use crate::error::{self, strange};
use redis::Value;
use roundsman_store::{Key, Lane, LaneId, StoreError, Timestamp};
use std::sync::Arc;

/// The parts of a reply, one after the other.
pub(crate) struct Parts(std::vec::IntoIter<Value>);

impl Parts {
    /// Those of a list.
    pub(crate) fn of(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Array(parts) => Ok(Self(parts.into_iter())),
            Value::ServerError(refusal) => Err(error::of_reply(&refusal)),
            _ => Err(strange("no list")),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn next(&mut self) -> Result<Value, StoreError> {
        self.0.next().ok_or_else(|| strange("a short list"))
    }

    pub(crate) fn list(&mut self) -> Result<Self, StoreError> {
        Self::of(self.next()?)
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        bytes(self.next()?)
    }

    pub(crate) fn text(&mut self) -> Result<String, StoreError> {
        text(self.next()?)
    }

    pub(crate) fn number(&mut self) -> Result<u64, StoreError> {
        number(&self.next()?)
    }

    /// A moment; `None` where the text is empty.
    pub(crate) fn moment(&mut self) -> Result<Option<Timestamp>, StoreError> {
        moment(&self.text()?)
    }

    /// A lane's number and its name.
    pub(crate) fn lane(&mut self) -> Result<Arc<Lane>, StoreError> {
        let id = lane_id(&self.text()?)?;
        lane(id, &self.text()?)
    }

    /// All that are left, as lanes.
    pub(crate) fn lanes(mut self) -> Result<Vec<Arc<Lane>>, StoreError> {
        let mut lanes = Vec::with_capacity(self.len() / 2);
        while self.len() > 0 {
            lanes.push(self.lane()?);
        }
        Ok(lanes)
    }
}

pub(crate) fn bytes(value: Value) -> Result<Vec<u8>, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        Value::ServerError(refusal) => Err(error::of_reply(&refusal)),
        _ => Err(strange("no text")),
    }
}

pub(crate) fn text(value: Value) -> Result<String, StoreError> {
    String::from_utf8(bytes(value)?).map_err(|_| strange("no UTF-8"))
}

pub(crate) fn number(value: &Value) -> Result<u64, StoreError> {
    let number = match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok().and_then(|it| it.parse().ok()),
        Value::ServerError(refusal) => return Err(error::of_reply(refusal)),
        _ => None,
    };
    number.ok_or_else(|| strange("no number"))
}

/// Reads a moment. One at the end of time may have been rounded beyond it.
pub(crate) fn moment(text: &str) -> Result<Option<Timestamp>, StoreError> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(micros) = text.parse() {
        return Ok(Some(Timestamp(micros)));
    }
    match text.parse::<f64>() {
        Ok(rounded) if rounded > 0.0 => Ok(Some(Timestamp(i64::MAX))),
        Ok(_) => Ok(Some(Timestamp(i64::MIN))),
        Err(_) => Err(strange("no moment")),
    }
}

/// A lane's number as it is written: sixteen digits, so that texts compare as numbers do.
pub(crate) fn hex(id: LaneId) -> String {
    format!("{:016x}", id.0)
}

pub(crate) fn lane_id(text: &str) -> Result<LaneId, StoreError> {
    u64::from_str_radix(text, 16).map(LaneId).map_err(|_| strange("no lane"))
}

/// A lane's name as it is written: the topic with its length, and the key.
pub(crate) fn name(key: &str, topic: &str) -> String {
    format!("{}:{topic}{key}", topic.len())
}

pub(crate) fn lane(id: LaneId, name: &str) -> Result<Arc<Lane>, StoreError> {
    let (length, rest) = name.split_once(':').ok_or_else(|| strange("no name of a lane"))?;
    let length = length.parse().map_err(|_| strange("no name of a lane"))?;
    let split = rest.split_at_checked(length).ok_or_else(|| strange("no name of a lane"))?;
    let (topic, key) = split;
    let key = Key::parse(key).map_err(|_| strange("no key"))?;
    Ok(Arc::new(Lane { id, key, topic: topic.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_back() {
        let id = LaneId::new(200, 7);
        let found = lane(id, &name("a/b~1c", "t:4\n")).unwrap();
        assert_eq!((found.key.as_str(), &*found.topic), ("a/b~1c", "t:4\n"));
        assert_eq!(lane_id(&hex(id)).unwrap(), id);
        for broken in ["", "3", "9:t", "x:t", "1:t"] {
            assert!(lane(id, broken).is_err(), "{broken}");
        }
    }
}
