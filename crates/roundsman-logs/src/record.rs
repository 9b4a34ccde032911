//! What is read from a log, and where it lies there.

use std::fmt;

/// One record, as it was written: nothing in it is checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub spot: Spot,
    /// Its named parts: the fields of an entry, in order.
    pub fields: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// The last of its named parts with this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let found = self.fields.iter().rev().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_slice())
    }
}

/// Where a record lies in its log: for the log, for an id, and, shown, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// The id of an entry, which the server gave it.
    Entry(String),
}

impl Spot {
    /// What tells this record from all others of its log, for ever: letters, digits, `:` and `-`.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Entry(id) => id.clone(),
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(id) => write!(f, "entry {id}"),
        }
    }
}
