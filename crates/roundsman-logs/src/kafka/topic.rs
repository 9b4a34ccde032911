//! Reading a topic as a member of its group.

use super::client::{Watch, are_all_down, config, loses};
use super::start::begin_behind;
use crate::log::{BATCH, BATCH_BYTES};
use crate::{Cluster, LogError, Opening, Record, Spot, Start};
use futures_util::{FutureExt, StreamExt};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::fmt;
use tokio::sync::oneshot;

/// A topic, some of whose partitions this process reads for its group.
pub(crate) struct Topic {
    /// `None`: it was closed.
    consumer: Option<StreamConsumer<Watch>>,
    topic: String,
    /// What the client said last, since it says it again and again.
    said: Option<LogError>,
    /// What is in the way of what comes next.
    trouble: Option<LogError>,
}

impl Topic {
    pub(crate) async fn open(
        opening: &Opening,
        cluster: &Cluster,
        topic: &str,
    ) -> Result<Self, LogError> {
        if opening.start == Start::Newest {
            begin_behind(opening, cluster).await?;
        }
        let consumer: StreamConsumer<Watch> =
            config(cluster, &opening.group).create_with_context(Watch::new(opening))?;
        consumer.subscribe(&[topic])?;
        Ok(Self { consumer: Some(consumer), topic: topic.to_owned(), said: None, trouble: None })
    }

    fn consumer(&self) -> Result<&StreamConsumer<Watch>, LogError> {
        self.consumer.as_ref().ok_or_else(|| LogError("the topic was closed".to_owned()))
    }

    pub(crate) async fn next(&mut self) -> Result<Vec<Record>, LogError> {
        if let Some(trouble) = self.trouble.take() {
            return Err(trouble);
        }
        let (mut records, mut bytes) = (Vec::new(), 0);
        let (mut said, mut trouble) = (self.said.take(), None);
        let mut messages = self.consumer()?.stream();
        while records.len() < BATCH && bytes < BATCH_BYTES {
            let message = match records.is_empty() {
                true => messages.next().await,
                false => messages.next().now_or_never().flatten(),
            };
            match message {
                None => break,
                Some(Ok(message)) => {
                    bytes += message.key_len() + message.payload_len();
                    records.push(record(&message));
                    said = None;
                }
                Some(Err(error)) if loses(&error) => {
                    trouble = Some(error.into());
                    break;
                }
                // It follows what was said of the last of them.
                Some(Err(error)) if said.is_some() && are_all_down(&error) => {}
                // The client gets over it by itself.
                Some(Err(error)) => {
                    let refused = self.consumer()?.context().refused();
                    let error = refused.unwrap_or_else(|| error.into());
                    if said.as_ref() != Some(&error) {
                        tracing::warn!(topic = self.topic, "{error}");
                    }
                    said = Some(error);
                }
            }
        }
        drop(messages);
        self.said = said;
        match (records.is_empty(), trouble) {
            (true, trouble) => {
                Err(trouble.unwrap_or_else(|| LogError("the client has ended".to_owned())))
            }
            (false, trouble) => {
                self.trouble = trouble;
                Ok(records)
            }
        }
    }

    pub(crate) fn done(&self, spots: &[Spot]) -> Result<(), LogError> {
        let mut nexts = BTreeMap::new();
        for spot in spots {
            if let Spot::Offset { partition, offset, .. } = spot {
                nexts.insert(*partition, offset + 1);
            }
        }
        for (partition, next) in nexts {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&self.topic, partition, Offset::Offset(next))?;
            // It is another's by now, who reads these again; their ids make that harmless.
            if let Err(error) = self.consumer()?.store_offsets(&list) {
                tracing::debug!(%error, partition, next, "an offset was not taken");
            }
        }
        Ok(())
    }

    pub(crate) async fn close(mut self) {
        if let Some(closed) = self.leave() {
            // Its sender goes with the thread, whatever that thread does.
            let _ = closed.await;
        }
    }

    /// Commits and leaves the group, which waits for the cluster: on a thread that no runtime waits
    /// for, since a cluster that is away is waited for long.
    fn leave(&mut self) -> Option<oneshot::Receiver<()>> {
        let consumer = self.consumer.take()?;
        let (told, closed) = oneshot::channel();
        std::thread::spawn(move || {
            drop(consumer);
            // Nobody waits where the topic was dropped.
            let _ = told.send(());
        });
        Some(closed)
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").field("topic", &self.topic).finish_non_exhaustive()
    }
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let fields = headers
        .filter_map(|header| Some((header.key.to_owned(), header.value?.to_vec())))
        .collect();
    let spot = Spot::Offset {
        partition: message.partition(),
        offset: message.offset(),
        time: message.timestamp().to_millis().unwrap_or_default(),
    };
    let bytes = |it: Option<&[u8]>| it.map(<[u8]>::to_vec);
    Record { spot, key: bytes(message.key()), value: bytes(message.payload()), fields }
}
