//! Records of the journal that are in memory: the newest, and those read last, up to a weight.

use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

#[derive(Debug)]
pub(crate) struct Chunks {
    by_offset: HashMap<u64, Bytes>,
    /// In the order in which they came, which is that in which they go.
    order: VecDeque<u64>,
    bytes: usize,
    limit: usize,
}

impl Chunks {
    pub(crate) fn new(limit: usize) -> Self {
        Self { by_offset: HashMap::new(), order: VecDeque::new(), bytes: 0, limit }
    }

    pub(crate) fn insert(&mut self, offset: u64, record: Bytes) {
        self.bytes += record.len();
        match self.by_offset.insert(offset, record) {
            Some(old) => self.bytes -= old.len(),
            None => self.order.push_back(offset),
        }
        while self.bytes > self.limit {
            let Some(oldest) = self.order.pop_front() else { return };
            self.bytes -= self.by_offset.remove(&oldest).map_or(0, |record| record.len());
        }
    }

    pub(crate) fn find(&self, offset: u64) -> Option<Bytes> {
        self.by_offset.get(&offset).cloned()
    }

    /// Forgets all: what was expected to be written may not have been.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let mut chunks = Chunks::new(10);
        for offset in 0..4 {
            chunks.insert(offset, Bytes::from_static(b"1234"));
        }
        assert_eq!((chunks.find(1), chunks.bytes), (None, 8));
        assert!(chunks.find(3).is_some());
        chunks.insert(3, Bytes::from_static(b"12"));
        assert_eq!((chunks.bytes, chunks.order.len()), (6, 2));
        chunks.insert(9, Bytes::from_static(b"12345678901"));
        assert_eq!((chunks.bytes, chunks.by_offset.len()), (0, 0));
    }
}
