//! Where events of a full partition wait outside of memory.

/// A place outside of memory for what full partitions have no room for, such as a file.
///
/// [`ByPartition::park`](super::ByPartition::park) puts events in and takes them back in order, so
/// that a partition stays in order and no event is in memory twice. It is called between two
/// events of a stage and holds the stage up for as long as it takes.
///
/// ```
/// use roundsman::dispatch::Park;
/// use std::collections::{BTreeMap, VecDeque};
///
/// /// In memory after all, but small: numbers as bytes.
/// #[derive(Default)]
/// struct Packed(BTreeMap<usize, VecDeque<u8>>);
///
/// impl Park<u64> for Packed {
///     fn put(&mut self, partition: usize, event: u64) {
///         self.0.entry(partition).or_default().extend(event.to_le_bytes());
///     }
///
///     fn take(&mut self, partition: usize, n: usize) -> Vec<u64> {
///         let Some(bytes) = self.0.get_mut(&partition) else { return Vec::new() };
///         let bytes: Vec<u8> = bytes.drain(..bytes.len().min(8 * n)).collect();
///         bytes.as_chunks().0.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect()
///     }
/// }
///
/// let mut packed = Packed::default();
/// packed.put(0, 7);
/// packed.put(0, 8);
/// assert_eq!((packed.take(0, 1), packed.take(0, 9), packed.take(0, 9)), (vec![7], vec![8], vec![]));
/// ```
pub trait Park<E>: Send {
    /// Keeps an event of a partition, behind all it has of it.
    fn put(&mut self, partition: usize, event: E);

    /// Gives back the oldest of a partition, at most `n` and at least one while it has any.
    ///
    /// To give back none says that they are gone; they are counted no more, and a warning is logged.
    fn take(&mut self, partition: usize, n: usize) -> Vec<E>;
}
