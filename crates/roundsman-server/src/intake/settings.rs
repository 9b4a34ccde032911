//! What the configuration says of one intake.

use super::Mapping;
use roundsman_logs::{Address, Opening, Start};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// One `[[intake]]`: plain data, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Intake {
    /// Where the log is.
    pub from: Address,
    /// The name by which its server remembers how far we are.
    pub group: String,
    /// Where a new group begins.
    pub start: Start,
    /// What of a record becomes a message.
    pub mapping: Mapping,
    /// What becomes of a record that cannot be one.
    pub on_error: OnError,
}

impl Intake {
    /// How its log is opened.
    pub(crate) fn opening(&self, lag: Arc<AtomicU64>) -> Opening {
        Opening { address: self.from.clone(), group: self.group.clone(), start: self.start, lag }
    }
}

/// What becomes of a record that cannot be a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The intake stands still in front of it.
    Stop,
    /// It is counted, logged and passed over.
    Skip,
}
