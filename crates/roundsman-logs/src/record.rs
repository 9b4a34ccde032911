//! What is read from a log, and where it lies there.

use std::fmt;

/// One record, as it was written: nothing in it is checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub spot: Spot,
    /// The key of a record of Kafka.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its named parts, in order: the headers of a record of Kafka, the fields of an entry of Redis.
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
    /// The id of an entry of Redis, which the server gave it.
    Entry(String),
    /// The place of a record of Kafka.
    Offset {
        /// Its partition.
        partition: i32,
        /// Its number there.
        offset: i64,
        /// When it was made or written, in milliseconds: it tells apart topics of one name, of
        /// which one was deleted before the other was made.
        time: i64,
    },
}

impl Spot {
    /// What tells this record from all others of its log, for ever: letters, digits, `:` and `-`.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Entry(id) => id.clone(),
            Self::Offset { partition, offset, time } => format!("{partition}:{offset}:{time}"),
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(id) => write!(f, "entry {id}"),
            Self::Offset { partition, offset, .. } => {
                write!(f, "partition {partition}, offset {offset}")
            }
        }
    }
}
