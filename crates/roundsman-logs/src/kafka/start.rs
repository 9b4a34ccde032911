//! Where a group stands in a topic, and where it begins. Everything here waits: not for a task.

use super::client::{PATIENCE, Watch, config};
use crate::{Cluster, LogError, Opening};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::metadata::Metadata;
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;
use tokio::task::spawn_blocking;

/// One partition: what is kept of it, and how far the group is.
struct Part {
    partition: i32,
    low: i64,
    high: i64,
    committed: Option<i64>,
}

/// What there is in the cluster, or why no broker lets this client in.
fn metadata(consumer: &BaseConsumer<Watch>) -> Result<Metadata, LogError> {
    let refusal = || {
        let mut polls = 0..POLLS;
        polls.find_map(|_| {
            let _ = consumer.poll(POLL);
            consumer.context().refused()
        })
    };
    // Of all topics: a question for one may make it.
    let looked = consumer.fetch_metadata(None, LOOK);
    looked.or_else(|_| match refusal() {
        Some(refused) => Err(refused),
        None => consumer
            .fetch_metadata(None, PATIENCE)
            .map_err(|error| refusal().unwrap_or_else(|| LogError(format!("{error}; {MAY_WANT}")))),
    })
}

const MAY_WANT: &str = "a broker may not be there, or want TLS (`kafkas://`), or a name and a \
                        password";
/// So long it takes at most to hear of a refusal, where a cluster answers at all.
const LOOK: Duration = Duration::from_secs(1);
/// What the client has to say waits until it is asked for.
const POLLS: usize = 10;
const POLL: Duration = Duration::from_millis(10);

/// The partitions of the topic; none where there is no such topic.
fn parts(consumer: &BaseConsumer<Watch>, topic: &str) -> Result<Vec<Part>, LogError> {
    let metadata = metadata(consumer)?;
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
pub(super) async fn begin_behind(opening: &Opening, cluster: &Cluster) -> Result<(), LogError> {
    aside(opening, cluster, |consumer, topic, _| {
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
    })
    .await
}

pub(crate) async fn probe(opening: &Opening, cluster: &Cluster) -> Result<String, LogError> {
    aside(opening, cluster, |consumer, topic, group| {
        let parts = parts(consumer, topic)?;
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
    })
    .await
}

/// Has a client of its own ask, given the topic and the group, on a thread that may wait.
async fn aside<T: Send + 'static>(
    opening: &Opening,
    cluster: &Cluster,
    ask: impl FnOnce(&BaseConsumer<Watch>, &str, &str) -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    let (config, watch) = (config(cluster, &opening.group), Watch::new(opening));
    let (topic, group) = (opening.address.name().to_owned(), opening.group.clone());
    let asked = spawn_blocking(move || {
        let consumer: BaseConsumer<Watch> = config.create_with_context(watch)?;
        ask(&consumer, &topic, &group)
    });
    asked.await.map_err(|error| LogError(error.to_string()))?
}
