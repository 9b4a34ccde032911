//! Message ids: the sender's own, or one made by the store that says where the message lies.

use crate::LaneId;
use std::fmt;
use std::sync::Arc;

/// What tells the ids of one store from those of another: drawn at random when a store is
/// created, kept with it, eight letters of base 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdSalt(pub u64);

/// The id of a message: given by its sender, or made by the store.
///
/// A made id is `salt-lane-sequence`, so that looking it up needs no index.
///
/// ```
/// use roundsman_store::{IdSalt, LaneId, MessageId};
///
/// let salt = IdSalt(77);
/// let made = MessageId::Made { salt, lane: LaneId::new(3, 9), seq: 41 };
/// assert_eq!(MessageId::parse(&made.to_string(), salt), made);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MessageId {
    /// The sender's own.
    Given(Arc<str>),
    /// Made at acceptance: where the message was put then.
    Made {
        /// Of the store that made it.
        salt: IdSalt,
        /// The lane it was accepted into.
        lane: LaneId,
        /// The sequence it was given.
        seq: u64,
    },
}

impl MessageId {
    /// Reads an id back; one that this store did not make is a sender's own.
    #[must_use]
    pub fn parse(text: &str, ours: IdSalt) -> Self {
        Self::parse_made(text, ours).unwrap_or_else(|| Self::Given(text.into()))
    }

    fn parse_made(text: &str, ours: IdSalt) -> Option<Self> {
        let mut parts = text.split('-');
        let (salt, lane, seq) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || salt.len() != 8 || !salt.starts_with('m') {
            return None;
        }
        let (lane, seq) = (read36(lane)?, read36(seq)?);
        let made = Self::Made { salt: ours, lane: LaneId(lane), seq };
        // Compared as text: `01` and `1` would both read as one, and only one of them is ours.
        (made.to_string() == text).then_some(made)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(text) => f.write_str(text),
            Self::Made { salt, lane, seq } => {
                let mut out = [0u8; 40];
                let mut at = out.len();
                write36(*seq, &mut out, &mut at);
                at -= 1;
                out[at] = b'-';
                write36(lane.0, &mut out, &mut at);
                at -= 1;
                out[at] = b'-';
                let mut salt = salt.0;
                for _ in 0..7 {
                    at -= 1;
                    out[at] = DIGITS[(salt % 32) as usize];
                    salt /= 32;
                }
                at -= 1;
                out[at] = b'm';
                f.write_str(std::str::from_utf8(&out[at..]).unwrap_or_default())
            }
        }
    }
}

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

fn write36(mut number: u64, out: &mut [u8; 40], at: &mut usize) {
    loop {
        *at -= 1;
        out[*at] = DIGITS[(number % 36) as usize];
        number /= 36;
        if number == 0 {
            return;
        }
    }
}

fn read36(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 13 || text.starts_with('+') {
        return None;
    }
    u64::from_str_radix(text, 36).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_read_back_and_strangers_do_not() {
        let salt = IdSalt(0xdead_beef);
        let largest = MessageId::Made { salt, lane: LaneId(u64::MAX), seq: u64::MAX };
        let text = largest.to_string();
        assert!(text.len() <= 128);
        assert_eq!(MessageId::parse(&text, salt), largest);
        assert!(matches!(MessageId::parse(&text, IdSalt(1)), MessageId::Given(_)));
        for stranger in ["", "order-991-shipped", "m0000000-01-1", "m0000000--1", "m-1-1"] {
            assert!(matches!(MessageId::parse(stranger, salt), MessageId::Given(_)));
        }
    }
}
