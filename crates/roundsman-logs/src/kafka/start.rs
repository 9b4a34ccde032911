//! Where a group stands in a topic, and where it begins. Everything here waits: not for a task.

use super::client::{PATIENCE, Watch, config};
use crate::{LogError, Opening};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

/// One partition: what is kept of it, and how far the group is.
struct Part {
    partition: i32,
    low: i64,
    high: i64,
    committed: Option<i64>,
}

/// The partitions of the topic; none where there is no such topic.
fn parts<C: Consumer<Watch>>(consumer: &C, topic: &str) -> Result<Vec<Part>, LogError> {
    // Of all topics: a question for one may make it.
    let metadata = consumer.fetch_metadata(None, PATIENCE)?;
    let found = metadata.topics().iter().find(|it| it.name() == topic);
    let mut asked = TopicPartitionList::new();
    for partition in found.map(|it| it.partitions()).unwrap_or_default() {
        asked.add_partition(topic, partition.id());
    }
    if asked.count() == 0 {
        return Ok(Vec::new());
    }
    let committed = consumer.committed_offsets(asked, PATIENCE)?;
    let part = |it: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
        let partition = it.partition();
        let (low, high) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
        let committed = match it.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        Ok(Part { partition, low, high, committed })
    };
    committed.elements().into_iter().map(part).collect()
}

/// Has a group that is new begin behind what is there now.
pub(super) fn begin_behind<C: Consumer<Watch>>(consumer: &C, topic: &str) -> Result<(), LogError> {
    let parts = parts(consumer, topic)?;
    if parts.is_empty() || parts.iter().any(|it| it.committed.is_some()) {
        return Ok(());
    }
    let mut ends = TopicPartitionList::new();
    for Part { partition, high, .. } in parts {
        ends.add_partition_offset(topic, partition, Offset::Offset(high))?;
    }
    tracing::info!(topic, "the group is new and begins behind what is there");
    Ok(consumer.commit(&ends, CommitMode::Sync)?)
}

pub(crate) async fn probe(
    opening: &Opening,
    brokers: &str,
    topic: &str,
) -> Result<String, LogError> {
    let config = config(brokers, &opening.group);
    let (watch, topic, group) = (Watch::new(opening), topic.to_owned(), opening.group.clone());
    let looked = spawn_blocking(move || {
        let consumer: rdkafka::consumer::BaseConsumer<Watch> = config.create_with_context(watch)?;
        let parts = parts(&consumer, &topic)?;
        if parts.is_empty() {
            return Ok(format!("there is no topic `{topic}` yet; it is waited for"));
        }
        let left = |it: &Part| it.high - it.committed.unwrap_or(it.low).max(it.low);
        let (count, left) = (parts.len(), parts.iter().map(left).sum::<i64>());
        let is_new = parts.iter().all(|it| it.committed.is_none());
        Ok(match is_new {
            true => format!(
                "a topic of {count} partitions with {left} records; the group `{group}` is new"
            ),
            false => format!(
                "a topic of {count} partitions; the group `{group}` has {left} records left to read"
            ),
        })
    });
    looked.await.map_err(|error| LogError(error.to_string()))?
}
