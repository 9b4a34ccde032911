//! What became of a message, as the column `ids.fate` of every database.

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept = 0,
    Delivered = 1,
    Expired = 2,
    Dead = 3,
    /// Taken back, or dropped from the dead letters: only its id is still known.
    Gone = 4,
}

impl Fate {
    /// Reads the number back.
    pub(crate) fn of(number: i64) -> Self {
        match number {
            1 => Self::Delivered,
            2 => Self::Expired,
            3 => Self::Dead,
            4 => Self::Gone,
            _ => Self::Kept,
        }
    }
}
