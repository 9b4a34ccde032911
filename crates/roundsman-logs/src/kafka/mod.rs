//! A topic of Apache Kafka, read as a member of a consumer group.
//!
//! The cluster shares the partitions between the members of the group and keeps how far each was
//! taken. Offsets are handed to the client once their records are done; it commits them a few times a
//! second, when a partition is taken from it, and when it is closed.

mod client;
mod start;
mod topic;

pub(crate) use start::probe;
pub(crate) use topic::Topic;
