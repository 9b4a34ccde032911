//! Where in the journal a payload lies: what the state in memory keeps in its stead.

use bytes::Bytes;

/// A stretch of one record of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// The record.
    pub(crate) offset: u64,
    /// Where in it the payload begins.
    pub(crate) position: u32,
    pub(crate) length: u32,
}

impl Place {
    const BYTES: usize = 16;

    pub(crate) fn new(offset: u64, position: usize, length: usize) -> Self {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { offset, position: narrow(position), length: narrow(length) }
    }

    pub(crate) fn length(self) -> usize {
        self.length as usize
    }

    /// As a payload of the state in memory.
    pub(crate) fn to_bytes(self) -> Bytes {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.position.to_le_bytes());
        bytes[12..].copy_from_slice(&self.length.to_le_bytes());
        Bytes::copy_from_slice(&bytes)
    }

    /// From such a payload.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (offset, rest) = bytes.split_first_chunk::<8>()?;
        let (position, rest) = rest.split_first_chunk::<4>()?;
        let length = rest.try_into().ok()?;
        Some(Self {
            offset: u64::from_le_bytes(*offset),
            position: u32::from_le_bytes(*position),
            length: u32::from_le_bytes(length),
        })
    }

    /// The payload out of its record. Copied: a message that is waited for must not hold on to
    /// the whole record that it came with.
    pub(crate) fn cut(self, record: &[u8]) -> Option<Bytes> {
        let from = self.position as usize;
        record.get(from..from.checked_add(self.length())?).map(Bytes::copy_from_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_back() {
        let place = Place { offset: u64::MAX - 1, position: 70_000, length: 3 };
        assert_eq!(Place::from_bytes(&place.to_bytes()), Some(place));
        assert_eq!(Place::from_bytes(b"short"), None);
        assert_eq!(Place::new(0, 2, 3).cut(b"abcdefg").as_deref(), Some(&b"cde"[..]));
        assert_eq!(Place::new(0, 2, 9).cut(b"abcdefg"), None);
    }
}
